/**
 * Live sessions between names and the ABI: filters, records, cursors. Called by `engine.ts` only; the types are what the
 * rest of the program sees.
 *
 * @module
 */

import ipaddr from "ipaddr.js";
import { CONSTANTS } from "./constants.ts";
import type { NameOf } from "./decode.ts";
import { decodeSession, type SessionRecord } from "./decode_log.ts";
import { errorOfResult } from "./error.ts";
import type { IdRegistry, ObjectIds, ObjectNames } from "./ids.ts";
import { RECORDS } from "./layout.ts";
import type { Library } from "./library.ts";
import { Records } from "./record.ts";
import { ulidBytes } from "./ulid.ts";

/** Which sessions: those that meet everything it says. */
export interface SessionFilter extends ObjectNames {
  /** Client addresses: one address, a prefix (`10.0.0.0/8`), or `unix`. */
  readonly source?: string;
  /** Accepted at least so long ago. */
  readonly olderThanMs?: number;
  /** ULID of one session. */
  readonly session?: string;
}

/** A session that lives: the fields of its log record so far; `code` and `reason` are null. */
export interface LiveSession extends SessionRecord {
  readonly state: "reading" | "queued" | "connecting" | "relaying" | "lingering";
  /** Until it is closed as drained; null when it is not being drained. */
  readonly drainInMs: number | null;
}

/** Some sessions of a list. */
export interface SessionPage {
  readonly sessions: readonly LiveSession[];
  /** Where the list goes on; null at its end. */
  readonly cursor: string | null;
}

interface Source {
  readonly family: number;
  readonly bits: number;
  readonly ip: readonly number[];
}

/** A v4-mapped prefix at least so long is one of IPv4: clients are told by their IPv4 address. */
const MAPPED_BITS = 96;
const ID_BYTES = 4;

const KINDS: Readonly<Record<ObjectIds["kind"], number>> = {
  tenant: CONSTANTS.FILTER_TENANT,
  backend: CONSTANTS.FILTER_BACKEND,
  endpoint: CONSTANTS.FILTER_ENDPOINT,
};

/** Whether a text is the source of a filter. */
export function isSessionSource(text: string): boolean {
  return parseSource(text) !== null;
}

/**
 * A filter as the library takes it; null when no session can meet it: a name that nobody has, a ULID that is none.
 *
 * @throws {TypeError} when the source is none
 */
export function encodeFilter(filter: SessionFilter, registry: IdRegistry): Uint8Array<ArrayBuffer> | null {
  const objects = registry.find(filter);
  const ulid = filter.session === undefined ? undefined : ulidBytes(filter.session);
  const source = filter.source === undefined ? undefined : parseSource(filter.source);
  if (source === null) {
    throw new TypeError(
      `Cannot filter sessions: source must be an address, a prefix or unix: current value is "${filter.source}"`,
    );
  }
  if (ulid === null || objects?.ids.length === 0) return null;
  const { size, fields } = RECORDS.session_filter;
  const ids = objects?.ids ?? [];
  const records = Records.ofSize(size + ids.length * ID_BYTES);
  records.put(0, fields.id_kind, objects === null ? CONSTANTS.FILTER_ANY : KINDS[objects.kind]);
  records.put(0, fields.id_count, ids.length);
  records.put(0, fields.older_than_ms, Math.ceil(Math.min(filter.olderThanMs ?? 0, Number.MAX_SAFE_INTEGER)));
  if (source !== undefined) {
    records.put(0, fields.source_family, source.family);
    records.put(0, fields.source_bits, source.bits);
    records.bytes.set(source.ip, fields.source_ip.offset);
  }
  if (ulid !== undefined) records.bytes.set(ulid, fields.session.offset);
  for (const [index, id] of ids.entries()) {
    records.put(size + index * ID_BYTES, { offset: 0, size: ID_BYTES, kind: "u32" }, id);
  }
  return records.bytes;
}

