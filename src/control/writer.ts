/**
 * From texts of files to what is in force and on disk, or to the error that says why not: the one way that every write
 * of the admin API takes. Called from tasks of the control plane's queue.
 *
 * @module
 */

import { basename } from "node:path";
import {
  FileChangedError,
  type FileWrite,
  inTenantsWords,
  isEmptyChange,
  type Path,
  type PlanChange,
  type Problem,
  StagedFiles,
  type StoreFs,
  type TenantFile,
} from "../config/mod.ts";
import { type Change, ControlError } from "../admin/control.ts";
import { DataPlaneError } from "../ffi/mod.ts";
import { authorizeEndpoints } from "./authorize.ts";
import type { FileChange } from "./control_deps.ts";
import type { ControlPlane } from "./control_plane.ts";
import type { DataPlane } from "./data_plane.ts";
import type { Evaluation } from "./evaluate.ts";
import { faultsOf, invalid } from "./faults.ts";
import { ConfigError, SettingsError } from "./reload.ts";

/** What writing works with. */
export interface WriterDeps {
  readonly control: ControlPlane;
  readonly dataPlane: DataPlane;
  readonly store: StoreFs;
  /** The main file. */
  readonly path: string;
}

/** Texts that shall be in files, and how to speak of them. */
export interface WriteRequest {
  /** Who asks. */
  readonly by: string;
  /** Completes "Cannot …": `change tenant acme`. */
  readonly what: string;
  readonly files: readonly FileWrite[];
  readonly dryRun: boolean;
  /** How long sessions of tenants that are removed run on; left out: as the tenants say. */
  readonly drainMs?: number;
  /** Where what was sent begins in its file, and within that the part; for pointers of faults. */
  readonly base?: Path;
  readonly part?: string;
  /** Whether a file's text was sent, so that lines mean something. */
  readonly withLines?: boolean;
  /** Whether a tenant's token asks: problems do not name what is not its own. */
  readonly isTenants?: boolean;
}

/** What came of it. */
export interface Written {
  readonly generation: number;
  readonly changes: readonly Change[];
  readonly sessions: { readonly kept: number; readonly drained: number };
}

/** Writes files, and puts them in force; or only says what that would do. */
export async function writeFiles(request: WriteRequest, deps: WriterDeps): Promise<Written> {
  const { control, store } = deps;
  if (control.isDraining) throw new ControlError("stopping", `Cannot ${request.what}: the process is stopping`);
  const evaluation = await evaluateWrite(request, deps);
  if (request.isTenants === true) {
    for (const { id, running } of evaluation.units.values()) {
      const before = control.units.get(id)?.running ?? null;
      if (running !== null) authorizeEndpoints(before, running, control.main.config.admin?.listen);
    }
  }
  const changes = control.changesOf(evaluation);
  const before = await readBefore(request, deps);
  const change = control.planChangeOf(evaluation);
  const sessions = countSessions(evaluation, change, deps);
  if (request.dryRun) return { generation: control.generation, changes, sessions };

  const unwritten = (cause: Error): never => {
    if (cause instanceof FileChangedError) throw conflict(`${cause.message}; reload first`, cause);
    throw refused(`Cannot ${request.what}: its file must be writable: ${cause.message}`, cause);
  };
  const staged = await StagedFiles.stage(request.files, store).catch(unwritten);
  let applied;
  try {
    const first = drainFirst(change, request.drainMs, deps);
    applied = await control.commit(evaluation, {
      by: request.by,
      files: before,
      ...(first === null ? {} : { before: first }),
      persist: () => staged.commit().catch(unwritten),
    });
  } catch (error) {
    await staged.discard();
    throw error instanceof DataPlaneError || error instanceof SettingsError ? refused(error.message, error) : error;
  }
  return { generation: applied.generation, changes, sessions };
}

