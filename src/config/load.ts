/**
 * From files to a checked configuration, or to everything that is wrong with them at once. The only reader of
 * configuration files. Called by the commands `check` and `serve`, and by every reload.
 *
 * @module
 */

import { dirname, isAbsolute, join } from "node:path";
import type { EndpointAddress, ListenAddress } from "./address.ts";
import { findUnavailable, UNAVAILABLE_IN_TENANT, UNAVAILABLE_TOP } from "./availability.ts";
import type { LoadDeps } from "./load_deps.ts";
import { type Outline, outlineOf, type TenantUnit } from "./outline.ts";
import { type Problem, sortProblems } from "./problem.ts";
import { isMapValue, mergeOver } from "./raw.ts";
import { type ResolvedNames, resolveNames } from "./resolve.ts";
import { isId } from "./scalar.ts";
import { type Config, configSchema, type TenantConfig } from "./schema.ts";
import { tenantDefaultsSchema, tenantSchema } from "./schema_tenant.ts";
import { checkSemantics } from "./semantics.ts";
import { parseSource, type Path, type Place, problemAt, type Source } from "./source.ts";
import { type Finding, validate } from "./validate.ts";

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
}

/** All problems of a result, in the order in which a reader meets them. */
export function allProblems(result: LoadResult): Problem[] {
  return sortProblems([...result.problems, ...[...result.tenantProblems.values()].flat()], result.files);
}

/** A file of `tenants_dir`. */
interface TenantFile {
  readonly name: string;
  readonly path: string;
}

/** Reads, checks and resolves the configuration whose main file is at `path`. Does not reject for what files hold. */
export async function loadConfig(path: string, deps: LoadDeps): Promise<LoadResult> {
  const problems: Problem[] = [];
  const main = await readSource(path, deps, problems);
  if (main === null) return resultOf({ path, tenantFiles: [], problems, config: null });

  const tenantFiles = await listTenantFiles(main, deps, problems);
  const defaults = main.value["defaults"];
  const units = mainUnits(main, defaults);
  for (const file of tenantFiles) {
    const source = await readSource(file.path, deps, problems);
    if (source !== null) units.push(unitOf(main, defaults, source, [], source.value, file.name));
  }

  const top = checkTop(main, problems);
  const tenants = units.map((unit) => checkTenant(unit, problems));
  const outline = outlineOf(main, units);
  problems.push(...checkSemantics(outline));
  const names = await resolveOutline(outline, deps, problems);

  const config = top === null || problems.length > 0
    ? null
    : { ...top, tenants: tenants.filter((tenant) => tenant !== null) };
  return resultOf({ path, tenantFiles, problems, config, names });
}

