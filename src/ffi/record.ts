/**
 * Numbers and bytes of records in a buffer. The only place that knows how a field's kind is read and written; used by
 * everything in this folder that touches memory shared with the library.
 *
 * @module
 */

import type { Field } from "./layout.ts";

const TWO_POW_32 = 2 ** 32;
const ALL_ONES_32 = 0xffffffff;
const textDecoder = new TextDecoder();

/** A buffer of records. Positions are bytes from its start; byte order is the ABI's, little-endian. */
export class Records {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** A buffer of zeros. */
  static ofSize(size: number): Records {
    return new Records(new Uint8Array(size));
  }

  /** The number in a field of the record at `at`. A u64 above 2^53 comes as the nearest number. */
  number(at: number, field: Field): number {
    const position = at + field.offset;
    switch (field.kind) {
      case "u16":
        return this.#view.getUint16(position, true);
      case "u32":
        return this.#view.getUint32(position, true);
      case "i32":
        return this.#view.getInt32(position, true);
      case "u64":
        return this.u64(position);
      case "bytes":
        throw new TypeError("Cannot read a number: field kind must be an integer: current value is bytes");
    }
  }

  /** As {@linkcode number}, and null where a u64 is "never" or "unlimited" (all ones). */
  numberOrNever(at: number, field: Field): number | null {
    const position = at + field.offset;
    const low = this.#view.getUint32(position, true);
    const high = this.#view.getUint32(position + 4, true);
    return low === ALL_ONES_32 && high === ALL_ONES_32 ? null : high * TWO_POW_32 + low;
  }

  /** The u64 at a position: for elements of arrays. */
  u64(position: number): number {
    return this.#view.getUint32(position + 4, true) * TWO_POW_32 + this.#view.getUint32(position, true);
  }

  /** The u64 at a position, exact. */
  exactU64(position: number): bigint {
    return this.#view.getBigUint64(position, true);
  }

  /** An array of u64 that fills a field. */
  u64Array(at: number, field: Field): number[] {
    // A loop: ten thousand tenants have a million of these.
    const found = new Array<number>(field.size / 8);
    for (let index = 0, position = at + field.offset; index < found.length; index++, position += 8) {
      found[index] = this.u64(position);
    }
    return found;
  }

  /**
   * Writes a number.
   *
   * @throws {RangeError} when it is no whole number that fits the field: a value out of range must not wrap around.
   */
  put(at: number, field: Field, value: number): void {
    const position = at + field.offset;
    switch (field.kind) {
      case "u16":
        return this.#view.setUint16(position, whole(value, 0xffff), true);
      case "u32":
        return this.#view.setUint32(position, whole(value, ALL_ONES_32), true);
      case "u64":
        return this.#view.setBigUint64(position, BigInt(whole(value, Number.MAX_SAFE_INTEGER)), true);
      default:
        throw new TypeError(`Cannot write a number: field kind must be unsigned: current value is ${field.kind}`);
    }
  }

  /** Fills a field with ones: "unlimited" in a u64. */
  putAllOnes(at: number, field: Field): void {
    this.bytes.fill(0xff, at + field.offset, at + field.offset + field.size);
  }

  /** Bytes of a field, copied. */
  slice(at: number, field: Field): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(at + field.offset, at + field.offset + field.size);
  }

  /** Text of `length` bytes at a position. */
  text(position: number, length: number): string {
    return textDecoder.decode(this.bytes.subarray(position, position + length));
  }

  /** Text of a field that ends with NUL. */
  cString(at: number, field: Field): string {
    const start = at + field.offset;
    const end = this.bytes.subarray(start, start + field.size).indexOf(0);
    return this.text(start, end < 0 ? field.size : end);
  }
}

function whole(value: number, most: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= most) return value;
  throw new RangeError(`Cannot encode a field: it must be a whole number from 0 to ${most}: current value is ${value}`);
}
