/**
 * One tenant on its way from a text to what would run: read, checked by itself, compiled. Called by `evaluate.ts`.
 *
 * @module
 */

import {
  type CheckedUnit,
  checkUnit,
  type ListenAddress,
  type LoadDeps,
  parseSource,
  type Problem,
  type Source,
  type TenantFile,
  type TenantUnit,
  unitOf,
  unreadable,
  valueSource,
} from "../config/mod.ts";
import type { JsonObject } from "../admin/control.ts";
import { tenantVersion } from "./tenant_version.ts";
import { heldOf, heldRouteOf, ownerOf, type Unit } from "./unit_state.ts";

/** A tenant on its way. */
export interface Candidate {
  readonly id: string;
  readonly before: Unit | undefined;
  /** Without what checking gives. */
  readonly base: Omit<Unit, "problems" | "running">;
  readonly checked: CheckedUnit | null;
  problems: readonly Problem[];
}

/** Reads and checks a file of a tenant. */
export async function checkFile(
  main: Source,
  file: TenantFile,
  text: string | Error,
  before: Unit | undefined,
  deps: LoadDeps,
): Promise<Candidate> {
  const base = { id: file.name, file: file.path, base: [], inMain: false, text: "", written: null };
  if (text instanceof Error) {
    return { id: file.name, before, base, checked: null, problems: [unreadable(file.path, text)] };
  }
  const { source, problems } = parseSource(file.path, text);
  if (source === null) return { id: file.name, before, base: { ...base, text }, checked: null, problems };
  const checked = await checkUnit(main, unitOf(main, source, [], source.value, file.name), deps);
  const written = withId(file.name, source.value);
  return {
    id: file.name,
    before,
    base: { ...base, text, written },
    checked,
    problems: [...problems, ...checked.problems],
  };
}

/** Checks a tenant whose text is the same, because what lies beneath it has changed. */
export async function recheck(
  main: Source,
  unit: Unit,
  all: ReadonlyMap<string, Unit> | undefined,
  deps: LoadDeps,
): Promise<Candidate> {
  const before = all?.get(unit.id);
  const file = { name: unit.id, path: unit.file };
  if (!unit.inMain && (unit.written === null || unit.text === "")) {
    return await checkFile(main, file, unit.text === "" ? new Error("it could not be read") : unit.text, before, deps);
  }
  const value = unit.written ?? {};
  const tenant: TenantUnit = unit.inMain
    ? unitOf(main, main, unit.base, value, null)
    : unitOf(main, valueSource(unit.file, value), [], value, unit.id);
  const checked = await checkUnit(main, tenant, deps);
  // Only problems need lines, and only the text has them.
  if (checked.problems.length > 0 && !unit.inMain) return await checkFile(main, file, unit.text, before, deps);
  return { id: unit.id, before, base: unit, checked, problems: checked.problems };
}

function withId(id: string, value: Readonly<Record<string, unknown>>): JsonObject {
  return (value["id"] === undefined ? { id, ...value } : value) as JsonObject;
}

/** What becomes of a candidate when it is settled who gets what; `admin` is where the admin API listens. */
export function unitFrom(
  { id, before, base, checked, problems }: Candidate,
  admin: ListenAddress | undefined,
): Unit {
  const unit = { ...base, problems, running: before?.running ?? null };
  if (problems.length > 0 || checked?.config === null || checked?.config === undefined || base.written === null) {
    return unit;
  }
  const { config, names, claims, routes } = checked;
  return {
    ...unit,
    problems: [],
    running: {
      written: base.written,
      ...tenantVersion(config, names, admin),
      held: claims.map((claim) => heldOf(ownerOf(id), claim)),
      routes: routes.map((claim) => heldRouteOf(ownerOf(id), claim)),
    },
  };
}
