/**
 * A proxy with many tenants as a running process: start, change, reload, memory. Called by tenants.ts.
 *
 * @module
 */
import { outputOf } from "./machine.ts";
import { ContestantError } from "./proxy.ts";
import { type Fleet, type Targets, tenantId, type TenantsContestant } from "./tenants_contestants.ts";

const START_PATIENCE_MS = 120_000;
const EFFECT_PATIENCE_MS = 30_000;
const STOP_PATIENCE_MS = 20_000;
const RETRY_MS = 2;
const ROOT = new URL("../", import.meta.url);

/** Memory of a proxy with all its processes. */
export interface Footprint {
  readonly processes: number;
  /** Proportional share of what they have in common. */
  readonly pssBytes: number;
}

/** What an endpoint of this benchmark says to each client before it closes: which one it is. */
export class Endpoint implements Disposable {
  readonly port: number;
  readonly #listener: Deno.TcpListener;

  /** Listens on a port from the kernel. */
  constructor(readonly letter: string) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    this.#serve();
  }

  async #serve(): Promise<void> {
    for await (const conn of this.#listener) {
      // A client that is gone already has no use for the letter.
      await conn.write(new TextEncoder().encode(this.letter)).catch(() => 0);
      conn.close();
    }
  }

  /** Ends it. */
  [Symbol.dispose](): void {
    this.#listener.close();
  }
}

/** A running proxy with many tenants. */
export class RunningFleet implements AsyncDisposable {
  readonly #contestant: TenantsContestant;
  readonly #fleet: Fleet;
  readonly #token: string;
  readonly #child: Deno.ChildProcess;
  readonly #targets: number[];
  /** Milliseconds from the command until the last tenant was served. */
  readonly startMs: number;
  #ended = false;

  private constructor(
    contestant: TenantsContestant,
    fleet: Fleet,
    token: string,
    child: Deno.ChildProcess,
    targets: Targets,
    startMs: number,
  ) {
    this.#contestant = contestant;
    this.#fleet = fleet;
    this.#token = token;
    this.#child = child;
    this.#targets = [...targets];
    this.startMs = startMs;
    child.status.then(() => this.#ended = true);
  }

  /** Starts a contestant whose files are written; the last of its tenants is served by `last` when this returns. */
  static async start(
    contestant: TenantsContestant,
    fleet: Fleet,
    token: string,
    targets: Targets,
    last: Endpoint,
  ): Promise<RunningFleet> {
    const output = `${fleet.dir}/output`;
    const startedAt = performance.now();
    const child = new Deno.Command("sh", {
      args: ["-c", `exec "$@" >"${output}" 2>&1`, "sh", ...contestant.command(fleet)],
      cwd: ROOT,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    let isOver = false;
    child.status.then(() => isOver = true);
    try {
      await untilServed(fleet.firstPort + fleet.tenants - 1, last.letter, START_PATIENCE_MS, () => isOver);
    } catch (cause) {
      if (!isOver) child.kill("SIGKILL");
      await child.status;
      const said = (await Deno.readTextFile(output)).trim().split("\n").slice(-5).join("\n");
      throw new ContestantError(`Cannot start ${contestant.name}: every tenant must be served: it printed\n${said}`, {
        cause,
      });
    }
    return new RunningFleet(contestant, fleet, token, child, targets, performance.now() - startedAt);
  }

  /** Where a tenant goes now. */
  targetOf(tenant: number): number {
    return this.#targets[tenant] ?? 0;
  }

  /**
   * Sends a tenant elsewhere through the admin API. Milliseconds until the answer, and until a new session was served
   * there; that one is opened when the answer is there.
   */
  async change(tenant: number, to: Endpoint): Promise<{ answerMs: number; effectMs: number }> {
    const url = `http://127.0.0.1:${this.#fleet.adminPort}/v1/tenants/${tenantId(tenant)}/backends/out/endpoints/a`;
    const startedAt = performance.now();
    const response = await fetch(url, {
      method: "PATCH",
      headers: { Authorization: `Bearer ${this.#token}`, "Content-Type": "application/merge-patch+json" },
      body: JSON.stringify({ address: `127.0.0.1:${to.port}` }),
    });
    const body = await response.text();
    const answerMs = performance.now() - startedAt;
    if (response.status !== 200) throw this.#failure(`a change was answered with ${response.status}: ${body}`);
    const letter = await askWho(this.#fleet.firstPort + tenant);
    if (letter !== to.letter) throw this.#failure(`a change that was answered was not in force: ${letter} answered`);
    this.#targets[tenant] = to.port;
    return { answerMs, effectMs: performance.now() - startedAt };
  }

  /** Sends a tenant elsewhere by its file and a reload. Milliseconds from the signal until a session was served there. */
  async reload(tenant: number, to: Endpoint): Promise<number> {
    this.#targets[tenant] = to.port;
    await writeFiles(this.#fleet.dir, this.#contestant.changed(this.#fleet, this.#targets, tenant));
    const startedAt = performance.now();
    this.#child.kill(this.#contestant.reloadSignal);
    await untilServed(this.#fleet.firstPort + tenant, to.letter, EFFECT_PATIENCE_MS, () => this.#ended);
    return performance.now() - startedAt;
  }

  /** Memory of all its processes. */
  async footprint(): Promise<Footprint> {
    const pids = await familyOf(this.#child.pid);
    const rollups = await Promise.all(pids.map((pid) => outputOf("cat", `/proc/${pid}/smaps_rollup`).catch(() => "")));
    const sizes = rollups.map((text) => 1024 * Number(/^Pss:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0));
    return {
      processes: sizes.filter((size) => size > 0).length,
      pssBytes: sizes.reduce((sum, size) => sum + size, 0),
    };
  }

  /** Ends it with all its processes. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return;
    const family = await familyOf(this.#child.pid);
    this.#child.kill("SIGINT");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_PATIENCE_MS);
    await this.#child.status;
    clearTimeout(timer);
    for (const pid of family) {
      try {
        Deno.kill(pid, "SIGKILL");
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }

  #failure(what: string): ContestantError {
    return new ContestantError(`Cannot measure ${this.#contestant.name}: ${what}`);
  }
}

/** Writes files below a folder. */
export async function writeFiles(dir: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(`${dir}/${name}`, text);
}

/** Opens a session; what its endpoint says, or "" when there is none. */
async function askWho(port: number): Promise<string> {
  try {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    const buffer = new Uint8Array(8);
    const got = await conn.read(buffer) ?? 0;
    return new TextDecoder().decode(buffer.subarray(0, got));
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused || error instanceof Deno.errors.ConnectionReset) return "";
    throw error;
  }
}

async function untilServed(port: number, letter: string, patienceMs: number, isOver: () => boolean): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (await askWho(port) !== letter) {
    if (isOver() || performance.now() > deadline) {
      throw new ContestantError(`Port ${port} must be served by ${letter} within ${patienceMs} ms: it was not`);
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** A process and all its descendants. */
async function familyOf(root: number): Promise<number[]> {
  const lines = (await outputOf("ps", "-e", "-o", "pid=,ppid=")).split("\n");
  const parents = lines.map((line) => line.trim().split(/\s+/).map(Number));
  const family = [root];
  for (const pid of family) {
    for (const [child = 0, parent] of parents) if (parent === pid) family.push(child);
  }
  return family;
}
