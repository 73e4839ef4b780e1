/**
 * Streams whose every byte is known: what is sent at a position can be checked where it arrives, so that a lost, doubled,
 * swapped or changed byte is found and named by its place.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Wire } from "./wire.ts";
import { pace } from "./eventually.ts";

/** A prime length: a block of 2^n bytes lost or doubled never lands on the same bytes again. */
const POOL_LENGTH = 1_048_573;

const pool: Uint8Array = makePool();

function makePool(): Uint8Array {
  const random = randomOf(20_240_229);
  const bytes = new Uint8Array(2 * POOL_LENGTH);
  for (let i = 0; i < POOL_LENGTH; i++) bytes[i] = random() * 256;
  bytes.copyWithin(POOL_LENGTH, 0, POOL_LENGTH);
  return bytes;
}

/** A small generator of numbers in [0, 1): the same for the same seed on every machine. */
export function randomOf(seed: number): () => number {
  let state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 4_294_967_296;
  };
}

/** Bytes `position..position+length` of the stream `seed`; at most POOL_LENGTH of them. A view: do not write. */
export function patternAt(seed: number, position: number, length: number): Uint8Array {
  const start = (seed * 7919 + position) % POOL_LENGTH;
  return pool.subarray(start, start + length);
}

/** How a stream is sent or received. */
export interface FlowOptions {
  /** Bytes of a write or of a read at the most. */
  readonly chunk?: number;
  /** Milliseconds between two of them. */
  readonly everyMs?: number;
  /** Position in the stream at which to start. */
  readonly from?: number;
}

/** Sends the first `total` bytes of the stream `seed`. */
export async function sendPattern(wire: Wire, seed: number, total: number, options: FlowOptions = {}): Promise<void> {
  const chunk = options.chunk ?? 65_536;
  for (let sent = options.from ?? 0; sent < total;) {
    const length = Math.min(chunk, total - sent);
    await wire.write(patternAt(seed, sent, length));
    sent += length;
    if (options.everyMs !== undefined) await pace(options.everyMs);
  }
}

/** What came out of a stream. */
export interface Received {
  /** Position in the stream at its end. */
  readonly bytes: number;
  readonly end: "eof" | "reset";
}

/**
 * Receives the stream `seed` until its end and checks each byte.
 *
 * @throws {Error} at the first byte that differs, with its position.
 */
export async function receivePattern(wire: Wire, seed: number, options: FlowOptions = {}): Promise<Received> {
  const buffer = new Uint8Array(options.chunk ?? 65_536);
  let bytes = options.from ?? 0;
  for (;;) {
    const got = await wire.readInto(buffer);
    if (got === "eof" || got === "reset") return { bytes, end: got };
    checkPattern(seed, bytes, buffer.subarray(0, got));
    bytes += got;
    if (options.everyMs !== undefined) await pace(options.everyMs);
  }
}

/** Receives exactly `total` bytes of the stream `seed` and checks each; the stream may go on. */
export async function receivePatternBytes(wire: Wire, seed: number, total: number): Promise<void> {
  const buffer = new Uint8Array(65_536);
  for (let bytes = 0; bytes < total;) {
    const got = await wire.readInto(buffer.subarray(0, Math.min(buffer.length, total - bytes)));
    if (got === "eof" || got === "reset") throw new Error(`Stream ended with ${got} after ${bytes} of ${total} bytes`);
    checkPattern(seed, bytes, buffer.subarray(0, got));
    bytes += got;
  }
}

/**
 * Checks that `actual` is what the stream `seed` has from `position` on.
 *
 * @throws {Error} at the first byte that differs.
 */
export function checkPattern(seed: number, position: number, actual: Uint8Array): void {
  const expected = patternAt(seed, position, actual.length);
  if (Buffer.compare(expected, actual) === 0) return;
  const at = actual.findIndex((byte, index) => byte !== expected[index]);
  throw new Error(
    `Byte ${position + at} of stream ${seed} must be ${expected[at]}: current value is ${actual[at]}`,
  );
}
