/**
 * The main file without its tenants: settings, defaults and shared listeners, checked. Called by `load.ts` and by the
 * control plane.
 *
 * @module
 */

import { findUnavailable, UNAVAILABLE_IN_TENANT } from "./availability.ts";
import { besideMain } from "./files.ts";
import type { Problem } from "./problem.ts";
import { type Config, configSchema } from "./schema.ts";
import { tenantDefaultsSchema } from "./schema_tenant.ts";
import type { Path, Source } from "./source.ts";
import { atPlace, type TenantUnit, unitOf } from "./unit.ts";
import { type Finding, validate } from "./validate.ts";

/** A checked main file without its tenants, every default filled in. */
export type MainConfig = Omit<Config, "tenants">;

/** The tenants that stand in the main file itself. */
export function mainUnits(main: Source): TenantUnit[] {
  const listed = main.value["tenants"];
  if (!Array.isArray(listed)) return [];
  return listed.map((own, index) => unitOf(main, main, ["tenants", index], own, null));
}

/** Checks everything in the main file but its tenants. */
export function checkTop(main: Source, problems: Problem[]): MainConfig | null {
  const { defaults, ...rest } = main.value;
  const here = (base: Path) => (finding: Finding) =>
    atPlace({ source: main, path: [...base, ...finding.path] }, finding);
  if (defaults !== undefined) {
    const checked = validate(tenantDefaultsSchema, defaults);
    if (!checked.ok) problems.push(...checked.findings.map(here(["defaults"])));
    problems.push(...findUnavailable(defaults, UNAVAILABLE_IN_TENANT).map(here(["defaults"])));
  }
  // The tenants are checked one by one, with the defaults beneath them.
  const checked = validate(configSchema, Array.isArray(rest["tenants"]) ? { ...rest, tenants: [] } : rest);
  if (!checked.ok) {
    problems.push(...checked.findings.map(here([])));
    return null;
  }
  const { tenants: _, defaults: __, ...value } = checked.value;
  const { sink } = value.log.access;
  if (sink.kind !== "file") return value;
  const { log } = value;
  const file = { kind: "file", path: besideMain(main, sink.path) } as const;
  return { ...value, log: { ...log, access: { ...log.access, sink: file } } };
}
