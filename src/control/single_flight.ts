/**
 * One at a time, and the latest wins: while a task runs, any number of further requests become one more run after it.
 * Used for reloads; knows nothing of them.
 *
 * @module
 */

/** Runs a task so that no two runs overlap. */
export class SingleFlight<T> {
  readonly #task: () => Promise<T>;
  #current: Promise<T> | null = null;
  #next: Promise<T> | null = null;

  constructor(task: () => Promise<T>) {
    this.#task = task;
  }

  /** Resolves with a run that starts at or after this call. */
  request(): Promise<T> {
    if (this.#current === null) return this.#start();
    this.#next ??= this.#settled().then(() => {
      this.#next = null;
      return this.#start();
    });
    return this.#next;
  }

  #start(): Promise<T> {
    const run = this.#task().finally(() => {
      if (this.#current === run) this.#current = null;
    });
    this.#current = run;
    return run;
  }

  /** The end of the current run, good or bad: whoever asked for it has been told. */
  async #settled(): Promise<void> {
    try {
      await this.#current;
    } catch {
      return;
    }
  }
}
