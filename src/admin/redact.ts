/**
 * Takes what nobody needs to see out of answers: the hashes of tokens, where they are not asked for to be written back.
 *
 * @module
 */

import type { Change, Json, JsonObject } from "./control.ts";

/** Stands for what was taken out: no token has this hash, and the value still has the form of one. */
export const REDACTED = "0".repeat(64);

const SECRET_KEYS: ReadonlySet<string> = new Set(["sha256"]);

/** The value without the hashes of tokens, also where it is a difference that names one in its `path`. */
export function redact(value: Json): Json {
  if (Array.isArray(value)) return value.map(redact);
  if (typeof value !== "object" || value === null) return value;
  return redactObject(value as JsonObject);
}

/** The same for an object. */
export function redactObject(value: JsonObject): JsonObject {
  const path = value["path"];
  const isOfSecret = typeof path === "string" && SECRET_KEYS.has(path.slice(path.lastIndexOf("/") + 1));
  const isHidden = (key: string) => SECRET_KEYS.has(key) || (isOfSecret && (key === "from" || key === "to"));
  return Object.fromEntries(
    Object.entries(value).map(([key, below]) => [key, isHidden(key) ? REDACTED : redact(below)]),
  );
}

/** The same for a difference. */
export function redactChange(change: Change): Change {
  const { from, to } = redactObject({ path: change.path, from: change.from ?? null, to: change.to ?? null });
  return {
    ...change,
    ...(change.from === undefined ? {} : { from: from ?? null }),
    ...(change.to === undefined ? {} : { to: to ?? null }),
  };
}
