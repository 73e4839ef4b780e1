/**
 * A clock that stands still until the test moves it.
 *
 * @module
 */

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

/** The clock. `now` and `sleep` are what is given to the code under test. */
export class ManualClock {
  #nowMs = 0;
  readonly #sleepers = new Set<Sleeper>();

  readonly now = (): number => this.#nowMs;

  readonly sleep = (ms: number, signal: AbortSignal): Promise<void> => {
    if (signal.aborted) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const sleeper = { atMs: this.#nowMs + ms, wake: resolve };
    this.#sleepers.add(sleeper);
    signal.addEventListener("abort", () => {
      this.#sleepers.delete(sleeper);
      resolve();
    }, { once: true });
    return promise;
  };

  /** Those who wait. */
  get sleepers(): number {
    return this.#sleepers.size;
  }

  /** Lets `ms` pass; whoever waits is woken at its time, in order. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settled();
    for (let next = this.#next(); next !== undefined && next.atMs <= endMs; next = this.#next()) {
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      this.#wake(next);
      await settled();
    }
    this.#nowMs = endMs;
  }

  /** Lets `ms` pass at once, as in a process that was busy: whoever waits is woken late. */
  async jump(ms: number): Promise<void> {
    await settled();
    this.#nowMs += ms;
    for (const sleeper of [...this.#sleepers]) if (sleeper.atMs <= this.#nowMs) this.#wake(sleeper);
    await settled();
  }

  #next(): Sleeper | undefined {
    return [...this.#sleepers].reduce<Sleeper | undefined>(
      (first, one) => first === undefined || one.atMs < first.atMs ? one : first,
      undefined,
    );
  }

  #wake(sleeper: Sleeper): void {
    this.#sleepers.delete(sleeper);
    sleeper.wake();
  }
}

/** Lets everything go on that waits for nothing but promises. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 40; turn++) await null;
}
