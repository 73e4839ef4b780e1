/**
 * The program under test as a process: `serve` with a configuration, its lines, its access log, its signals and its end.
 *
 * @module
 */
import type { AccessRecord } from "./access_log.ts";
import { parseAccessLine } from "./access_log.ts";
import type { Config } from "./config.ts";
import { eventually, PATIENCE_MS, within } from "./eventually.ts";
import { pumpLines, readFrom } from "./lines.ts";
import { cpuShareOver, type Usage, usageOf } from "./process.ts";

const ROOT = new URL("../../", import.meta.url);

/** How `serve` is started beyond its configuration. */
export interface SluiceOptions {
  /** RLIMIT_NOFILE, soft and hard. */
  readonly nofile?: number;
  /** Take the configuration's own `log` as it is; the access log is then not read. */
  readonly ownLog?: boolean;
  /** Its environment beyond what every `serve` of a test has. */
  readonly env?: Readonly<Record<string, string>>;
}

/** How the process ended. */
export interface Exit {
  readonly code: number;
  readonly signal: string | null;
}

/** Fields that a record must have. */
export type RecordMatch = Partial<AccessRecord> | ((record: AccessRecord) => boolean);

/** Arguments after `deno` that run the program with the permissions of its task. */
export function programArgs(...args: string[]): string[] {
  return ["run", "--quiet", "--no-prompt", "-P=sluice", new URL("main.ts", ROOT).pathname, ...args];
}

/** Runs a command that ends by itself. */
export function runProgram(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return runProgramWith({}, ...args);
}

/** The same with an environment. */
export async function runProgramWith(
  env: Readonly<Record<string, string>>,
  ...args: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: programArgs(...args),
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1", ...env },
  }).spawn();
  try {
    const { code, stdout, stderr } = await within(child.output(), `the end of ${args.join(" ")}`, 60_000);
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}

/** A running `serve`. */
export class Sluice implements AsyncDisposable {
  /** Lines of standard output and of standard error so far. */
  readonly stdout: string[] = [];
  readonly stderr: string[] = [];
  readonly configPath: string;
  readonly #child: Deno.ChildProcess;
  readonly #dir: string;
  readonly #ownLog: boolean;
  readonly #pumps: Promise<void>[];
  readonly #records: AccessRecord[] = [];
  #recordsRead = 0;
  #exit: Exit | undefined;

