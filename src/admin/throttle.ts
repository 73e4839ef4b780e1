/**
 * Slows the guessing of tokens: each source address may present a number of wrong ones, then one a second. The table is
 * bounded; when it is full, the source that failed longest ago is forgotten. Used by `auth.ts`.
 *
 * @module
 */

/** Wrong tokens that a source may present at once. */
export const FAILURES = 20;
/** Until one more is allowed, ms. */
const REFILL_MS = 1_000;
/** Sources that are remembered. */
const MOST_SOURCES = 4_096;

/** Counts wrong tokens by source. */
export class FailureThrottle {
  readonly #now: () => number;
  /** When all failures of a source are forgiven, ms; in order of the last failure. */
  readonly #clearAt = new Map<string, number>();

  /** @param now monotonic, ms */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Seconds until this source may present a token again; 0: it may now. */
  waitSeconds(source: string): number {
    const key = keyOf(source);
    const left = (this.#clearAt.get(key) ?? 0) - this.#now();
    if (left <= 0) this.#clearAt.delete(key);
    return Math.max(0, Math.ceil((left - (FAILURES - 1) * REFILL_MS) / 1_000));
  }

  /** Counts a wrong token. */
  fail(source: string): void {
    const key = keyOf(source);
    const now = this.#now();
    const before = Math.max(now, this.#clearAt.get(key) ?? now);
    this.#clearAt.delete(key);
    this.#clearAt.set(key, before + REFILL_MS);
    if (this.#clearAt.size <= MOST_SOURCES) return;
    const [oldest] = this.#clearAt.keys();
    if (oldest !== undefined) this.#clearAt.delete(oldest);
  }

  /** Sources that are remembered now. */
  get size(): number {
    return this.#clearAt.size;
  }
}

/** An IPv6 host owns a whole /64. */
function keyOf(source: string): string {
  const [bare = ""] = source.split("%");
  if (!bare.includes(":") || bare.includes(".")) return source;
  const [head = "", tail] = bare.split("::");
  const front = head === "" ? [] : head.split(":");
  const back = tail === undefined || tail === "" ? [] : tail.split(":");
  const middle = tail === undefined ? [] : Array<string>(Math.max(0, 8 - front.length - back.length)).fill("0");
  return [...front, ...middle, ...back].slice(0, 4).join(":");
}
