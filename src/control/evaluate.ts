/**
 * From the texts of files to what they would put in force, tenant by tenant, compared with what is in force. Changes
 * nothing; only names are looked up. `control_plane.ts` calls it for the start, for reloads and for writes alike.
 *
 * @module
 */

import {
  AddressIndex,
  checkSharedListeners,
  checkTop,
  checkUnit,
  claimsOfMain,
  compileProcess,
  compileShared,
  type HeldAddress,
  isMapValue,
  type LoadDeps,
  mainUnits,
  outlineOf,
  parseSource,
  type PlanChange,
  type Problem,
  type ResolvedNames,
  resolveOutline,
  RouteIndex,
  sameValue,
  type Source,
  strayProblem,
  type TenantFile,
  type TenantPlan,
  tenantsFolder,
  textOf,
  uniqueIds,
} from "../config/mod.ts";
import type { JsonObject } from "../admin/control.ts";
import { type Candidate, checkFile, recheck, unitFrom } from "./candidate.ts";
import { entriesOf } from "./parts.ts";
import { ConfigError } from "./reload.ts";
import { settleClaims } from "./settle.ts";
import { heldOf, MAIN_OWNER, type MainState, type Unit } from "./unit_state.ts";

/** What is in force. */
export interface InForce {
  readonly main: MainState;
  readonly units: ReadonlyMap<string, Unit>;
  /** Files that were meant for a tenant and cannot be one, by path. */
  readonly strays: ReadonlyMap<string, readonly Problem[]>;
  readonly addresses: AddressIndex;
  readonly routes: RouteIndex;
}

/** What was read, or would be written. */
export interface FilesRead {
  readonly mainText: string;
  /** Texts of tenants' files; null: it is gone; an error: it cannot be read. */
  readonly tenants: readonly { readonly file: TenantFile; readonly text: string | null | Error }[];
  /** Set when `tenants` is every file there is; these are the names that are no tenant's. */
  readonly strays?: readonly TenantFile[];
  /** Tenants to check although their text is the same. */
  readonly again?: (unit: Unit) => boolean;
}

/** What would be in force. */
export interface Evaluation {
  readonly main: MainState;
  readonly isMainNew: boolean;
  /** Tenants that are new or other than they were; those with problems keep what runs. */
  readonly units: ReadonlyMap<string, Unit>;
  readonly removed: ReadonlySet<string>;
  readonly strays: ReadonlyMap<string, readonly Problem[]>;
  /** What is no error of a tenant: names that cannot be resolved now. */
  readonly advice: readonly { readonly tenant: string; readonly problem: Problem }[];
}

