/**
 * Parts of a tenant's written value by their ids, and JSON Merge Patch. Pure.
 *
 * @module
 */

import { isMapValue } from "../config/mod.ts";
import type { Json, JsonObject, ObjectPath } from "../admin/control.ts";

/** Where a part is. */
export type PartPath = NonNullable<ObjectPath["part"]>;

/** The entries of a list of things with ids; what is no such thing is left out. */
export function entriesOf(value: JsonObject | null | undefined, key: string): JsonObject[] {
  const list = value?.[key];
  return Array.isArray(list) ? (list as readonly Json[]).filter((entry) => isMapValue(entry)) as JsonObject[] : [];
}

/** A part of a tenant; null when it is not there. */
export function partOf(tenant: JsonObject, part: PartPath): JsonObject | null {
  if (part.kind !== "endpoints") return entryOf(tenant, part.kind, part.id);
  const backend = entryOf(tenant, "backends", part.backend);
  return backend === null ? null : entryOf(backend, "endpoints", part.id);
}

/** The tenant with a part put in place of what was there, or at the end; null takes it out. */
export function withPart(tenant: JsonObject, part: PartPath, value: JsonObject | null): JsonObject {
  if (part.kind !== "endpoints") return withEntry(tenant, part.kind, part.id, value);
  const backend = entryOf(tenant, "backends", part.backend);
  if (backend === null) return tenant;
  return withEntry(tenant, "backends", part.backend, withEntry(backend, "endpoints", part.id, value));
}

/** JSON Pointer of a part within its tenant, by positions; where it would stand when it is not there. */
export function pointerOf(tenant: JsonObject, part: PartPath): string {
  const at = (value: JsonObject | null, key: string, id: string) => {
    const entries = entriesOf(value, key);
    const found = entries.findIndex((entry) => entry["id"] === id);
    return `/${key}/${found < 0 ? entries.length : found}`;
  };
  if (part.kind !== "endpoints") return at(tenant, part.kind, part.id);
  const backend = at(tenant, "backends", part.backend);
  return `${backend}${at(entryOf(tenant, "backends", part.backend), "endpoints", part.id)}`;
}

function entryOf(value: JsonObject, key: string, id: string): JsonObject | null {
  return entriesOf(value, key).find((entry) => entry["id"] === id) ?? null;
}

function withEntry(value: JsonObject, key: string, id: string, entry: JsonObject | null): JsonObject {
  const entries = entriesOf(value, key);
  const at = entries.findIndex((one) => one["id"] === id);
  if (entry === null) return { ...value, [key]: entries.filter((_, index) => index !== at) };
  return { ...value, [key]: at < 0 ? [...entries, entry] : entries.with(at, entry) };
}

/** JSON Merge Patch (RFC 7396, 2). */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isMapValue(patch)) return patch;
  const merged = new Map(isMapValue(target) ? Object.entries(target as JsonObject) : []);
  for (const [key, value] of Object.entries(patch as JsonObject)) {
    if (value === null) merged.delete(key);
    else merged.set(key, mergePatch(merged.get(key), value));
  }
  return Object.fromEntries(merged);
}
