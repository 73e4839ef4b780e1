/**
 * Random numbers that are the same for the same seed: a failure can be run again.
 *
 * @module
 */

/** Random numbers. */
export class Random {
  #state: number;

  /** Starts at `seed`, any whole number but 0. */
  constructor(seed: number) {
    this.#state = seed >>> 0;
    if (this.#state === 0) throw new RangeError("Cannot make random numbers: the seed must not be 0");
  }

  /** A whole number from 0 to below `count`, by Marsaglia's xorshift. */
  below(count: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state >>> 0;
    return this.#state % count;
  }

  /** One of the values. */
  pick<T>(values: readonly T[]): T {
    const value = values[this.below(values.length)];
    if (value === undefined) throw new RangeError("Cannot pick: there must be a value: there is none");
    return value;
  }
}
