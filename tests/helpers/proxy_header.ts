/**
 * Headers of the PROXY protocol as other proxies send them, written apart from the proxy under test.
 *
 * @module
 */

/** Whose connection a header tells of. */
export interface ProxyPair {
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
}

/** One value behind the addresses. */
export interface Tlv {
  readonly type: number;
  readonly value: Uint8Array;
}

/** What else a binary header has; the usual is a stream of the address family of `source`. */
export interface ProxyV2Options {
  /** 0 LOCAL, 1 PROXY. */
  readonly command?: number;
  /** Family in the upper half, protocol in the lower one. */
  readonly family?: number;
  /** In place of the addresses. */
  readonly addresses?: Uint8Array;
  readonly tlvs?: readonly Tlv[];
  /** A CRC32C behind all other values; "wrong": one that is off by a bit. */
  readonly checksum?: "right" | "wrong";
  /** In place of the true length. */
  readonly length?: number;
}

const SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
const CRC32C = 3;

/** A line of text. */
export function proxyV1({ source, sourcePort, destination, destinationPort }: ProxyPair): Uint8Array<ArrayBuffer> {
  const family = source.includes(":") ? "TCP6" : "TCP4";
  return new TextEncoder().encode(`PROXY ${family} ${source} ${destination} ${sourcePort} ${destinationPort}\r\n`);
}

/** A binary header. */
export function proxyV2(pair: ProxyPair | null, options: ProxyV2Options = {}): Uint8Array<ArrayBuffer> {
  const addresses = options.addresses ?? (pair === null ? new Uint8Array() : addressesOf(pair));
  const family = options.family ?? (pair === null ? 0x00 : pair.source.includes(":") ? 0x21 : 0x11);
  const { checksum } = options;
  const tlvs = [...options.tlvs ?? [], ...(checksum ? [{ type: CRC32C, value: new Uint8Array(4) }] : [])];
  const rest = [...addresses, ...tlvs.flatMap(({ type, value }) => [type, ...two(value.length), ...value])];
  const head = [...SIGNATURE, 0x20 | (options.command ?? 1), family, ...two(options.length ?? rest.length)];
  const bytes = new Uint8Array([...head, ...rest]);
  if (checksum) new DataView(bytes.buffer).setUint32(bytes.length - 4, crc32c(bytes) ^ (checksum === "wrong" ? 1 : 0));
  return bytes;
}

function addressesOf({ source, sourcePort, destination, destinationPort }: ProxyPair): Uint8Array {
  return new Uint8Array([...ipBytes(source), ...ipBytes(destination), ...two(sourcePort), ...two(destinationPort)]);
}

/** An address in network order; IPv6 with at most one `::` and no dots. */
export function ipBytes(text: string): number[] {
  if (!text.includes(":")) return text.split(".").map(Number);
  const [left = "", right] = text.split("::");
  const groups = (half: string) => half === "" ? [] : half.split(":").map((group) => parseInt(group, 16));
  const [before, after] = [groups(left), groups(right ?? "")];
  const gap = Array<number>(8 - before.length - after.length).fill(0);
  return [...before, ...(right === undefined ? [] : gap), ...after].flatMap(two);
}

function two(value: number): number[] {
  return [value >> 8 & 0xff, value & 0xff];
}

/** CRC32C (RFC 3720 appendix B.4), bit by bit. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >>> 1 ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}
