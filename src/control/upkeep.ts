/**
 * What follows each change of what is in force: endpoints are checked and names followed as it says. Called by
 * `control_plane.ts`.
 *
 * @module
 */

import type { WantedName } from "../resolver/mod.ts";
import type { ControlDeps } from "./control_deps.ts";
import type { Evaluation } from "./evaluate.ts";
import { logNames } from "./report.ts";
import type { Unit } from "./unit_state.ts";

/**
 * Tells checker and resolver what they look at from now on; `fresh` are the tenants of the evaluation whose version is
 * another one than before. Returns the names of those: a look-up that was over between the evaluation and now has told
 * nobody.
 */
export function keepUp(
  evaluation: Evaluation,
  fresh: readonly Unit[],
  { checks, names, log }: Pick<ControlDeps, "checks" | "names" | "log">,
): WantedName[] {
  for (const id of evaluation.removed) {
    checks.setTargets(id, []);
    names.setNames(id, []);
  }
  for (const { id, running } of fresh) {
    checks.setTargets(id, running?.checks ?? []);
    names.setNames(id, running?.named?.wanted ?? []);
  }
  logNames(evaluation.advice, fresh, log);
  return fresh.flatMap(({ running }) => running?.named?.wanted ?? []);
}