  private constructor(child: Deno.ChildProcess, dir: string, ownLog: boolean) {
    this.#child = child;
    this.#dir = dir;
    this.#ownLog = ownLog;
    this.configPath = `${dir}/sluice.yaml`;
    this.#pumps = [pumpLines(child.stdout, this.stdout), pumpLines(child.stderr, this.stderr)];
    child.status.then(({ code, signal }) => this.#exit = { code, signal });
  }

  /** Starts `serve` with files in `dir`, which the caller owns; does not wait for anything. */
  static spawn(dir: string, config: Config | string, options: SluiceOptions = {}): Sluice {
    const ownLog = options.ownLog ?? false;
    writeConfig(dir, config, ownLog);
    const args = [Deno.execPath(), ...programArgs("serve", "--config", `${dir}/sluice.yaml`)];
    const limit = options.nofile === undefined ? "" : `ulimit -n ${options.nofile}; `;
    const child = new Deno.Command("sh", {
      args: ["-c", `${limit}exec "$@"`, "sh", ...args],
      cwd: ROOT,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1", ...options.env },
    }).spawn();
    return new Sluice(child, dir, ownLog);
  }

  /**
   * Starts `serve` and waits until it is ready.
   *
   * @throws {Error} with its output when it ends before.
   */
  static async start(dir: string, config: Config | string, options: SluiceOptions = {}): Promise<Sluice> {
    const sluice = Sluice.spawn(dir, config, options);
    try {
      await eventually(() => {
        if (sluice.#exit) throw new EndedEarly(sluice.output());
        return sluice.stdout.some((line) => line.startsWith("ready "));
      }, { what: "the ready line", deadlineMs: 60_000, giveUp: (error) => error instanceof EndedEarly });
    } catch (error) {
      await sluice[Symbol.asyncDispose]();
      throw new Error(`Sluice did not become ready:\n${sluice.output()}`, { cause: error });
    }
    return sluice;
  }

  /** The process's number. */
  get pid(): number {
    return this.#child.pid;
  }

  /** How it ended, or undefined while it runs. */
  get exited(): Exit | undefined {
    return this.#exit;
  }

  /** All that it printed, for messages. */
  output(): string {
    return [...this.stdout, ...this.stderr].join("\n");
  }

  /** Every bound address of a listener, in the order of the `listening` lines. */
  addresses(tenant = "acme", listener = "in"): string[] {
    return this.stdout.flatMap((line) => {
      const match = /^listening tenant=(\S+) listener=(\S+) address=(\S+)/.exec(line);
      return match && match[1] === tenant && match[2] === listener && match[3] ? [match[3]] : [];
    });
  }

  /** The bound address of a listener: the latest, when it was bound more than once. */
  address(tenant = "acme", listener = "in"): string {
    const address = this.addresses(tenant, listener).at(-1);
    if (address === undefined) throw new Error(`No listening line for ${tenant}/${listener}:\n${this.output()}`);
    return address;
  }

  /** Every access record so far. */
  records(): readonly AccessRecord[] {
    const lines = readFrom(`${this.#dir}/access.log`, this.#recordsRead);
    const whole = lines.slice(0, lines.lastIndexOf("\n") + 1);
    this.#recordsRead += new TextEncoder().encode(whole).length;
    for (const line of whole.split("\n")) {
      const record = parseAccessLine(line);
      if (record) this.#records.push(record);
    }
    return this.#records;
  }

  /** The records that match. */
  matching(match: RecordMatch): AccessRecord[] {
    const test = typeof match === "function"
      ? match
      : (record: AccessRecord) =>
        Object.entries(match).every(([key, value]) => record[key as keyof AccessRecord] === value);
    return this.records().filter(test);
  }

  /** The first record that matches, as soon as there is one. */
  async waitForRecord(match: RecordMatch = () => true, deadlineMs = PATIENCE_MS): Promise<AccessRecord> {
    const [record] = await this.waitForRecords(1, match, deadlineMs);
    if (!record) throw new Error("unreachable: one record was waited for");
    return record;
  }

  /** The records that match, as soon as there are `count` of them. */
  async waitForRecords(
    count: number,
    match: RecordMatch = () => true,
    deadlineMs = PATIENCE_MS,
  ): Promise<AccessRecord[]> {
    try {
      return await eventually(() => {
        const found = this.matching(match);
        return found.length >= count ? found : undefined;
      }, { what: `${count} access records`, deadlineMs });
    } catch (error) {
      const last = this.records().slice(-8).map((record) => JSON.stringify(record)).join("\n");
      const message = `${error instanceof Error ? error.message : error}; ${this.matching(match).length} match`;
      throw new Error(`${message}; wanted ${describe(match)}; the last of ${this.records().length} are\n${last}`, {
        cause: error,
      });
    }
  }

  /** A line of output that matches and comes after the first `after` lines of it. */
  waitForLine(pattern: RegExp, after = 0, deadlineMs = PATIENCE_MS): Promise<string> {
    return eventually(() => [...this.stdout, ...this.stderr].slice(after).find((line) => pattern.test(line)), {
      what: `a line that matches ${pattern}`,
      deadlineMs,
    });
  }

  /** Puts a new configuration in the file; the process is not told. */
  write(config: Config | string): void {
    writeConfig(this.#dir, config, this.#ownLog);
  }

  /** Puts a new configuration in the file (if given) and in force: returns when the process says that it reloaded. */
  async reload(config?: Config | string): Promise<void> {
    if (config !== undefined) this.write(config);
    const before = this.#reloads(RELOADED);
    this.kill("SIGHUP");
    await eventually(() => this.#reloads(RELOADED) > before, { what: "the reload" });
  }

  /** The same where it must be refused: returns when the process says that it kept the old configuration. */
  async reloadRefused(config?: Config | string): Promise<void> {
    if (config !== undefined) this.write(config);
    const before = this.#reloads(RELOAD_FAILED);
    this.kill("SIGHUP");
    await eventually(() => this.#reloads(RELOAD_FAILED) > before, { what: "the refusal of the reload" });
  }

  #reloads(pattern: RegExp): number {
    return [...this.stdout, ...this.stderr].filter((line) => pattern.test(line)).length;
  }

  /** CPU time and memory so far. */
  usage(): Promise<Usage> {
    return usageOf(this.pid);
  }

  /** CPU time over the next `windowMs`, as a share of one core. */
  cpuShareOver(windowMs: number): Promise<number> {
    return cpuShareOver(this.pid, windowMs);
  }

  /** Sends a signal. */
  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Sends a signal and waits for the end. */
  stop(signal: Deno.Signal = "SIGTERM", deadlineMs = PATIENCE_MS): Promise<Exit> {
    this.kill(signal);
    return this.exit(deadlineMs);
  }

  /** Waits for the end; every line has been read then. */
  async exit(deadlineMs = PATIENCE_MS): Promise<Exit> {
    const { code, signal } = await within(this.#child.status, "the end of the process", deadlineMs);
    await Promise.all(this.#pumps);
    return { code, signal };
  }

  /** Kills what still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#exit) {
      try {
        this.kill("SIGKILL");
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
      }
    }
    await this.#child.status;
    await Promise.all(this.#pumps);
  }
}

/** What `serve` prints when a reload is in force, and when it kept the old configuration. */
const RELOADED = /\breloaded\b/;
const RELOAD_FAILED = /\breload (failed|refused)\b|keeps the old/i;

class EndedEarly extends Error {}

function describe(match: RecordMatch): string {
  return typeof match === "function" ? match.toString() : JSON.stringify(match);
}

function writeConfig(dir: string, config: Config | string, ownLog: boolean): void {
  const text = typeof config === "string"
    ? config
    : JSON.stringify(ownLog ? config : withAccessFile(dir, config), null, 2);
  const next = `${dir}/sluice.yaml.next`;
  Deno.writeTextFileSync(next, text);
  Deno.renameSync(next, `${dir}/sluice.yaml`);
}

function withAccessFile(dir: string, config: Config): Config {
  const access = { ...config.log?.access, sink: `file:${dir}/access.log` };
  return { ...config, log: { level: "info", format: "json", ...config.log, access } };
}
