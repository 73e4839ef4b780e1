/**
 * What is used of npm's `dns-packet`, as its documentation has it. Its own declarations would bring those of Node for the
 * whole program.
 *
 * @module
 */

import type { Buffer } from "node:buffer";

/** A record. Of kinds that are not here only the name and the kind are known. */
export type Answer =
  | { type: "A" | "AAAA" | "CNAME"; name: string; ttl?: number; data: string }
  | { type: "SRV"; name: string; ttl?: number; data: SrvData }
  | { type: "SOA"; name: string; ttl?: number; data: SoaData };

export interface SrvData {
  target: string;
  port: number;
  priority?: number;
  weight?: number;
}

export interface SoaData {
  mname: string;
  rname: string;
  serial?: number;
  refresh?: number;
  retry?: number;
  expire?: number;
  minimum?: number;
}

export interface Question {
  type: string;
  name: string;
  class?: "IN";
}

export interface Packet {
  type?: "query" | "response";
  id?: number;
  /** Bits below, or'ed; the lowest four are the answer code. */
  flags?: number;
  questions?: Question[];
  answers?: Answer[];
  authorities?: Answer[];
}

export const TRUNCATED_RESPONSE: number;
export const RECURSION_DESIRED: number;
export const RECURSION_AVAILABLE: number;

export function encode(packet: Packet): Buffer;

/** Throws when the bytes are no whole packet. */
export function decode(bytes: Buffer): Packet;
