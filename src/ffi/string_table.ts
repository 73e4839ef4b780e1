/**
 * The string table of a blob: paths of unix sockets and texts of routes, each once. Filled by `encode.ts` before any
 * record is written, because records hold offsets.
 *
 * @module
 */

import type { Records } from "./record.ts";

/** A text as the ABI takes it. */
export function textBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** The table. */
export class StringTable {
  /** Offset and bytes by the bytes themselves. */
  readonly #strings = new Map<string, { readonly offset: number; readonly bytes: Uint8Array }>();
  #length = 0;

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  /** Puts bytes in, unless they are there. */
  add(bytes: Uint8Array): void {
    const key = keyOf(bytes);
    if (this.#strings.has(key)) return;
    this.#strings.set(key, { offset: this.#length, bytes });
    this.#length += bytes.length;
  }

  /** Where bytes are, which were put in. */
  offsetOf(bytes: Uint8Array): number {
    const found = this.#strings.get(keyOf(bytes));
    if (found === undefined) throw new TypeError("Cannot encode a change: a string must be in the table: it is not");
    return found.offset;
  }

  /** Writes the table at `start`. */
  put(records: Records, start: number): void {
    for (const { offset, bytes } of this.#strings.values()) records.bytes.set(bytes, start + offset);
  }
}

function keyOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
