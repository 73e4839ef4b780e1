/**
 * How a reload went, and the error that says that files hold no usable configuration.
 *
 * @module
 */

import { formatProblem, type Problem } from "../config/mod.ts";

/** Says that files hold no usable configuration. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(formatProblem).join("\n"));
    this.problems = problems;
  }
}

/** Says that what a configuration names beside the data plane cannot be opened: a log, the admin API's port. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
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

/** The sentences of an error. */
export function errorsOf(error: unknown): string[] {
  if (error instanceof ConfigError) return error.problems.map(formatProblem);
  return [error instanceof Error ? error.message : String(error)];
}
