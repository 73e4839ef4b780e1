/**
 * What differs between two written values, for diffs, history and audit. Pure.
 *
 * @module
 */

import { isMapValue, sameValue } from "../config/mod.ts";
import type { Change, Json, JsonObject } from "../admin/control.ts";

/**
 * The differences, each with the path where it is. Entries of lists whose entries all have ids are named by their id:
 * `/tenants/acme/listeners/pg/address`. Secrets are left out of both sides.
 */
export function changesBetween(from: Json | undefined, to: Json | undefined, path = ""): Change[] {
  if (sameValue(from, to)) return [];
  if (from === undefined) return to === undefined ? [] : [{ op: "add", path, to: withoutSecrets(path, to) }];
  if (to === undefined) return [{ op: "remove", path, from: withoutSecrets(path, from) }];
  const [before, after] = [partsOf(from), partsOf(to)];
  if (before === null || after === null || Array.isArray(from) !== Array.isArray(to)) {
    return [{ op: "replace", path, from: withoutSecrets(path, from), to: withoutSecrets(path, to) }];
  }
  const keys = [...new Set([...before.keys(), ...after.keys()])];
  const inside = keys.flatMap((key) => changesBetween(before.get(key), after.get(key), `${path}/${escapeStep(key)}`));
  // The same entries in another order.
  return inside.length > 0
    ? inside
    : [{ op: "replace", path, from: withoutSecrets(path, from), to: withoutSecrets(path, to) }];
}

/** Characters of differences that are kept in memory for readers: the history has the whole. */
const MOST_KEPT = 16 * 2 ** 10;

/** The differences as they may be kept many times over: without values, and at last without the rest, when too large. */
export function shortened(changes: readonly Change[]): readonly Change[] {
  if (sizeOf(changes) <= MOST_KEPT) return changes;
  const paths = changes.map(({ op, path }) => ({ op, path }));
  let left = MOST_KEPT;
  return paths.filter((one) => (left -= sizeOf([one])) >= 0);
}

function sizeOf(changes: readonly Change[]): number {
  return JSON.stringify(changes).length;
}

/** A step of a JSON Pointer (RFC 6901, 3). */
export function escapeStep(step: string): string {
  return step.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** Parts by name: a map's by key, a list's by id; null for anything else. */
function partsOf(value: Json): Map<string, Json> | null {
  if (isMapValue(value)) return new Map(Object.entries(value as JsonObject));
  if (!Array.isArray(value)) return null;
  const parts = new Map<string, Json>();
  for (const entry of value as readonly Json[]) {
    const id = isMapValue(entry) ? entry["id"] : undefined;
    if (typeof id !== "string" || parts.has(id)) return null;
    parts.set(id, entry);
  }
  return parts;
}

/** Hashes of tokens are nobody's to read. */
function withoutSecrets(path: string, value: Json): Json {
  if (/\/sha256$/.test(path)) return "(not shown)";
  if (Array.isArray(value)) return (value as readonly Json[]).map((part) => withoutSecrets(path, part));
  if (!isMapValue(value)) return value;
  return Object.fromEntries(
    Object.entries(value as JsonObject).map(([key, part]) => [key, withoutSecrets(`${path}/${escapeStep(key)}`, part)]),
  );
}
