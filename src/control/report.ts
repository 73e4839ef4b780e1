/**
 * What the log says of configurations that are wrong, in part or as a whole.
 *
 * @module
 */

import { type Problem, sameValue } from "../config/mod.ts";
import type { Log } from "../log.ts";
import type { Evaluation } from "./evaluate.ts";
import type { MainState, Unit } from "./unit_state.ts";

/** A line for each problem. */
export function logProblems(problems: readonly Problem[], log: Log, fields: { tenant?: string } = {}): void {
  for (const { file, line, column, path, message, remedy } of problems) {
    const place = line === 0 ? file : `${file}:${line}:${column}`;
    log.error("the configuration is wrong", { ...fields, place, path, problem: message, remedy });
  }
}

/** The tenants of an evaluation that are wrong, and not in the same way as before. */
export function newlyWrong({ units }: Evaluation, before: ReadonlyMap<string, Unit>): Unit[] {
  return [...units.values()].filter(({ id, problems }) =>
    problems.length > 0 && !sameValue(before.get(id)?.problems, problems)
  );
}

/** The problems of tenants, and what becomes of each; and of files that cannot be a tenant's. */
export function logWrong(units: readonly Unit[], strays: Evaluation["strays"], log: Log): void {
  for (const unit of units) {
    logProblems(unit.problems, log, { tenant: unit.id });
    const fate = unit.running === null ? "the tenant stays out" : "the tenant's last good version goes on";
    log.error(fate, { tenant: unit.id, file: unit.file });
  }
  for (const problems of strays.values()) logProblems(problems, log);
}

/** What names cannot be resolved now, and which lead where they must not. */
export function logNames(advice: Evaluation["advice"], units: readonly Unit[], log: Log): void {
  for (const { tenant, problem: { file, line, column, path, message } } of advice) {
    log.warn("a name is looked for on and on", { tenant, place: `${file}:${line}:${column}`, path, problem: message });
  }
  for (const { id, running } of units) {
    if (running === null || running.withheld.length === 0) continue;
    log.warn("a name leads to the admin API: that address is left out", {
      tenant: id,
      endpoints: running.withheld.join(" "),
    });
  }
}

/** A tenant whose new version could not be put in force. */
export function frozen(unit: Unit, before: Unit | undefined, error: Error): Unit {
  const problem = {
    file: unit.file,
    line: 0,
    column: 0,
    path: "",
    message: error.message,
    remedy: "free the address, or listen on another one; then reload",
  };
  return { ...unit, problems: [problem], running: before?.running ?? null };
}

/** Says what takes effect with the next start only. */
export function warnOfFixed(before: MainState["config"], now: MainState["config"], log: Log): void {
  if (before.workers === now.workers) return;
  log.warn("workers takes effect with the next start", { before: before.workers, now: now.workers });
}
