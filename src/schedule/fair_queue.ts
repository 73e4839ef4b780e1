/**
 * Who is next when not all can run at once: owners take turns, and each has a bounded number running. A tenant with a
 * thousand dead endpoints waits for its own, and takes nobody's turn. Owned by whoever runs them.
 *
 * @module
 */

/** How many may run. */
export interface QueueBounds {
  readonly most: number;
  /** Of one owner. */
  readonly mostOfOne: number;
}

interface Owner<T> {
  readonly waiting: Set<T>;
  running: number;
}

/** The queue. */
export class FairQueue<T> {
  readonly #bounds: QueueBounds;
  readonly #owners = new Map<string, Owner<T>>();
  /** Owners with somebody who may run now, whose turn is next first. */
  readonly #turns = new Set<string>();
  #running = 0;

  constructor(bounds: QueueBounds) {
    this.#bounds = bounds;
  }

  get running(): number {
    return this.#running;
  }

  add(owner: string, entry: T): void {
    let state = this.#owners.get(owner);
    if (state === undefined) {
      state = { waiting: new Set(), running: 0 };
      this.#owners.set(owner, state);
    }
    state.waiting.add(entry);
    if (state.running < this.#bounds.mostOfOne) this.#turns.add(owner);
  }

  /** The next one that may run, which counts as running from now on. `done` must follow. */
  take(): { readonly owner: string; readonly entry: T } | undefined {
    if (this.#running >= this.#bounds.most) return undefined;
    for (const owner of this.#turns) {
      this.#turns.delete(owner);
      const state = this.#owners.get(owner);
      const [entry] = state?.waiting ?? [];
      if (state === undefined || entry === undefined) continue;
      state.waiting.delete(entry);
      state.running++;
      this.#running++;
      if (state.waiting.size > 0 && state.running < this.#bounds.mostOfOne) this.#turns.add(owner);
      return { owner, entry };
    }
    return undefined;
  }

  /** One of an owner's has ended. */
  done(owner: string): void {
    const state = this.#owners.get(owner);
    if (state === undefined) return;
    this.#running--;
    state.running--;
    if (state.waiting.size > 0) this.#turns.add(owner);
    else if (state.running === 0) this.#owners.delete(owner);
  }
}
