/**
 * From files to a checked configuration, or to everything that is wrong with them at once. Called by the commands
 * `check` and `doctor`; the running proxy checks tenant by tenant (`unit.ts`).
 *
 * @module
 */

import { listTenantFiles, readSource, strayProblem, type TenantFile } from "./files.ts";
import type { LoadDeps } from "./load_deps.ts";
import { checkTop, mainUnits } from "./main_file.ts";
import { outlineOf } from "./outline.ts";
import { type Problem, sortProblems } from "./problem.ts";
import type { ResolvedNames } from "./resolve.ts";
import type { Config } from "./schema.ts";
import { checkSemantics } from "./semantics.ts";
import { problemAt } from "./source.ts";
import { checkTenant, NO_NAMES, resolveOutline, unitOf } from "./unit.ts";

/** What came of loading. */
export interface LoadResult {
  /** Main file and tenant files as one; null when anything at all is wrong. */
  readonly config: Config | null;
  /** What the names in `config` stand for; `compilePlan` wants it. */
  readonly names: ResolvedNames;
  /** Everything wrong in the main file. */
  readonly problems: readonly Problem[];
  /** Everything wrong in tenant files, by the file's NAME. */
  readonly tenantProblems: ReadonlyMap<string, readonly Problem[]>;
  /** Files that were read or should have been, the main one first. */
  readonly files: readonly string[];
  /** What is no error, in the order in which a reader meets it: names that cannot be resolved now. */
  readonly advice: readonly Problem[];
}

/** All problems of a result, in the order in which a reader meets them. */
export function allProblems(result: LoadResult): Problem[] {
  return sortProblems([...result.problems, ...[...result.tenantProblems.values()].flat()], result.files);
}

/** Reads, checks and resolves the configuration whose main file is at `path`. Does not reject for what files hold. */
export async function loadConfig(path: string, deps: LoadDeps): Promise<LoadResult> {
  const problems: Problem[] = [];
  const main = await readSource(path, deps, problems);
  if (main === null) return resultOf({ path, tenantFiles: [], problems, config: null });

  const listing = await listTenantFiles(main, deps, problems);
  const tenantFiles = listing?.files ?? [];
  for (const stray of listing?.strays ?? []) {
    const { message, remedy } = strayProblem(stray.path);
    problems.push(problemAt({ source: main, path: ["tenants_dir"] }, message, remedy));
  }
  const units = mainUnits(main);
  for (const file of tenantFiles) {
    const source = await readSource(file.path, deps, problems);
    if (source !== null) units.push(unitOf(main, source, [], source.value, file.name));
  }

  const top = checkTop(main, problems);
  const tenants = units.map((unit) => checkTenant(unit, problems));
  const outline = outlineOf(main, units);
  problems.push(...checkSemantics(outline));
  const advice: Problem[] = [];
  const names = await resolveOutline(outline, deps, { problems, advice });

  const config = top === null || problems.length > 0
    ? null
    : { ...top, tenants: tenants.filter((tenant) => tenant !== null) };
  return resultOf({ path, tenantFiles, problems, advice, config, names });
}

function resultOf(parts: {
  path: string;
  tenantFiles: readonly TenantFile[];
  problems: readonly Problem[];
  advice?: readonly Problem[];
  config: Config | null;
  names?: ResolvedNames;
}): LoadResult {
  const files = [parts.path, ...parts.tenantFiles.map((file) => file.path)];
  const tenantProblems = new Map<string, readonly Problem[]>();
  const sorted = sortProblems(parts.problems, files);
  for (const { name, path } of parts.tenantFiles) {
    const own = sorted.filter((problem) => problem.file === path);
    if (own.length > 0) tenantProblems.set(name, own);
  }
  const ofTenants = new Set(parts.tenantFiles.map(({ path }) => path));
  return {
    config: parts.config,
    names: parts.names ?? NO_NAMES,
    problems: sorted.filter((problem) => !ofTenants.has(problem.file)),
    tenantProblems,
    files,
    advice: sortProblems(parts.advice ?? [], files),
  };
}
