/**
 * Endpoints that fail on command: builds the C program, runs two of them, tells them what to do. Called by failures.ts
 * and failures_scenarios.ts.
 *
 * @module
 */
import { C_FLAGS } from "./load.ts";
import { outputOf } from "./machine.ts";

const SOURCE = new URL("./failures/endpoint.c", import.meta.url);
const DECODER = new TextDecoder();

/** What an endpoint does. */
export type Mode = "serve" | "slow" | "reset" | "refuse" | "hang";

/** What a client sends first, and what the answer begins with; a letter of the endpoint follows. */
export const GREETING = "hello\n";

/** How long an endpoint that is `slow` takes for its answer. */
export const SLOW_MS = 2000;

/** Compiles the program into `dir`; returns its path. */
export async function buildEndpoint(dir: string): Promise<string> {
  const program = `${dir}/endpoint`;
  await outputOf("cc", ...C_FLAGS, "-o", program, SOURCE.pathname);
  return program;
}

/** One endpoint on a port of 127.0.0.1. It serves from the start. */
export class FailingEndpoint implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #orders: WritableStreamDefaultWriter<Uint8Array>;
  readonly #echo: ReadableStreamDefaultReader<Uint8Array>;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#orders = child.stdin.getWriter();
    this.#echo = child.stdout.getReader();
  }

  /** Resolves when it accepts connections. */
  static async start(program: string, letter: string, port: number): Promise<FailingEndpoint> {
    const args = [letter, String(port), String(SLOW_MS)];
    const child = new Deno.Command(program, { args, stdin: "piped", stdout: "piped", stderr: "inherit" }).spawn();
    const endpoint = new FailingEndpoint(child);
    await endpoint.be("serve");
    return endpoint;
  }

  /** Resolves when it is so. */
  async be(mode: Mode): Promise<void> {
    await this.#orders.write(new TextEncoder().encode(`${mode}\n`));
    const { value } = await this.#echo.read();
    const echo = DECODER.decode(value).trim();
    if (echo !== mode) throw new Error(`Cannot measure: an endpoint must obey ${mode}: it printed ${echo}`);
  }

  /** The process is killed: its kernel ends all connections and closes the port. Resolves when that is done. */
  async die(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
  }

  /** The process stands still: its kernel goes on to accept connections and bytes. */
  stop(): void {
    this.#child.kill("SIGSTOP");
  }

  /** Ends it, however it is. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#orders.abort().catch(() => {});
    this.#echo.cancel().catch(() => {});
    try {
      await this.die();
    } catch (error) {
      // It is dead already.
      if (!(error instanceof TypeError)) throw error;
    }
  }
}

/** Two endpoints; what fails is mostly the first. */
export class Pool implements AsyncDisposable {
  private constructor(readonly a: FailingEndpoint, readonly b: FailingEndpoint, readonly ports: readonly number[]) {}

  /** Starts both, on these ports. */
  static async start(program: string, ports: readonly [number, number]): Promise<Pool> {
    const a = await FailingEndpoint.start(program, "A", ports[0]);
    return new Pool(a, await FailingEndpoint.start(program, "B", ports[1]), ports);
  }

  /** Ends both. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.a[Symbol.asyncDispose]();
    await this.b[Symbol.asyncDispose]();
  }
}
