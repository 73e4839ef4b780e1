/**
 * The load generator and the backend: builds the C program, runs it, reads its JSON. Called by measure.ts.
 *
 * @module
 */
import { outputOf } from "./machine.ts";
import type { Prefix } from "./rows.ts";

const SOURCES = new URL("./load/", import.meta.url);
/** How the C programs of the benchmarks are compiled. */
export const C_FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Wshadow", "-Wconversion"];

/** CPU time and context switches of a process and its descendants. */
export interface Usage {
  readonly cpu_ns: number;
  readonly switches: number;
}

/** One measured phase, as the load generator prints it. */
export interface LoadReport {
  readonly done: number;
  readonly seconds: number;
  readonly bytes_up: number;
  readonly bytes_down: number;
  /** With the warm-up: what the backend must have counted. */
  readonly total_bytes_up: number;
  readonly total_bytes_down: number;
  readonly failed: Readonly<Record<string, number>>;
  readonly latency_ns: Readonly<Record<"p50" | "p90" | "p99" | "p999" | "max", number>>;
  readonly machine: {
    readonly busy_ns: number;
    readonly idle_ns: number;
    readonly steal_ns: number;
    readonly segments: number;
  };
  readonly load: Usage;
  readonly proxy: Usage;
  readonly backend: Usage;
}

/** Memory at a number of idle connections. */
export interface IdleReport {
  readonly connections: number;
  readonly slab_bytes: number;
  readonly proxy: { readonly pss_bytes: number; readonly private_bytes: number };
}

/** What the backend counted since it was last asked. */
export interface BackendCount {
  readonly bytes_in: number;
  readonly bytes_out: number;
  readonly connections: number;
  /** Of the service `hold`: the most at once. */
  readonly most_held: number;
}

/** Where processes run. */
export interface Place {
  readonly cpu: number;
  readonly nofile: number;
  /** Niceness: below 0 keeps other programs of the machine from taking turns on the core. */
  readonly nice: number;
}

/** A command that runs on one core, so nicely, with so many descriptors; its process id is that of the program itself. */
export function placed(place: Place, command: readonly string[]): { command: string; args: string[] } {
  const limit = ["prlimit", `--nofile=${place.nofile}:${place.nofile}`];
  const nice = ["nice", "-n", String(place.nice)];
  return { command: "taskset", args: ["-c", String(place.cpu), ...nice, ...limit, ...command] };
}

/** Compiles the program into `dir`; returns its path. */
export async function buildLoad(dir: string): Promise<string> {
  const program = `${dir}/load`;
  const sources: string[] = [];
  for await (const entry of Deno.readDir(SOURCES)) {
    if (entry.name.endsWith(".c")) sources.push(new URL(entry.name, SOURCES).pathname);
  }
  await outputOf("cc", ...C_FLAGS, "-o", program, ...sources.sort());
  return program;
}

/** Runs the load generator; each line that it prints, parsed. A failed phase is a report, too. */
export async function runLoad<Report>(place: Place, program: string, args: readonly string[]): Promise<Report[]> {
  const { command, args: all } = placed(place, [program, ...args]);
  const { code, stdout, stderr } = await new Deno.Command(command, { args: all, stdin: "null" }).output();
  const text = new TextDecoder().decode(stdout).trim();
  if (text === "") {
    throw new Error(`Cannot measure: the load generator exited with ${code}: ${new TextDecoder().decode(stderr)}`);
  }
  return text.split("\n").map((line) => JSON.parse(line));
}

/** Arguments that name a prefix. */
export function prefixArgs({ path, size }: Prefix): string[] {
  return [`--prefix=${path}`, `--prefix-size=${size}`];
}

/** A running backend. */
export class Backend implements AsyncDisposable {
  readonly pid: number;
  readonly #child: Deno.ChildProcess;
  readonly #ports: Readonly<Record<string, number>>;

  private constructor(child: Deno.ChildProcess, ports: Readonly<Record<string, number>>) {
    this.pid = child.pid;
    this.#child = child;
    this.#ports = ports;
  }

  /** Starts a backend whose requests have `size` bytes, behind a prefix where one arrives. */
  static async start(place: Place, program: string, size: number, prefix?: Prefix): Promise<Backend> {
    const first = prefix?.arrives === true ? prefixArgs(prefix) : [];
    const { command, args } = placed(place, [program, "backend", "--size", String(size), ...first]);
    const child = new Deno.Command(command, { args, stdin: "piped", stdout: "piped", stderr: "inherit" }).spawn();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.endsWith("\n")) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`Cannot measure: the backend must print its ports: it printed ${text || "nothing"}`);
      text += value;
    }
    reader.releaseLock();
    return new Backend(child, JSON.parse(text));
  }

  /** The port of a service. */
  port(service: string): number {
    const port = this.#ports[service];
    if (port === undefined) throw new RangeError(`Cannot use the backend: it must have a service ${service}`);
    return port;
  }

  /** What it counted since the last call. */
  async count(): Promise<BackendCount> {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: this.port("count") });
    return await new Response(connection.readable).json();
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stdin.close();
    await this.#child.status;
  }
}
