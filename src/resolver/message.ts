/**
 * Questions and answers of DNS as bytes (RFC 1035, 4). Pure; the packet format itself is the library's.
 *
 * @module
 */

import { Buffer } from "node:buffer";
// @ts-types="./dns_packet.d.ts"
import { type Answer, decode, encode, RECURSION_DESIRED } from "dns-packet";
import ipaddr from "ipaddr.js";

/** What is asked for. */
export interface Question {
  /** Whole, without a final dot. */
  readonly name: string;
  readonly type: "A" | "AAAA" | "SRV";
}

/** A SRV record (RFC 2782). */
export interface SrvRecord {
  /** Whole, in lower case, without a final dot. Empty: the service is decidedly not there. */
  readonly target: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

/** What a server says. */
export type Reply =
  | { readonly kind: "addresses"; readonly addresses: readonly string[]; readonly ttlS: number }
  | { readonly kind: "services"; readonly services: readonly SrvRecord[]; readonly ttlS: number }
  /** There is no such name, or it has nothing of the kind. `ttlS` is null when the server does not say how long. */
  | { readonly kind: "none"; readonly isName: boolean; readonly ttlS: number | null }
  /** The server cannot say. */
  | { readonly kind: "failed"; readonly why: string }
  /** There is more than fits: ask over TCP. */
  | { readonly kind: "truncated" };

const QR_AND_OPCODE = 0xf8;
const IS_ANSWER = 0x80;
const IS_TRUNCATED = 0x02;
const HEADER_BYTES = 12;

/** Aliases that are followed. */
const MOST_ALIASES = 16;

const RCODES: Readonly<Record<number, string>> = { 1: "FORMERR", 2: "SERVFAIL", 4: "NOTIMP", 5: "REFUSED" };
const NXDOMAIN = 3;

/** The bytes of a question. */
export function questionBytes(id: number, { name, type }: Question): Uint8Array {
  return encode({ type: "query", id, flags: RECURSION_DESIRED, questions: [{ name, type, class: "IN" }] });
}

/** What bytes say to a question; null when they are no answer to it: then the answer may still come. */
export function readReply(bytes: Uint8Array, id: number, question: Question): Reply | null {
  const [first = 0, second = 0, flags = 0, more = 0] = bytes;
  if (bytes.length < HEADER_BYTES || first * 256 + second !== id || (flags & QR_AND_OPCODE) !== IS_ANSWER) return null;
  const isTruncated = (flags & IS_TRUNCATED) !== 0;
  const rcode = more & 0x0f;
  let packet;
  try {
    packet = decode(Buffer.from(bytes));
  } catch {
    if (isTruncated) return { kind: "truncated" };
    return null;
  }
  const asked = packet.questions?.[0];
  // A server that cannot read the question need not repeat it.
  const isRepeated = asked !== undefined && asked.type === question.type && isSame(asked.name, question.name);
  if (!isRepeated && (asked !== undefined || rcode === 0 || rcode === NXDOMAIN)) return null;
  if (isTruncated) return { kind: "truncated" };
  if (rcode !== 0 && rcode !== NXDOMAIN) return { kind: "failed", why: RCODES[rcode] ?? `answer code ${rcode}` };
  return foundIn(packet.answers ?? [], question) ??
    { kind: "none", isName: rcode === 0, ttlS: negativeTtlS(packet.authorities ?? []) };
}

/** Follows aliases from the question's name to records of its type. Their TTL is the shortest on the way. */
function foundIn(answers: readonly Answer[], { name, type }: Question): Reply | null {
  let owner = name;
  let ttlS = Number.POSITIVE_INFINITY;
  for (let aliases = 0; aliases <= MOST_ALIASES; aliases++) {
    const own = answers.filter((answer) => isSame(answer.name, owner));
    const found = own.filter((answer) => answer.type === type);
    if (found.length > 0) {
      ttlS = Math.min(ttlS, ...found.map(ttlOf));
      return type === "SRV"
        ? { kind: "services", services: found.flatMap(serviceOf), ttlS }
        : { kind: "addresses", addresses: addressesOf(found), ttlS };
    }
    const alias = own.find((answer) => answer.type === "CNAME");
    if (alias?.type !== "CNAME") return null;
    ttlS = Math.min(ttlS, ttlOf(alias));
    owner = alias.data;
  }
  return null;
}

function addressesOf(found: readonly Answer[]): string[] {
  const addresses = found.flatMap((answer) => answer.type === "A" || answer.type === "AAAA" ? [answer.data] : []);
  return [...new Set(addresses.map((address) => ipaddr.process(address).toString()))];
}

function serviceOf(answer: Answer): SrvRecord[] {
  if (answer.type !== "SRV") return [];
  const { port, priority = 0, weight = 0 } = answer.data;
  const target = answer.data.target.toLowerCase().replace(/\.$/, "");
  // What could be asked for: a server may send any bytes for a name.
  if (!/^(?:[a-z0-9_-]{1,63}(?:\.|$)){0,127}$/.test(target)) return [];
  return [{ target, port, priority, weight }];
}

/** How long an answer that there is nothing holds (RFC 2308, 5). */
function negativeTtlS(authorities: readonly Answer[]): number | null {
  for (const answer of authorities) {
    if (answer.type === "SOA") return Math.min(ttlOf(answer), answer.data.minimum ?? Number.POSITIVE_INFINITY);
  }
  return null;
}

/** A TTL with the top bit set is 0 (RFC 2181, 8). */
function ttlOf(answer: Answer): number {
  const ttlS = "ttl" in answer ? answer.ttl ?? 0 : 0;
  return ttlS > 0x7fff_ffff ? 0 : ttlS;
}

function isSame(one: string, other: string): boolean {
  return one.toLowerCase().replace(/\.$/, "") === other.toLowerCase().replace(/\.$/, "");
}
