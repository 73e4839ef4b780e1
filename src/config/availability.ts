/**
 * What the schema knows and this version does not do yet. Such keys are refused, never ignored: a limit that is written
 * and not kept would be worse than none. A value that asks for nothing ("off", zero, an empty map) is accepted.
 *
 * @module
 */

import { isMapValue } from "./raw.ts";
import { show } from "./scalar.ts";
import type { Path } from "./source.ts";
import type { Finding } from "./validate.ts";

/** A key that this version refuses. */
export interface Unavailable {
  /** Pattern below a tenant; `[]` stands for every entry of a list. */
  readonly key: string;
  /** True for values that ask for nothing; without it, every value is refused. */
  readonly asksNothing?: (value: unknown) => boolean;
  /** What to do; "remove it" unless only some values are refused. */
  readonly remedy?: string;
}

/** Refused in a tenant, and in `defaults`. */
export const UNAVAILABLE_IN_TENANT: readonly Unavailable[] = [];

/** All that `value` (as written) asks of `table`. */
export function findUnavailable(value: unknown, table: readonly Unavailable[]): Finding[] {
  return table.flatMap(({ key, asksNothing, remedy = "remove it" }) =>
    matches(value, key.split(".")).flatMap(({ path, found }): Finding[] => {
      // A key without a value is the schema's to refuse.
      if (found === null || asksNothing?.(found) === true) return [];
      const some = asksNothing !== undefined && typeof found !== "object" ? `: current value is ${show(found)}` : "";
      return [{ path, at: "key", message: `is not available in this version${some}`, remedy }];
    })
  );
}

/** Whether this version refuses a key (a pattern as in {@link Unavailable}) at least for some of its values. */
export function unavailableRule(key: string, table: readonly Unavailable[]): Unavailable | undefined {
  return table.find((rule) => key === rule.key || key.startsWith(`${rule.key}.`) || key.startsWith(`${rule.key}[]`));
}

function matches(value: unknown, steps: readonly string[]): { path: Path; found: unknown }[] {
  const [step, ...rest] = steps;
  if (step === undefined) return [{ path: [], found: value }];
  const name = step.replace(/\[\]$/, "");
  if (!isMapValue(value) || !Object.hasOwn(value, name)) return [];
  const below = value[name];
  if (name === step) return matches(below, rest).map(({ path, found }) => ({ path: [name, ...path], found }));
  if (!Array.isArray(below)) return [];
  return below.flatMap((entry, index) =>
    matches(entry, rest).map(({ path, found }) => ({ path: [name, index, ...path], found }))
  );
}