/** What the files would put in force. Throws ControlError when anything that is written is wrong. */
export async function evaluateWrite(
  request: Pick<WriteRequest, "what" | "files" | "base" | "part" | "withLines" | "isTenants">,
  deps: Pick<WriterDeps, "control" | "path">,
): Promise<Evaluation> {
  const { control, path } = deps;
  const main = request.files.find((file) => file.path === path);
  const tenants = request.files.filter((file) => file.path !== path)
    .map(({ path, text }) => ({ file: tenantFile(path), text }));
  const fail = (problems: readonly Problem[]) => {
    const told = request.isTenants === true ? problems.map(inTenantsWords) : problems;
    return invalid(request.what, faultsOf(told, request.base, request.part, request.withLines));
  };
  let evaluation;
  try {
    evaluation = await control.evaluate({ mainText: main?.text ?? control.main.text, tenants });
  } catch (error) {
    if (error instanceof ConfigError) throw fail(error.problems);
    throw error;
  }
  const written = new Set(request.files.map((file) => file.path));
  const problems = [...evaluation.units.values()].flatMap((unit) => {
    // A tenant that was wrong before, and is not written, stands in nobody's way.
    const wasWrong = (control.units.get(unit.id)?.problems.length ?? 0) > 0 && !written.has(unit.file);
    return wasWrong ? [] : unit.problems;
  });
  for (const file of written) problems.push(...evaluation.strays.get(file) ?? []);
  if (problems.length > 0) throw fail(problems);
  return evaluation;
}

function tenantFile(path: string): TenantFile {
  return { name: basename(path).replace(/\.yaml$/, ""), path };
}

/** The files as they are on disk. Throws ControlError where that is not what was loaded. */
async function readBefore({ files, what }: WriteRequest, { control, store, path: mainPath }: WriterDeps): Promise<
  FileChange[]
> {
  const known = new Map<string, string>([[mainPath, control.main.text]]);
  for (const { path } of files) {
    const unit = control.units.get(tenantFile(path).name);
    if (unit !== undefined && unit.file === path && !unit.inMain) known.set(path, unit.text);
  }
  return await Promise.all(files.map(async ({ path, text }) => {
    const before = await store.readTextFile(path).catch((error: unknown) => {
      if (error instanceof Deno.errors.NotFound) return null;
      throw error;
    });
    if (before !== (known.get(path) ?? null)) {
      throw conflict(`Cannot ${what}: the file ${path} must be as it was loaded: it was edited since; reload first`);
    }
    return { path, before, after: text };
  }));
}

function refused(message: string, cause: Error): ControlError {
  return new ControlError("refused", message, [{ pointer: "", detail: message }], { cause });
}

function conflict(message: string, cause?: Error): ControlError {
  return new ControlError("conflict", message, [{ pointer: "", detail: message }], cause && { cause });
}

/**
 * Tenants that go or lose a part, with the time that their sessions shall have: the data plane takes it from the tenant
 * in force.
 */
function drainFirst(change: PlanChange, drainMs: number | undefined, { control }: WriterDeps): PlanChange | null {
  if (drainMs === undefined) return null;
  const upserts = [...change.removals, ...change.upserts.map(({ id }) => id)].flatMap((id) => {
    const plan = control.plan.tenants.get(id);
    return plan === undefined ? [] : [{ ...plan, timeouts: { ...plan.timeouts, drainMs } }];
  });
  return { upserts, removals: [] };
}

/** Sessions in a page of the count. */
const AT_ONCE = 1_024;

/** Live sessions of tenants that change: those whose tenant, listener or backend goes are drained. */
function countSessions(
  { main, units, removed }: Evaluation,
  change: PlanChange,
  { dataPlane }: WriterDeps,
): Written["sessions"] {
  let [kept, drained] = [0, 0];
  if (isEmptyChange(change) || dataPlane.status().sessionsActive === 0) return { kept, drained };
  const touched = [...change.upserts.map(({ id }) => id), ...change.removals];
  const shared = new Set(main.shared?.listeners.map(({ id }) => id));
  for (const tenant of touched) {
    const plan = removed.has(tenant) ? undefined : units.get(tenant)?.running?.plan;
    const own = new Set(plan?.listeners.map(({ id }) => id));
    const backends = new Set(plan?.backends.map(({ id }) => id));
    for (let cursor: string | null = null, isMore = true; isMore;) {
      const page = dataPlane.sessions({ tenant }, AT_ONCE, cursor);
      for (const { listener, route, backend } of page.sessions) {
        // Only a session of a shared listener has a route; that may go without it.
        const listeners = route === null ? own : shared;
        const stays = listener !== null && listeners.has(listener) && (backend === null || backends.has(backend));
        if (stays) kept++;
        else drained++;
      }
      cursor = page.cursor;
      isMore = cursor !== null;
    }
  }
  return { kept, drained };
}
