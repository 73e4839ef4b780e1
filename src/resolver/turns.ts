/**
 * A bound on what runs at the same time, fair to owners. Owned by the resolver, for questions to name servers.
 *
 * @module
 */

import { FairQueue, type QueueBounds } from "../schedule/fair_queue.ts";

/** Runs tasks when their turn comes. */
export class Turns {
  readonly #queue: FairQueue<() => void>;

  constructor(bounds: QueueBounds) {
    this.#queue = new FairQueue(bounds);
  }

  /** Resolves or rejects as the task does. A task that has been aborted meanwhile must still be one that ends. */
  async run<T>(owner: string, task: () => Promise<T>): Promise<T> {
    const turn = Promise.withResolvers<void>();
    this.#queue.add(owner, turn.resolve);
    this.#start();
    await turn.promise;
    try {
      return await task();
    } finally {
      this.#queue.done(owner);
      this.#start();
    }
  }

  #start(): void {
    for (let next = this.#queue.take(); next !== undefined; next = this.#queue.take()) next.entry();
  }
}
