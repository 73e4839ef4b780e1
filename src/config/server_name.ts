/**
 * Server names of routes, as TLS clients send them (SNI, RFC 6066, 3).
 *
 * @module
 */

import { Refusal, type Scalar, scalar } from "./scalar.ts";

/** Characters of a name without its last dot (RFC 1035, 2.3.4: 255 octets on the wire). */
const MOST_CHARACTERS = 253;

const RULE = "a server name such as acme.example or *.acme.example";

/**
 * Reads a server name: lower-cased, without a last dot; `*` may stand for everything before the first dot.
 *
 * @throws {Refusal} with rule and remedy
 */
export function parseServerName(text: string): string {
  const name = text.toLowerCase().replace(/\.$/, "");
  if (name === "*") throw new Refusal(RULE, "write default: true for a route that takes every name");
  if (/[^\x21-\x7e]/.test(name)) throw new Refusal(RULE, "write a name of other letters as clients send it: xn--…");
  const labels = name.replace(/^\*\./, "").split(".");
  if (name.length > MOST_CHARACTERS) {
    throw new Refusal(`a name of ${MOST_CHARACTERS} characters at the most`, "shorten it");
  }
  if (labels.some((label) => label.includes("*"))) throw new Refusal(RULE, "write * for the whole first label only");
  if (!labels.every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label))) {
    throw new Refusal(RULE, "write a name, without scheme, port and path");
  }
  // A last label of digits is an IP address, which no client sends as a name (RFC 6066, 3).
  if (/^\d+$/.test(labels.at(-1) ?? "")) throw new Refusal(RULE, "use sources or a listener of its own for an address");
  return name;
}

/** A server name. */
export function serverName(): Scalar<string> {
  return scalar({
    json: { type: "string", examples: ["acme.example", "*.acme.example"] },
    rule: RULE,
    remedy: "write a name; * stands for everything before the first dot",
    parse: (value) => typeof value === "string" ? parseServerName(value) : undefined,
  });
}
