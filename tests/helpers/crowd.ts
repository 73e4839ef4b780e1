/**
 * Runs crowd.c: thousands of short sessions through the proxy, and which endpoint each has met.
 *
 * @module
 */
import { parseTarget } from "./address.ts";
import type { EndpointConfig } from "./config.ts";
import { PeerProgram } from "./peer.ts";

const SOURCE = new URL("crowd.c", import.meta.url);
/** What a busy machine may need for a visit of ten thousand. */
const VISIT_MS = 60_000;

/** How a crowd comes. */
export interface VisitOptions {
  /** Nobody leaves before everybody has come; at most 1,024 do. */
  readonly stays?: boolean;
  /** Each client has an address of its own, told in a PROXY header: the same one at each visit. */
  readonly hails?: boolean;
}

/** Endpoints that are named `a`, `b`, …, and clients of a proxy before them. */
export class Crowd implements AsyncDisposable {
  readonly #program: PeerProgram;
  /** Addresses of the endpoints, in order. */
  readonly addresses: readonly string[];
  #visits = 0;

  private constructor(program: PeerProgram, addresses: readonly string[]) {
    this.#program = program;
    this.addresses = addresses;
  }

  /** Starts so many endpoints. */
  static async start(endpoints: number): Promise<Crowd> {
    const program = await PeerProgram.startFrom(SOURCE, endpoints);
    try {
      return new Crowd(program, (await program.answer("listening")).map((port) => `127.0.0.1:${port}`));
    } catch (error) {
      await program[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The endpoints as a configuration has them, with these weights. */
  weighing(...weights: number[]): EndpointConfig[] {
    return weights.map((weight, index) => {
      const address = this.addresses[index];
      if (address === undefined) throw new RangeError("Cannot weigh: there must be an endpoint for each weight");
      return { id: String.fromCharCode(97 + index), address, weight };
    });
  }

  /** Lets `count` clients come and go: the endpoint of each as a letter, `-` for none. */
  async visit(address: string, count: number, options: VisitOptions = {}): Promise<string> {
    const target = parseTarget(address);
    if (target.transport !== "tcp") throw new TypeError("Cannot visit: the address must be TCP");
    const tag = `visit${++this.#visits}`;
    const verb = options.stays ? "stay" : options.hails ? "hail" : "visit";
    await this.#program.tell(`${verb} ${tag} ${target.port} ${count} ${options.stays ? count : 64}`);
    const [word = ""] = await this.#program.answer(tag, VISIT_MS);
    return word;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#program[Symbol.asyncDispose]();
  }
}

/** How many have met each endpoint. */
export function tally(word: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const letter of word) counts[letter] = (counts[letter] ?? 0) + 1;
  return counts;
}

/** How many have met another endpoint than before. */
export function movedBetween(before: string, after: string): number {
  return [...before].filter((letter, index) => after[index] !== letter).length;
}