/** Evaluates; `inForce` is null at the start. Throws ConfigError when the main file is wrong. */
export async function evaluate(
  mainPath: string,
  read: FilesRead,
  inForce: InForce | null,
  deps: LoadDeps,
): Promise<Evaluation> {
  const cached = withCache(deps);
  const units = new Map<string, Unit>();
  const removed = new Set<string>();
  const strays = new Map<string, readonly Problem[]>(read.strays === undefined ? inForce?.strays ?? [] : []);
  const candidates: Candidate[] = [];

  const isMainNew = inForce === null || inForce.main.text !== read.mainText;
  const head = isMainNew ? await readMain(mainPath, read.mainText, cached) : null;
  const source = head?.source ?? inForce?.main.source;
  if (source === undefined) throw new TypeError("Cannot evaluate: there must be a main file: there is none");
  const isNew = (key: string) => isMainNew && !sameValue(inForce?.main.source.value[key], source.value[key]);
  const [areDefaultsNew, areListenersNew] = [isNew("defaults"), isNew("listeners")];
  /** Whether what lies beneath a tenant has changed. */
  const isContextNew = (unit: Unit) => areDefaultsNew || (areListenersNew && hasRoutes(unit));
  const mustCheck = (unit: Unit) => isContextNew(unit) || unit.problems.length > 0 || read.again?.(unit) === true;

  const mainIds = new Set<string>();
  if (isMainNew) {
    const listed = await readMainTenants(mainPath, source, inForce, mustCheck, cached, head?.problems ?? []);
    for (const { id, unit, candidate } of listed) {
      mainIds.add(id);
      if (unit !== null) units.set(id, unit);
      if (candidate !== null) candidates.push(candidate);
    }
    for (const unit of inForce?.units.values() ?? []) if (unit.inMain && !mainIds.has(unit.id)) removed.add(unit.id);
  } else {
    const again: Unit[] = [];
    for (const unit of inForce?.units.values() ?? []) {
      if (!unit.inMain) continue;
      mainIds.add(unit.id);
      if (read.again?.(unit) === true) again.push(unit);
    }
    candidates.push(...await Promise.all(again.map((unit) => recheck(source, unit, inForce?.units, cached))));
  }

  const seen = new Set<string>();
  const checks: Promise<Candidate>[] = [];
  for (const { file, text } of read.tenants) {
    seen.add(file.path);
    strays.delete(file.path);
    const before = inForce?.units.get(file.name);
    if (text === null) {
      if (before?.file === file.path && !before.inMain) removed.add(file.name);
    } else if (mainIds.has(file.name)) {
      strays.set(file.path, [duplicate(file, mainPath)]);
    } else if (before !== undefined && before.file === file.path && before.text === text && !mustCheck(before)) {
      continue;
    } else if (
      before !== undefined && before.file === file.path && before.text === text && before.problems.length === 0
    ) {
      checks.push(recheck(source, before, inForce?.units, cached));
    } else checks.push(checkFile(source, file, text, before, cached));
  }
  for (const unit of inForce?.units.values() ?? []) {
    if (unit.inMain || seen.has(unit.file) || removed.has(unit.id)) continue;
    if (read.strays !== undefined) removed.add(unit.id);
    else if (mainIds.has(unit.id)) {
      strays.set(unit.file, [duplicate({ name: unit.id, path: unit.file }, mainPath)]);
    } else if (isContextNew(unit) || read.again?.(unit) === true) {
      checks.push(recheck(source, unit, inForce?.units, cached));
    }
  }
  candidates.push(...await Promise.all(checks));
  for (const stray of read.strays ?? []) {
    strays.set(stray.path, [{ file: stray.path, line: 0, column: 0, path: "", ...strayProblem(stray.path) }]);
  }
  for (const { id } of candidates) removed.delete(id);
  for (const id of units.keys()) removed.delete(id);

  const mainHeld = claimsOfMain(outlineOf(source, [])).map((claim) => heldOf(MAIN_OWNER, claim));
  settleClaims({ candidates, removed, mainHeld: isMainNew ? mainHeld : null, source, inForce });
  const main = head === null && inForce !== null ? inForce.main : mainState(source, read.mainText, head, mainHeld);
  const admin = main.config.admin?.listen;
  for (const candidate of candidates) units.set(candidate.id, unitFrom(candidate, admin));
  const advice = candidates.flatMap(({ id, checked }) =>
    checked?.advice.map((problem) => ({ tenant: id, problem })) ?? []
  );
  return { main, isMainNew, units, removed, strays, advice };
}

function hasRoutes({ written, running }: Unit): boolean {
  return entriesOf(written, "routes").length > 0 || (running?.plan.routes.length ?? 0) > 0;
}

/** What the data plane has to be told to get from what is in force to an evaluation. */
export function changeOf({ main, units, removed }: Evaluation, inForce: InForce | null): PlanChange {
  const before = inForce?.main ?? null;
  const known = new Set(before?.shared?.listeners.map(({ id }) => id));
  const fresh = new Set(main.shared?.listeners.map(({ id }) => id).filter((id) => !known.has(id)));
  // A tenant that was frozen while its listener was away is told again with the listener: it is another one now.
  const meetsFresh = ({ routes }: TenantPlan) => routes.some(({ listener }) => fresh.has(listener));
  const upserts = [...units.values()].flatMap(({ id, running }) => {
    if (running === null) return [];
    const ran = inForce?.units.get(id)?.running ?? null;
    return sameValue(ran?.plan, running.plan) && !meetsFresh(running.plan) ? [] : [running.plan];
  });
  const removals = [...removed].filter((id) => (inForce?.units.get(id)?.running ?? null) !== null);
  return {
    ...before !== null && sameValue(before.process, main.process) ? {} : { process: main.process },
    ...sameValue(before?.shared ?? null, main.shared) ? {} : { shared: main.shared },
    upserts,
    removals,
  };
}

