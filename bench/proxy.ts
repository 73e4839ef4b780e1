/**
 * A contestant as a running process. Called by measure.ts, syscalls.ts and memory.ts.
 *
 * @module
 */
import type { Contestant } from "./contestants.ts";
import { type Place, placed } from "./load.ts";
import { freePort } from "./ports.ts";

const START_PATIENCE_MS = 20_000;
const STOP_PATIENCE_MS = 5_000;
const RETRY_MS = 10;
/** A fresh process has work of its own to finish: compilers, first garbage collections. */
const REST_MS = 300;
/** What a proxy may keep open beside its sessions: HAProxy's 1000 pipes, and some more. */
const SPARE_DESCRIPTORS = 2500;
const ROOT = new URL("../", import.meta.url);

/**
 * A contestant that did not start, lost bytes or failed operations: the others go on, and figures of such a run mean
 * nothing.
 */
export class ContestantError extends Error {
  override readonly name = "ContestantError";
}

/** A running proxy. */
export class Proxy implements AsyncDisposable {
  readonly pid: number;
  readonly port: number;
  readonly #child: Deno.ChildProcess;
  #ended = false;

  private constructor(child: Deno.ChildProcess, port: number) {
    this.pid = child.pid;
    this.port = port;
    this.#child = child;
    child.status.then(() => this.#ended = true);
  }

  /** Starts a contestant in front of a port; it accepts connections when this returns. */
  static async start(
    contestant: Contestant,
    place: Place,
    parentDir: string,
    backend: number,
    patienceMs: number = START_PATIENCE_MS,
  ): Promise<Proxy> {
    const dir = await Deno.makeTempDir({ dir: parentDir, prefix: `${contestant.name}-` });
    const sessions = Math.floor((place.nofile - SPARE_DESCRIPTORS) / 2);
    const job = { listen: freePort(), backend, dir, sessions };
    for (const [name, text] of Object.entries(contestant.files(job))) {
      await Deno.writeTextFile(`${dir}/${name}`, text);
    }
    const { command, args } = placed(place, contestant.command(job));
    const output = `${dir}/output`;
    // The shell only opens the file: what a proxy prints must not depend on who reads it.
    const child = new Deno.Command("sh", {
      args: ["-c", `exec "$@" >"${output}" 2>&1`, "sh", command, ...args],
      cwd: ROOT,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const proxy = new Proxy(child, job.listen);
    try {
      await proxy.#untilReady(patienceMs);
    } catch (error) {
      await proxy[Symbol.asyncDispose]();
      const said = (await Deno.readTextFile(output)).trim().split("\n").slice(-5).join("\n");
      throw new ContestantError(`Cannot start ${contestant.name}: it must accept connections: it printed\n${said}`, {
        cause: error,
      });
    }
    return proxy;
  }

  async #untilReady(patienceMs: number): Promise<void> {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      try {
        (await Deno.connect({ hostname: "127.0.0.1", port: this.port })).close();
        break;
      } catch (error) {
        if (this.#ended || performance.now() > deadline) throw error;
        await pause(RETRY_MS);
      }
    }
    await pause(REST_MS);
  }

  /** Ends it, by force if need be. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return;
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_PATIENCE_MS);
    await this.#child.status;
    clearTimeout(timer);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
