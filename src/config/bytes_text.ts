/**
 * Bytes as people write them in a configuration: text with escapes, or `hex:` and digits.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { Refusal, type Scalar, scalar } from "./scalar.ts";

const RULE = "text, with \\r \\n \\t \\0 \\\\ and \\x00 for what cannot be typed, or hex: and pairs of digits";
const REMEDY = 'write for example "PING\\r\\n" or hex:50494e470d0a';

const ESCAPES: Readonly<Record<string, string>> = { r: "0d", n: "0a", t: "09", "0": "00", "\\": "5c" };

/**
 * Bytes of a written text, in hexadecimal; undefined when it has no meaning. A text that is not ASCII means its bytes in
 * UTF-8.
 */
export function parseBytes(text: string): string | undefined {
  if (text.startsWith("hex:")) {
    const digits = text.slice("hex:".length).replaceAll(" ", "").toLowerCase();
    return /^(?:[0-9a-f]{2})*$/.test(digits) ? digits : undefined;
  }
  let bytes = "";
  for (const [part, digits, letter] of text.matchAll(/\\x([0-9a-fA-F]{2})|\\([\s\S]?)|[^\\]+/g)) {
    if (digits !== undefined) bytes += digits.toLowerCase();
    else if (letter === undefined) bytes += Buffer.from(part).toString("hex");
    else {
      const escape = ESCAPES[letter];
      if (escape === undefined) return undefined;
      bytes += escape;
    }
  }
  return bytes;
}

/** Bytes, read as hexadecimal digits in lower case. */
export function bytesText(limits: { leastBytes?: number; mostBytes: number }): Scalar<string> {
  const { leastBytes = 0, mostBytes } = limits;
  return scalar({
    json: { type: "string", examples: ["PING\\r\\n", "hex:0d0a"] },
    rule: RULE,
    remedy: REMEDY,
    parse: (value) => {
      if (typeof value !== "string") return undefined;
      const bytes = parseBytes(value);
      const count = (bytes ?? "").length / 2;
      if (bytes === undefined) throw new Refusal(RULE, REMEDY);
      if (count < leastBytes) throw new Refusal(`at least ${leastBytes} byte long`, REMEDY);
      if (count > mostBytes) throw new Refusal(`${mostBytes} bytes at the most`, "shorten it");
      return bytes;
    },
  });
}
