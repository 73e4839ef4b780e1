/**
 * One thing after the other: reloads and writes never overlap.
 *
 * @module
 */

/** Runs tasks in the order in which they come. */
export class Queue {
  #last: Promise<unknown> = Promise.resolve();

  /** Resolves or rejects as the task does, when its turn has come. */
  run<T>(task: () => Promise<T>): Promise<T> {
    const run = this.#last.then(task);
    // Whoever asked is told of a failure; the next one has nothing to do with it.
    this.#last = run.catch(() => {});
    return run;
  }
}
