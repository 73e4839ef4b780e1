/**
 * Takes what nobody needs to see out of answers: the hashes of tokens, where they are not asked for to be written back.
 *
 * @module
 */

import type { Change, Json } from "./control.ts";

/** Stands for what was taken out: no token has this hash, and the value still has the form of one. */
export const REDACTED = "0".repeat(64);

const SECRET_KEYS: ReadonlySet<string> = new Set(["sha256"]);

/** The value without the hashes of tokens. */
export function redact(value: Json): Json {
  if (Array.isArray(value)) return value.map(redact);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, below]) => [key, SECRET_KEYS.has(key) ? REDACTED : redact(below)]),
  );
}

/** A difference without the hashes of tokens. */
export function redactChange(change: Change): Change {
  const isSecret = SECRET_KEYS.has(change.path.slice(change.path.lastIndexOf("/") + 1));
  const hide = (value: Json) => isSecret ? REDACTED : redact(value);
  return {
    ...change,
    ...(change.from === undefined ? {} : { from: hide(change.from) }),
    ...(change.to === undefined ? {} : { to: hide(change.to) }),
  };
}