function resultOf(parts: {
  path: string;
  tenantFiles: readonly TenantFile[];
  problems: readonly Problem[];
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
  return {
    config: parts.config,
    names: parts.names ?? { hosts: new Map(), zones: new Map() },
    problems: sorted.filter((problem) => !parts.tenantFiles.some(({ path }) => path === problem.file)),
    tenantProblems,
    files,
  };
}

async function readSource(path: string, deps: LoadDeps, problems: Problem[]): Promise<Source | null> {
  let text: string;
  try {
    text = await deps.readTextFile(path);
  } catch (error) {
    const { why, remedy } = whyUnreadable(error);
    problems.push({ file: path, line: 0, column: 0, path: "", message: `cannot be read: ${why}`, remedy });
    return null;
  }
  const parsed = parseSource(path, text);
  problems.push(...parsed.problems);
  return parsed.source;
}

async function listTenantFiles(main: Source, deps: LoadDeps, problems: Problem[]): Promise<TenantFile[]> {
  const written = main.value["tenants_dir"];
  if (typeof written !== "string" || written === "") return [];
  const folder = besideMain(main, written);
  const place = { source: main, path: ["tenants_dir"] };
  let names: readonly string[];
  try {
    names = await deps.listFiles(folder);
  } catch (error) {
    const { why, remedy } = whyUnreadable(error);
    problems.push(problemAt(place, `the folder ${folder} cannot be read: ${why}`, remedy));
    return [];
  }
  // Editors and mounts leave hidden files and copies; a file that was meant for a tenant must not be passed over.
  const meant = names.filter((name) => !name.startsWith(".") && /\.ya?ml$/.test(name)).sort();
  return meant.flatMap((name) => {
    const tenant = name.replace(/\.ya?ml$/, "");
    if (name.endsWith(".yaml") && isId(tenant)) return [{ name: tenant, path: join(folder, name) }];
    const rule = "must be called NAME.yaml, where NAME is the tenant's id";
    problems.push(problemAt(place, `the file ${join(folder, name)} ${rule}`, "rename the file, or move it elsewhere"));
    return [];
  });
}

function whyUnreadable(error: unknown): { why: string; remedy: string } {
  if (error instanceof Deno.errors.NotFound) return { why: "it does not exist", remedy: "create it, or name another" };
  if (error instanceof Deno.errors.NotCapable) {
    return { why: "Deno was not permitted to read there", remedy: "add the path to --allow-read" };
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return { why: "permission denied", remedy: "give this user the right to read it" };
  }
  if (error instanceof Deno.errors.IsADirectory) return { why: "it is a folder", remedy: "name a file in it" };
  if (error instanceof Deno.errors.NotADirectory) return { why: "it is not a folder", remedy: "name a folder" };
  return { why: error instanceof Error ? error.message : String(error), remedy: "make it a readable file" };
}

function besideMain(main: Source, path: string): string {
  return isAbsolute(path) ? path : join(dirname(main.file), path);
}

function mainUnits(main: Source, defaults: unknown): TenantUnit[] {
  const listed = main.value["tenants"];
  if (!Array.isArray(listed)) return [];
  return listed.map((own, index) => unitOf(main, defaults, main, ["tenants", index], own, null));
}

function unitOf(
  main: Source,
  defaults: unknown,
  source: Source,
  base: Path,
  own: unknown,
  fileName: string | null,
): TenantUnit {
  const placeOf = (path: Path): Place => {
    const place = { source, path: [...base, ...path] };
    const inDefaults = { source: main, path: ["defaults", ...path] };
    const ownDepth = source.depth(place.path) - base.length;
    return main.depth(inDefaults.path) - 1 > ownDepth ? inDefaults : place;
  };
  return { fileName, source, base, own, merged: isMapValue(own) ? mergeOver(defaults, own) : own, placeOf };
}

/** Everything in the main file but its tenants. */
function checkTop(main: Source, problems: Problem[]): Omit<Config, "tenants"> | null {
  const { defaults, ...rest } = main.value;
  const here = (base: Path) => (finding: Finding) =>
    atPlace({ source: main, path: [...base, ...finding.path] }, finding);
  if (defaults !== undefined) {
    const checked = validate(tenantDefaultsSchema, defaults);
    if (!checked.ok) problems.push(...checked.findings.map(here(["defaults"])));
    problems.push(...findUnavailable(defaults, UNAVAILABLE_IN_TENANT).map(here(["defaults"])));
  }
  problems.push(...findUnavailable(rest, UNAVAILABLE_TOP).map(here([])));
  // The tenants are checked one by one, with the defaults beneath them.
  const checked = validate(configSchema, Array.isArray(rest["tenants"]) ? { ...rest, tenants: [] } : rest);
  if (!checked.ok) {
    problems.push(...checked.findings.map(here([])));
    return null;
  }
  const { sink } = checked.value.log.access;
  if (sink.kind !== "file") return checked.value;
  const { log } = checked.value;
  const file = { kind: "file", path: besideMain(main, sink.path) } as const;
  return { ...checked.value, log: { ...log, access: { ...log.access, sink: file } } };
}

function checkTenant(unit: TenantUnit, problems: Problem[]): TenantConfig | null {
  const { own, merged, fileName, placeOf } = unit;
  problems.push(
    ...findUnavailable(own, UNAVAILABLE_IN_TENANT).map((finding) => atPlace(placeOf(finding.path), finding)),
  );
  const named = fileName !== null && isMapValue(merged) && merged["id"] === undefined
    ? { ...merged, id: fileName }
    : merged;
  const checked = validate(tenantSchema, named);
  if (checked.ok) return checked.value;
  // What is wrong in `defaults` has been told there.
  const inDefaults = (place: Place) => place.path[0] === "defaults" && unit.base[0] !== "defaults";
  const placed = checked.findings.map((finding) => ({ finding, place: placeOf(finding.path) }));
  problems.push(
    ...placed.filter(({ place }) => !inDefaults(place)).map(({ finding, place }) => atPlace(place, finding)),
  );
  return null;
}

function atPlace(place: Place, finding: Finding): Problem {
  return problemAt(place, finding.message, finding.remedy, finding.at);
}

async function resolveOutline(outline: Outline, deps: LoadDeps, problems: Problem[]): Promise<ResolvedNames> {
  const wanted: { name: string; kind: "host" | "zone"; place: Place }[] = [];
  const want = (address: ListenAddress | EndpointAddress | undefined, place: Place) => {
    if (address === undefined || address.family === "unix") return;
    if (address.family !== "name") {
      if (address.zone !== "") wanted.push({ name: address.zone, kind: "zone", place });
    } else if (address.port !== null) wanted.push({ name: address.name, kind: "host", place });
  };
  for (const { address, placeOf } of outline.listeners) want(address, placeOf(["address"]));
  for (const tenant of outline.tenants) {
    for (const { address, placeOf } of tenant.listeners) want(address, placeOf(["address"]));
    for (const backend of tenant.backends) {
      for (const { address, placeOf } of backend.endpoints) want(address, placeOf(["address"]));
    }
  }
  const ofKind = (kind: "host" | "zone") => wanted.filter((one) => one.kind === kind).map(({ name }) => name);
  const { names, failures } = await resolveNames({ hosts: ofKind("host"), zones: ofKind("zone") }, deps);
  for (const { name, kind, place } of wanted) {
    const why = failures.get(name);
    if (why === undefined) continue;
    const rule = kind === "host" ? "a name that resolves" : "an address of an interface of this machine";
    const remedy = kind === "host"
      ? "mend the name or the name service, or write an IP address"
      : "name another interface";
    problems.push(problemAt(place, `must be ${rule}: ${name}: ${why}`, remedy));
  }
  return names;
}
