/**
 * Keeps a line that could come a thousand times a second from flooding the log: the first passes, those that follow
 * within a time are counted, and the next that passes carries the count.
 *
 * @module
 */

/** Limits lines by their key. */
export class Throttle {
  readonly #everyMs: number;
  readonly #now: () => number;
  readonly #keys = new Map<string, { passedMs: number; held: number }>();

  /** @param now monotonic, ms */
  constructor(everyMs: number, now: () => number) {
    this.#everyMs = everyMs;
    this.#now = now;
  }

  /** How many of this key were held back since the last that passed; null when this one is to be held back too. */
  pass(key: string): number | null {
    const now = this.#now();
    const entry = this.#keys.get(key);
    if (entry !== undefined && now - entry.passedMs < this.#everyMs) {
      entry.held++;
      return null;
    }
    this.#keys.set(key, { passedMs: now, held: 0 });
    return entry?.held ?? 0;
  }
}
