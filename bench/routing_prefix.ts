/**
 * What clients of the benchmark of routing say first: hellos for so many names, a PROXY header. Called by routing_*.ts.
 *
 * @module
 */
import type { Prefix } from "./rows.ts";

/** A real hello, of curl; its name has as many letters as those that take its place. */
const RECORDED = new URL("../ffi/fuzz/corpus/client_hello/curl_h2", import.meta.url);
const RECORDED_NAME = "www.acme.example";

/** So many names, in rising order. */
export function namesOf(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `name${String(index).padStart(5, "0")}.test.x`);
}

/** Writes a hello for each name into one file. */
export async function writeHellos(dir: string, names: readonly string[]): Promise<Prefix> {
  const recorded = await Deno.readFile(RECORDED);
  const at = new TextDecoder("latin1").decode(recorded).indexOf(RECORDED_NAME);
  if (at < 0) throw new Error(`Cannot measure: the recorded hello must be for ${RECORDED_NAME}: it is not`);
  const all = new Uint8Array(recorded.length * names.length);
  for (const [index, name] of names.entries()) {
    if (name.length !== RECORDED_NAME.length) {
      throw new RangeError(`Cannot write a hello: ${name} must have 16 letters`);
    }
    all.set(recorded, index * recorded.length);
    all.set(new TextEncoder().encode(name), index * recorded.length + at);
  }
  const path = `${dir}/hellos-${names.length}`;
  await Deno.writeFile(path, all);
  return { path, size: recorded.length, arrives: true };
}

/** Writes a PROXY header of version 2: TCP over IPv4, from 192.0.2.7. */
export async function writeProxyHeader(dir: string): Promise<Prefix> {
  const signature = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
  const addresses = [192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x67, 0x01, 0xbb];
  const header = new Uint8Array([...signature, 0x21, 0x11, 0, addresses.length, ...addresses]);
  const path = `${dir}/proxy-header`;
  await Deno.writeFile(path, header);
  return { path, size: header.length, arrives: false };
}
