/**
 * One tenant as it is written, in the main file or in a file of its own, and the checks that need no other tenant.
 * `load.ts` runs them over all tenants, the control plane over one.
 *
 * @module
 */

import type { EndpointAddress, ListenAddress } from "./address.ts";
import { findUnavailable, UNAVAILABLE_IN_TENANT } from "./availability.ts";
import type { LoadDeps } from "./load_deps.ts";
import { type Outline, outlineOf, type TenantOutline } from "./outline.ts";
import type { Problem } from "./problem.ts";
import { isMapValue, mergeOver } from "./raw.ts";
import { type ResolveDeps, type ResolvedNames, resolveNames } from "./resolve.ts";
import type { TenantConfig } from "./schema.ts";
import { tenantSchema } from "./schema_tenant.ts";
import { checkTenantSemantics, claimsOfTenant, type ListenClaim } from "./semantics.ts";
import { claimsOfRoutes, type RouteClaim } from "./semantics_routes.ts";
import { type Path, type Place, problemAt, type Source } from "./source.ts";
import { type Finding, validate } from "./validate.ts";

/** A tenant as written, from the main file or a file of its own. */
export interface TenantUnit {
  /** NAME of its file; null for a tenant of the main file. */
  readonly fileName: string | null;
  readonly source: Source;
  /** Path of the tenant in `source`; empty in a file of its own. */
  readonly base: Path;
  /** As written. */
  readonly own: unknown;
  /** With `defaults` beneath. */
  readonly merged: unknown;
  /** Where a part of `merged` is written: in the tenant, or in `defaults`. */
  placeOf(path: Path): Place;
}

/** What checking one tenant by itself gives. */
export interface CheckedUnit {
  /** Null when anything is wrong. */
  readonly config: TenantConfig | null;
  readonly names: ResolvedNames;
  readonly problems: readonly Problem[];
  /** What is no error, and may be none of the file's: names that cannot be resolved now. */
  readonly advice: readonly Problem[];
  /** Addresses that it wants. */
  readonly claims: readonly ListenClaim[];
  /** What it wants of shared listeners. */
  readonly routes: readonly RouteClaim[];
}

/** The unit of a tenant that is written at `base` of `source`. */
export function unitOf(main: Source, source: Source, base: Path, own: unknown, fileName: string | null): TenantUnit {
  const defaults = main.value["defaults"];
  const placeOf = (path: Path): Place => {
    const place = { source, path: [...base, ...path] };
    const inDefaults = { source: main, path: ["defaults", ...path] };
    const ownDepth = source.depth(place.path) - base.length;
    return main.depth(inDefaults.path) - 1 > ownDepth ? inDefaults : place;
  };
  return { fileName, source, base, own, merged: isMapValue(own) ? mergeOver(defaults, own) : own, placeOf };
}

/** Holds a tenant against its schema. Null when something is wrong; then `problems` says so, unless `defaults` do. */
export function checkTenant(unit: TenantUnit, problems: Problem[]): TenantConfig | null {
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

/** All that can be checked of a tenant without looking at another one, its names looked up. */
export async function checkUnit(main: Source, unit: TenantUnit, deps: ResolveDeps): Promise<CheckedUnit> {
  const problems: Problem[] = [];
  const advice: Problem[] = [];
  const checked = checkTenant(unit, problems);
  const outline = outlineOf(main, [unit]);
  problems.push(...outline.tenants.flatMap((tenant) => checkTenantSemantics(tenant, outline)));
  const names = await resolveOutline({ ...outline, listeners: [] }, deps, { problems, advice });
  const claims = outline.tenants.flatMap(claimsOfTenant);
  const routes = outline.tenants.flatMap(claimsOfRoutes);
  return { config: problems.length > 0 ? null : checked, names, problems, advice, claims, routes };
}

/** A finding as a problem of its place. */
export function atPlace(place: Place, finding: Finding): Problem {
  return problemAt(place, finding.message, finding.remedy, finding.at);
}

/** A name that is written somewhere. */
interface WrittenName {
  readonly name: string;
  readonly kind: keyof ResolvedNames;
  readonly asker: string;
  readonly place: Place;
}

/**
 * Looks every name of an outline up. Interfaces that are not there are problems; hosts and services that cannot be
 * resolved now are advice: they are looked for on and on.
 */
export async function resolveOutline(
  outline: Pick<Outline, "listeners"> & { readonly tenants: readonly TenantOutline[] },
  deps: Pick<LoadDeps, keyof ResolveDeps>,
  { problems, advice }: { readonly problems: Problem[]; readonly advice: Problem[] },
): Promise<ResolvedNames> {
  const wanted = namesIn(outline);
  if (wanted.length === 0) return NO_NAMES;
  const ofKind = (kind: WrittenName["kind"]) =>
    new Map(wanted.filter((one) => one.kind === kind).map(({ name, asker }) => [name, asker]));
  const { names, failures } = await resolveNames(
    { hosts: ofKind("hosts"), services: ofKind("services"), zones: ofKind("zones").keys() },
    deps,
  );
  for (const { name, kind, place } of wanted) {
    const why = failures[kind].get(name);
    if (why === undefined) continue;
    if (kind === "zones") {
      const message = `must be an address of an interface of this machine: ${name}: ${why}`;
      problems.push(problemAt(place, message, "name another interface"));
    } else {
      const message = `cannot be resolved now: ${name}: ${why}`;
      advice.push(problemAt(place, message, "mend the name or the name service; it is looked for on and on"));
    }
  }
  return names;
}

/** What no names stand for. */
export const NO_NAMES: ResolvedNames = { hosts: new Map(), services: new Map(), zones: new Map() };

function namesIn(
  outline: Pick<Outline, "listeners"> & { readonly tenants: readonly TenantOutline[] },
): WrittenName[] {
  const wanted: WrittenName[] = [];
  const want = (address: ListenAddress | EndpointAddress | undefined, asker: string, place: () => Place) => {
    if (address === undefined || address.family === "unix") return;
    if (address.family !== "name") {
      if (address.zone !== "") wanted.push({ name: address.zone, kind: "zones", asker, place: place() });
    } else {
      const kind = address.port === null ? "services" : "hosts";
      wanted.push({ name: address.name, kind, asker, place: place() });
    }
  };
  for (const { address, placeOf } of outline.listeners) want(address, "", () => placeOf(["address"]));
  for (const { id = "", listeners, backends } of outline.tenants) {
    for (const { address, placeOf } of listeners) want(address, id, () => placeOf(["address"]));
    for (const { address, placeOf } of backends.flatMap(({ endpoints }) => endpoints)) {
      want(address, id, () => placeOf(["address"]));
    }
  }
  return wanted;
}
