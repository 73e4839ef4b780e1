/**
 * What has to be told to the data plane to get from one plan to the next. Pure; called by `src/control` before every
 * apply. A tenant is the unit: it is unchanged, or it is sent whole.
 *
 * @module
 */

import type { Plan, PlanChange, TenantPlan } from "./plan.ts";

/**
 * Compares two plans. `previous` is null before the first apply; then everything is new. The order of tenants does not
 * matter; the order of listeners, backends and endpoints does, because balancing follows it.
 */
export function diffPlans(previous: Plan | null, next: Plan): PlanChange {
  const upserts: TenantPlan[] = [];
  for (const [id, tenant] of next.tenants) {
    if (!sameValue(previous?.tenants.get(id), tenant)) upserts.push(tenant);
  }
  const removals = previous === null ? [] : [...previous.tenants.keys()].filter((id) => !next.tenants.has(id));
  const isSame = (key: "process" | "shared") => previous !== null && sameValue(previous[key], next[key]);
  return {
    ...isSame("process") ? {} : { process: next.process },
    ...isSame("shared") || (previous === null && next.shared === null) ? {} : { shared: next.shared },
    upserts,
    removals,
  };
}

/** True when applying the change would do nothing. */
export function isEmptyChange(change: PlanChange): boolean {
  return change.process === undefined && change.shared === undefined && change.upserts.length === 0 &&
    change.removals.length === 0;
}

/** Deep equality of plain values; the order of an object's keys does not matter, that of a list does. */
export function sameValue(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const keys = Object.keys(one);
  if (keys.length !== Object.keys(other).length) return false;
  return keys.every((key) =>
    Object.hasOwn(other, key) &&
    sameValue((one as Record<string, unknown>)[key], (other as Record<string, unknown>)[key])
  );
}