function parseSource(text: string): Source | null {
  if (text === "unix") return { family: CONSTANTS.FAMILY_UNIX, bits: 0, ip: [] };
  const [, address, length] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  if (address === undefined) return null;
  const ip = parseIp(address);
  if (ip === null) return null;
  const most = ip.kind() === "ipv4" ? 32 : 128;
  const bits = length === undefined ? most : Number(length);
  if (bits > most) return null;
  if (ip instanceof ipaddr.IPv6 && ip.isIPv4MappedAddress() && bits >= MAPPED_BITS) {
    return { family: CONSTANTS.FAMILY_IPV4, bits: bits - MAPPED_BITS, ip: ip.toIPv4Address().toByteArray() };
  }
  const family = ip.kind() === "ipv4" ? CONSTANTS.FAMILY_IPV4 : CONSTANTS.FAMILY_IPV6;
  return { family, bits, ip: ip.toByteArray() };
}

function parseIp(text: string): ipaddr.IPv4 | ipaddr.IPv6 | null {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  return ipaddr.IPv6.isValid(text) ? ipaddr.IPv6.parse(text) : null;
}

const STATES: Readonly<Record<number, LiveSession["state"]>> = {
  [CONSTANTS.SESSION_CONNECTING]: "connecting",
  [CONSTANTS.SESSION_RELAYING]: "relaying",
  [CONSTANTS.SESSION_LINGERING]: "lingering",
  [CONSTANTS.SESSION_QUEUED]: "queued",
  [CONSTANTS.SESSION_READING]: "reading",
};

/** Reads a live session at `at`. */
export function decodeLiveSession(records: Records, at: number, nameOf: NameOf): LiveSession {
  const { fields } = RECORDS.session_record;
  return {
    ...decodeSession(records, at + fields.session.offset, at + fields.text.offset, true, nameOf),
    state: STATES[records.number(at, fields.state)] ?? "relaying",
    drainInMs: records.numberOrNever(at, fields.drain_in_ms),
  };
}

const SESSIONS_AT_ONCE = 256;

/** Reads a page of sessions: `filter` is an encoded one, `pointer` the engine's address. */
export function readSessions(
  { symbols }: Library,
  pointer: bigint,
  filter: Uint8Array<ArrayBuffer>,
  limit: number,
  cursor: string | null,
  nameOf: NameOf,
): SessionPage {
  const { size } = RECORDS.session_record;
  const next = new BigUint64Array([parseCursor(cursor)]);
  const found: LiveSession[] = [];
  const records = Records.ofSize(size * Math.min(limit, SESSIONS_AT_ONCE));
  while (found.length < limit) {
    const room = BigInt(Math.min(limit - found.length, SESSIONS_AT_ONCE) * size);
    const length = BigInt(filter.length);
    const count = symbols.sluice_sessions_read(pointer, filter, length, next[0] ?? 0n, records.bytes, room, next);
    if (count < 0) throw errorOfResult("read sessions", count);
    for (let at = 0; at < count * size; at += size) found.push(decodeLiveSession(records, at, nameOf));
    if (next[0] === 0n) return { sessions: found, cursor: null };
  }
  return { sessions: found, cursor: formatCursor(next[0] ?? 0n) };
}

/** Longest text of a cursor: a worker's number and the index of a slot. */
const CURSOR = /^[1-9a-z][0-9a-z]{0,8}$/;
const CURSOR_RADIX = 36;

/** A cursor as text. */
export function formatCursor(cursor: bigint): string {
  return cursor.toString(CURSOR_RADIX);
}

/**
 * The cursor of a text; null is the start.
 *
 * @throws {TypeError} when the text cannot be one
 */
export function parseCursor(text: string | null): bigint {
  if (text === null) return 0n;
  if (!CURSOR.test(text)) {
    throw new TypeError(`Cannot list sessions: cursor must be one that a list gave: current value is "${text}"`);
  }
  return BigInt(Number.parseInt(text, CURSOR_RADIX));
}
