/**
 * One canary on its way: how far it is, and what comes next. Pure: time and counters are arguments. `canaries.ts` keeps
 * one of these for each split with a canary.
 *
 * ```
 * progressing ── step is over, not the last one ──▶ progressing (next step)
 *      │ └────── the last step is over ───────────▶ promoted
 *      └──────── it does badly ───────────────────▶ rolled_back
 * ```
 *
 * Nothing leads out of `promoted` and `rolled_back` but another revision of the canary, which is another rollout.
 *
 * @module
 */

import type { CanaryPlan } from "../config/mod.ts";
import { faultOf, type Figures, figuresOf } from "./judge.ts";
import { addTo, beginTally, type ConnectCounters, type Tally } from "./tally.ts";

/** Where a rollout stands. */
export type RolloutState = "progressing" | "promoted" | "rolled_back";

/** A rollout. */
export interface Rollout {
  readonly plan: CanaryPlan;
  readonly state: RolloutState;
  /** Index into the steps: the one that is under way, or the last that was. */
  readonly step: number;
  /** When the step began, monotonic ms. */
  readonly sinceMs: number;
  readonly tally: Tally;
  /** Why it was rolled back. */
  readonly reason: string | null;
}

/** What a rollout did. */
export interface Move {
  readonly kind: "started" | "step" | "promoted" | "rolled_back";
  /** The step that begins; of the two ends the one that ended. From 1. */
  readonly step: number;
  /** The canary's, from now on, in percent. */
  readonly weight: number;
  /** Of the step that ended; null at the start. */
  readonly figures: Figures | null;
  readonly reason: string | null;
}

/** A rollout at its first step. */
export function startRollout(plan: CanaryPlan, nowMs: number): Rollout {
  return { plan, state: "progressing", step: 0, sinceMs: nowMs, tally: beginTally(null), reason: null };
}

/** The move that a start is. */
export function moveOfStart(rollout: Rollout): Move {
  return { kind: "started", step: 1, weight: weightOf(rollout), figures: null, reason: null };
}

/** The canary's part of new sources, in percent. */
export function weightOf({ plan, state, step }: Rollout): number {
  return state === "rolled_back" ? 0 : plan.steps[step] ?? 0;
}

/** When the step is over, monotonic ms; null when no step is under way. */
export function dueOf({ plan, state, sinceMs }: Rollout): number | null {
  return state === "progressing" ? sinceMs + plan.stepForMs : null;
}

/**
 * A look: counts, judges, and makes one move at the most, however late it is. A step begins when its weight is in force:
 * who puts it there says so by {@linkcode beginStep}.
 */
export function advance(
  rollout: Rollout,
  counters: ConnectCounters | null,
  nowMs: number,
  boundsUs: readonly number[],
): { readonly rollout: Rollout; readonly move: Move | null } {
  const dueMs = dueOf(rollout);
  if (dueMs === null) return { rollout, move: null };
  const tally = addTo(rollout.tally, counters);
  const figures = figuresOf(tally, boundsUs);
  const reason = faultOf(figures, rollout.plan);
  const counted = { ...rollout, tally };
  if (reason !== null) return moved({ ...counted, state: "rolled_back", reason }, "rolled_back", figures);
  if (nowMs < dueMs) return { rollout: counted, move: null };
  // At the end of a step too few connects are no reason to stay: where nobody comes nobody is harmed.
  if (rollout.step + 1 < rollout.plan.steps.length) {
    return moved({ ...counted, step: rollout.step + 1, sinceMs: nowMs }, "step", figures);
  }
  return moved({ ...counted, state: "promoted" }, "promoted", figures);
}

function moved(rollout: Rollout, kind: Move["kind"], figures: Figures): { rollout: Rollout; move: Move } {
  const { step, reason } = rollout;
  return { rollout, move: { kind, step: step + 1, weight: weightOf(rollout), figures, reason } };
}

/** A look that only counts. */
export function observe(rollout: Rollout, counters: ConnectCounters | null): Rollout {
  return { ...rollout, tally: addTo(rollout.tally, counters) };
}

/** The rollout from the moment on at which its weight is in force. */
export function beginStep(rollout: Rollout, nowMs: number): Rollout {
  return { ...rollout, sinceMs: nowMs, tally: beginTally(rollout.tally.seen) };
}
