/**
 * Runs flock.c: many sessions at once, beneath which a test changes the proxy.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { parseTarget } from "./address.ts";
import { PeerProgram } from "./peer.ts";

const SOURCE = new URL("flock.c", import.meta.url);

/** What the sessions of one kind saw. */
export interface Seen {
  /** Ended in order, after every answer. */
  readonly ended: number;
  readonly refused: number;
  readonly reset: number;
  /** EOF before the answer. */
  readonly cut: number;
  /** Hung at the very end. */
  readonly late: number;
  /** Bytes that were not those sent. */
  readonly wrong: number;
  readonly answers: number;
  /** Longest wait for an answer or for the end; with the connect for visits. */
  readonly longest_ms: number;
}

/** What a flock saw. */
export interface FlockReport {
  readonly seconds: number;
  readonly streams: Seen;
  readonly visits: Seen;
}

/** How many sessions of which kind. */
export interface FlockOptions {
  /** Sessions that stay. */
  readonly streams: number;
  /** Milliseconds between two messages of a stream. */
  readonly periodMs: number;
  /** New sessions a second. */
  readonly rate: number;
}

/** An echo in a process of its own, cheaper than one of this process. */
export class EchoProcess implements AsyncDisposable {
  readonly #program: PeerProgram;
  readonly address: string;

  private constructor(program: PeerProgram, address: string) {
    this.#program = program;
    this.address = address;
  }

  /** Starts it on a port from the kernel. */
  static async start(hostname = "127.0.0.1"): Promise<EchoProcess> {
    const program = await PeerProgram.startFrom(SOURCE, "echo", hostname);
    const [port = ""] = await program.answer("listening");
    return new EchoProcess(program, `${hostname}:${port}`);
  }

  /** Ends it. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#program[Symbol.asyncDispose]();
  }
}

/** Streams that stay and visits that come and go. */
export class Flock implements AsyncDisposable {
  readonly #program: PeerProgram;

  private constructor(program: PeerProgram) {
    this.#program = program;
  }

  /** Opens the streams at `address`; each has had an answer when this returns, and visits begin. */
  static async start(address: string, options: FlockOptions): Promise<Flock> {
    const target = parseTarget(address);
    if (target.transport !== "tcp") throw new TypeError("Cannot start a flock: the address must be of TCP");
    const { streams, periodMs, rate } = options;
    const program = await PeerProgram.startFrom(
      SOURCE,
      "load",
      target.hostname,
      target.port,
      streams,
      periodMs,
      rate,
    );
    assertEquals(await program.answer("open"), [String(streams)]);
    return new Flock(program);
  }

  /** Ends all sessions in order, and tells what they saw. */
  async stop(): Promise<FlockReport> {
    await this.#program.tell("stop");
    return JSON.parse((await this.#program.answer("ended", 30_000)).join(" "));
  }

  /** Kills what is left. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#program[Symbol.asyncDispose]();
  }
}

/** Nothing was refused, reset, cut, changed on its way or left hanging, and nothing waited longer than `mostMs`. */
export function assertUnharmed(seen: Seen, mostMs: number, what: string): void {
  const { refused, reset, cut, late, wrong } = seen;
  const none = { refused: 0, reset: 0, cut: 0, late: 0, wrong: 0 };
  assertEquals({ refused, reset, cut, late, wrong }, none, what);
  assert(seen.longest_ms < mostMs, `${what}: an answer within ${mostMs} ms: current value is ${seen.longest_ms} ms`);
}
