/**
 * Looking into values as they were written, before any schema has judged them.
 *
 * @module
 */

/** A map as YAML gives it. */
export type MapValue = Readonly<Record<string, unknown>>;

/** True for a map. */
export function isMapValue(value: unknown): value is MapValue {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The entries of a list under `key`; none when there is no list. */
export function entriesOf(value: unknown, key: string): readonly unknown[] {
  const list = isMapValue(value) ? value[key] : undefined;
  return Array.isArray(list) ? list : [];
}

/** The text under `key`, if it is one. */
export function textOf(value: unknown, key: string): string | undefined {
  const text = isMapValue(value) ? value[key] : undefined;
  return typeof text === "string" ? text : undefined;
}

/** `over` on top of `beneath`: maps key by key all the way down, anything else (lists too) as a whole. */
export function mergeOver(beneath: unknown, over: unknown): unknown {
  if (!isMapValue(beneath) || !isMapValue(over)) return over === undefined ? beneath : over;
  const keys = new Set([...Object.keys(beneath), ...Object.keys(over)]);
  const valueOf = (map: MapValue, key: string) => Object.hasOwn(map, key) ? map[key] : undefined;
  return Object.fromEntries([...keys].map((key) => [key, mergeOver(valueOf(beneath, key), valueOf(over, key))]));
}
