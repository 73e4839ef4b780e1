/**
 * The steps from files to what is in force, shared by the start and by every reload, and the report of how it went.
 *
 * @module
 */

import {
  allProblems,
  compilePlan,
  type Config,
  diffPlans,
  formatProblem,
  type LoadResult,
  type Plan,
  type PlanChange,
  type Problem,
} from "../config/mod.ts";

/** Says that files hold no usable configuration. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(formatProblem).join("\n"));
    this.problems = problems;
  }
}

/** A configuration that is ready to be put in force. */
export interface Candidate {
  readonly config: Config;
  readonly plan: Plan;
  /** From the plan in force to this one. */
  readonly change: PlanChange;
}

/** How a reload went. */
export interface ReloadReport {
  /** Unix time in ms. */
  readonly atMs: number;
  readonly ok: boolean;
  /** False when there was nothing to change. */
  readonly changed: boolean;
  /** In force after it. */
  readonly generation: number;
  /** What went wrong, a sentence each; none when `ok`. */
  readonly errors: readonly string[];
}

/** What comes of loading, compared with the plan in force (null: none yet). Throws ConfigError. */
export function candidateOf(loaded: LoadResult, current: Plan | null): Candidate {
  const { config, names } = loaded;
  if (config === null) throw new ConfigError(allProblems(loaded));
  const plan = compilePlan(config, names);
  return { config, plan, change: diffPlans(current, plan) };
}

/** The sentences of an error. */
export function errorsOf(error: unknown): string[] {
  if (error instanceof ConfigError) return error.problems.map(formatProblem);
  return [error instanceof Error ? error.message : String(error)];
}