/** A main file that was read, as far as it could be. */
interface ReadMain {
  readonly source: Source;
  readonly config: MainState["config"] | null;
  readonly names: ResolvedNames;
  readonly problems: readonly Problem[];
}

async function readMain(path: string, text: string, deps: LoadDeps): Promise<ReadMain> {
  const { source, problems } = parseSource(path, text);
  if (source === null) throw new ConfigError(problems);
  const found = [...problems];
  const config = checkTop(source, found);
  const outline = outlineOf(source, []);
  found.push(...checkSharedListeners(outline));
  const names = await resolveOutline(outline, deps, { problems: found, advice: [] });
  return { source, config, names, problems: found };
}

function mainState(source: Source, text: string, head: ReadMain | null, held: readonly HeldAddress[]): MainState {
  const config = head?.config ?? null;
  if (head === null || config === null) throw new ConfigError([]);
  const { tenants: _, ...written } = source.value;
  return {
    text,
    source,
    config,
    process: compileProcess(config),
    shared: compileShared(config, head.names),
    folder: tenantsFolder(source),
    written: written as JsonObject,
    held,
  };
}

/** The tenants of a main file that is new. Throws when anything is wrong: then the main file is. */
async function readMainTenants(
  path: string,
  source: Source,
  inForce: InForce | null,
  mustCheck: (unit: Unit) => boolean,
  deps: LoadDeps,
  problems: readonly Problem[],
): Promise<{ id: string; unit: Unit | null; candidate: Candidate | null }[]> {
  const listed = mainUnits(source);
  const found = [...problems];
  found.push(
    ...uniqueIds(
      "tenant",
      listed.map((unit) => ({ id: textOf(unit.own, "id"), raw: unit.own, placeOf: unit.placeOf })),
    ),
  );
  const results = await Promise.all(listed.map(async (tenant) => {
    const id = textOf(tenant.own, "id") ?? "";
    const before = inForce?.units.get(id);
    if (before?.inMain === true && !mustCheck(before) && sameValue(before.written, tenant.own)) {
      return { id, unit: { ...before, base: tenant.base }, candidate: null };
    }
    const checked = await checkUnit(source, tenant, deps);
    found.push(...checked.problems);
    const written = isMapValue(tenant.own) ? tenant.own as JsonObject : null;
    const base = { id, file: path, base: tenant.base, inMain: true, text: "", written };
    return { id, unit: null, candidate: { id, before, base, checked, problems: checked.problems } };
  }));
  if (found.length > 0) throw new ConfigError(found);
  return results;
}

function duplicate(file: TenantFile, mainPath: string): Problem {
  const message = `must be unique: the tenant ${file.name} is already in ${mainPath}`;
  return { file: file.path, line: 1, column: 1, path: "id", message, remedy: "remove one of the two" };
}

/** Each name once, however many tenants use it. */
function withCache(deps: LoadDeps): LoadDeps {
  const once = <T>(find: (name: string, signal: AbortSignal, asker: string) => Promise<T>) => {
    const known = new Map<string, Promise<T>>();
    return (name: string, signal: AbortSignal, asker: string) => {
      const found = known.get(name) ?? find(name, signal, asker);
      known.set(name, found);
      return found;
    };
  };
  return {
    ...deps,
    lookup: once((...question) => deps.lookup(...question)),
    lookupServices: once((...question) => deps.lookupServices(...question)),
  };
}
