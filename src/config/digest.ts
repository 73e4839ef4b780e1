/**
 * Digests of files and of values: what tells an edited file from one that was read, and what ETags are made of.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { isMapValue } from "./raw.ts";

/** First 128 bits of the SHA-256 of a text, as 32 hexadecimal digits. */
export function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

/** JSON with the keys of every map in order, so that equal values are equal texts. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (!isMapValue(value)) return JSON.stringify(value) ?? "null";
  const parts = Object.keys(value).sort().flatMap((key) =>
    value[key] === undefined ? [] : [`${JSON.stringify(key)}:${canonicalJson(value[key])}`]
  );
  return `{${parts.join(",")}}`;
}
