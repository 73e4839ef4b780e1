/**
 * Things by the time at which they are due: a binary heap. Owned by whoever does them. What is not wanted any more stays
 * in it until its time, and is passed over then.
 *
 * @module
 */

/** Something with a time, which may not change while it is in the heap. */
export interface Due {
  readonly dueMs: number;
}

/** The heap. */
export class DueHeap<T extends Due> {
  readonly #entries: T[] = [];

  get size(): number {
    return this.#entries.length;
  }

  /** When the next one is due; undefined when there is none. */
  get nextMs(): number | undefined {
    return this.#entries[0]?.dueMs;
  }

  push(entry: T): void {
    const entries = this.#entries;
    let at = entries.push(entry) - 1;
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = entries[parentAt];
      if (parent === undefined || parent.dueMs <= entry.dueMs) break;
      entries[at] = parent;
      at = parentAt;
    }
    entries[at] = entry;
  }

  /** Takes out the first of those that are due at `nowMs`. */
  takeDue(nowMs: number): T | undefined {
    const entries = this.#entries;
    const first = entries[0];
    if (first === undefined || first.dueMs > nowMs) return undefined;
    const last = entries.pop();
    if (last !== undefined && entries.length > 0) this.#sinkFromTop(last);
    return first;
  }

  #sinkFromTop(entry: T): void {
    const entries = this.#entries;
    let at = 0;
    for (;;) {
      const leftAt = 2 * at + 1;
      const [left, right] = [entries[leftAt], entries[leftAt + 1]];
      if (left === undefined) break;
      const isRight = right !== undefined && right.dueMs < left.dueMs;
      const child = isRight ? right : left;
      if (child.dueMs >= entry.dueMs) break;
      entries[at] = child;
      at = isRight ? leftAt + 1 : leftAt;
    }
    entries[at] = entry;
  }
}
