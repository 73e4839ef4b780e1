/**
 * Addresses between the plan's text and the ABI's bytes.
 *
 * @module
 */

import ipaddr from "ipaddr.js";
import type { Address } from "../config/plan.ts";
import { CONSTANTS } from "./constants.ts";
import { RECORDS } from "./layout.ts";
import type { Records } from "./record.ts";

const FIELDS = RECORDS.address.fields;
const NUL = 0;

/** An address as it is written in a configuration. `port` replaces the address's own; `portLast` makes it a range. */
export function formatAddress(address: Address, port?: number, portLast?: number): string {
  if (address.family === "unix") return `unix:${address.path}`;
  const zone = address.scopeId === 0 ? "" : `%${address.scopeId}`;
  const host = address.family === "ipv6" ? `[${address.ip}${zone}]` : address.ip;
  const first = port ?? address.port;
  return portLast === undefined || portLast === first ? `${host}:${first}` : `${host}:${first}-${portLast}`;
}

/** Bytes of an IP address in network order: 4 or 16. A v4-mapped IPv6 address stays one. */
export function ipBytes(ip: string): readonly number[] {
  return ipaddr.parse(ip).toByteArray();
}

/** Path of a unix socket as the kernel takes it: `@x` is NUL and `x`. */
export function unixPathBytes(path: string): Uint8Array {
  const bytes = new TextEncoder().encode(path);
  if (path.startsWith("@")) bytes[0] = NUL;
  return bytes;
}

/** Writes an address at `at`; the path of a unix socket is in the string table at `pathOffset`. */
export function putAddress(records: Records, at: number, address: Address, pathOffset: number): void {
  if (address.family === "unix") {
    records.put(at, FIELDS.family, CONSTANTS.FAMILY_UNIX);
    records.put(at, FIELDS.path_offset, pathOffset);
    records.put(at, FIELDS.path_length, unixPathBytes(address.path).length);
    return;
  }
  const bytes = ipBytes(address.ip);
  records.put(at, FIELDS.family, address.family === "ipv4" ? CONSTANTS.FAMILY_IPV4 : CONSTANTS.FAMILY_IPV6);
  records.put(at, FIELDS.port, address.port);
  records.put(at, FIELDS.scope_id, address.scopeId);
  records.bytes.set(bytes, at + FIELDS.ip.offset);
}

/** Text of the IP address at a position: 4 bytes of it, or 16 in the short form of RFC 5952; null without one. */
export function ipText(records: Records, position: number, family: number): string | null {
  const { bytes } = records;
  switch (family) {
    case CONSTANTS.FAMILY_IPV4:
      return `${bytes[position]}.${bytes[position + 1]}.${bytes[position + 2]}.${bytes[position + 3]}`;
    case CONSTANTS.FAMILY_IPV6:
      return new ipaddr.IPv6([...bytes.subarray(position, position + 16)]).toRFC5952String();
    default:
      return null;
  }
}

/** The address at `at`; null where there is none. The path of a unix socket is not in a record that is read. */
export function readAddress(records: Records, at: number): Address | null {
  const family = records.number(at, FIELDS.family);
  if (family === CONSTANTS.FAMILY_UNIX) return { family: "unix", path: "" };
  const ip = ipText(records, at + FIELDS.ip.offset, family);
  if (ip === null) return null;
  return {
    family: family === CONSTANTS.FAMILY_IPV4 ? "ipv4" : "ipv6",
    ip,
    port: records.number(at, FIELDS.port),
    scopeId: records.number(at, FIELDS.scope_id),
  };
}
