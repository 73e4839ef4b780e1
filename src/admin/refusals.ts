/**
 * Puts into the audit what the API itself refused. One entry a second for each actor: nobody may wash the audit's
 * older entries away by being refused.
 *
 * @module
 */

import type { AdminContext, AdminDeps } from "./context.ts";
import { Problem } from "./problem.ts";

/** Between two entries of an actor, ms. */
const EVERY_MS = 1_000;
/** Longest target that is kept. */
const LONGEST_TARGET = 256;

/** Tells the audit of refusals. */
export function refusalRecorder({ control, now }: AdminDeps): (error: unknown, context: AdminContext) => void {
  /** By name of the token: bounded by the configuration. */
  const lastMs = new Map<string, number>();
  return (error, context) => {
    if (!(error instanceof Problem) || error.audit === null) return;
    const who = context.get("actor") ?? { name: "unknown" };
    const nowMs = now();
    if (nowMs - (lastMs.get(who.name) ?? Number.NEGATIVE_INFINITY) < EVERY_MS) return;
    lastMs.set(who.name, nowMs);
    control.record({
      actor: who.name,
      verb: context.req.method.toLowerCase(),
      target: context.req.path.slice(0, LONGEST_TARGET),
      tenant: who.tenant ?? null,
      changes: [],
      result: error.audit,
    });
  };
}
