/**
 * ClientHellos: those of real clients, recorded in the corpus of the fuzzer, and small ones made to measure; and the same
 * message in other records.
 *
 * @module
 */
import type { Random } from "./random.ts";

const CORPUS = new URL("../../ffi/fuzz/corpus/client_hello/", import.meta.url);
const RECORD_HEADER_BYTES = 5;
const HANDSHAKE = 22;

/** What a recorded client said. */
export interface RecordedHello {
  /** The client: a file of the corpus. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** In lower case, as the log has it; null: none that a route could have. */
  readonly serverName: string | null;
}

/** Every recorded hello. */
export function recordedHellos(): RecordedHello[] {
  const names = [...Deno.readDirSync(CORPUS)].map((entry) => entry.name).sort();
  return names.map((name) => {
    const bytes = Deno.readFileSync(new URL(name, CORPUS));
    return { name, bytes, serverName: serverNameOf(bytes) };
  });
}

/** What a made hello asks for. */
export interface HelloOptions {
  readonly serverName?: string;
  readonly alpn?: readonly string[];
  /** Bytes of an extension that nobody knows: how large key shares are. */
  readonly padding?: number;
}

/** A hello in one record, with no more in it than routes look at. */
export function makeHello({ serverName, alpn = [], padding = 0 }: HelloOptions): Uint8Array<ArrayBuffer> {
  const text = (one: string) => [...new TextEncoder().encode(one)];
  const extension = (type: number, content: number[]) => [...number(type, 2), ...vector(2, content)];
  const extensions = [
    ...(padding > 0 ? extension(0xfafa, Array.from({ length: padding }, (_, index) => index & 0xff)) : []),
    ...(serverName === undefined ? [] : extension(0, vector(2, [0, ...vector(2, text(serverName))]))),
    ...(alpn.length === 0 ? [] : extension(16, vector(2, alpn.flatMap((one) => vector(1, text(one)))))),
  ];
  const body = [3, 3, ...Array<number>(32).fill(7), 0, 0, 2, 0x13, 0x01, 1, 0, ...vector(2, extensions)];
  return new Uint8Array([HANDSHAKE, 3, 1, ...vector(2, [1, ...vector(3, body)])]);
}

/** The bytes that the records of `stream` hold, without their headers. */
function joinRecords(stream: Uint8Array): Uint8Array {
  const parts: number[] = [];
  for (let at = 0; at < stream.length;) {
    const size = readNumber(stream, at + 3, 2);
    parts.push(...stream.subarray(at + RECORD_HEADER_BYTES, at + RECORD_HEADER_BYTES + size));
    at += RECORD_HEADER_BYTES + size;
  }
  return new Uint8Array(parts);
}

/** The same handshake bytes in records of these sizes, taken in turn. */
export function splitRecords(stream: Uint8Array, sizes: () => number): Uint8Array<ArrayBuffer> {
  const content = joinRecords(stream);
  const out: number[] = [];
  for (let at = 0; at < content.length;) {
    const part = content.subarray(at, at + sizes());
    out.push(HANDSHAKE, 3, 1, ...vector(2, [...part]));
    at += part.length;
  }
  return new Uint8Array(out);
}

/** Bytes that look like a hello at first, and go wrong somewhere: one of `hellos` with a few bytes changed or gone. */
export function damagedHello(random: Random, hellos: readonly RecordedHello[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(random.pick(hellos).bytes);
  for (let changes = 1 + random.below(8); changes > 0; changes--) bytes[random.below(bytes.length)] = random.below(256);
  return random.below(3) === 0 ? bytes.slice(0, 1 + random.below(bytes.length)) : bytes;
}

/** The name in a well-formed hello: read apart from the proxy, as simply as can be. */
function serverNameOf(stream: Uint8Array): string | null {
  const message = joinRecords(stream);
  let at = 4 + 2 + 32;
  at += 1 + readNumber(message, at, 1);
  at += 2 + readNumber(message, at, 2);
  at += 1 + readNumber(message, at, 1);
  for (at += 2; at + 4 <= message.length; at += 4 + readNumber(message, at + 2, 2)) {
    if (readNumber(message, at, 2) !== 0) continue;
    const size = readNumber(message, at + 7, 2);
    return new TextDecoder().decode(message.subarray(at + 9, at + 9 + size)).toLowerCase();
  }
  return null;
}

function readNumber(bytes: Uint8Array, at: number, width: number): number {
  return bytes.subarray(at, at + width).reduce((whole, byte) => whole * 256 + byte, 0);
}

function number(value: number, width: number): number[] {
  return Array.from({ length: width }, (_, index) => value >> 8 * (width - 1 - index) & 0xff);
}

/** Bytes behind their number, itself of `width` bytes. */
function vector(width: number, content: readonly number[]): number[] {
  return [...number(content.length, width), ...content];
}
