/**
 * A problem of a configuration: what is wrong, where, and what mends it. Everything in this folder that judges a
 * configuration reports in this shape; the `check` and `serve` commands print it, the admin API will turn it into
 * its errors.
 *
 * @module
 */

/** One thing that is wrong in a configuration, with the place where a human mends it. */
export interface Problem {
  /** The file as it was named or found. */
  readonly file: string;
  /** From 1; 0 when the problem is the file itself (missing, unreadable). */
  readonly line: number;
  /** From 1, in characters; 0 as for `line`. */
  readonly column: number;
  /** The key, such as `tenants[0].backends[1].endpoints[0].address`; empty for the file as a whole. */
  readonly path: string;
  /** Rule and current value in one sentence. */
  readonly message: string;
  /** What to do about it. */
  readonly remedy: string;
  /** The sentence for a tenant's own eyes, where `message` names what is not the tenant's. */
  readonly toTenant?: string;
  /** The same in place of `remedy`. */
  readonly remedyToTenant?: string;
}

/** The problem as a tenant may read it. */
export function inTenantsWords(problem: Problem): Problem {
  const { message, remedy, toTenant = message, remedyToTenant = remedy } = problem;
  return { ...problem, message: toTenant, remedy: remedyToTenant };
}

/** Two lines of text: `file:line:column: path: message`, and the remedy below it. */
export function formatProblem(problem: Problem): string {
  const place = problem.line === 0 ? problem.file : `${problem.file}:${problem.line}:${problem.column}`;
  const path = problem.path === "" ? "" : `${problem.path}: `;
  return `${place}: ${path}${problem.message}\n    remedy: ${problem.remedy}`;
}

/** Orders problems as a reader meets them: by file (in the given order), then line, then column. */
export function sortProblems(problems: readonly Problem[], files: readonly string[]): Problem[] {
  const rank = new Map(files.map((file, index) => [file, index]));
  const rankOf = (file: string) => rank.get(file) ?? files.length;
  return [...problems].sort((one, other) =>
    rankOf(one.file) - rankOf(other.file) || one.line - other.line || one.column - other.column
  );
}
