/**
 * The one stateful class of the control plane: holds the configuration in force, tenant by tenant, and is the only
 * caller that changes the data plane and the files. Made and owned by the host; commands and the admin API ask it.
 *
 * Life: start → reload and write, any number of times → drain → stop. Reloads and writes go through one queue. A reload
 * of a main file that is wrong changes nothing; a tenant's file that is wrong leaves that tenant as it was.
 *
 * @module
 */

import {
  AddressIndex,
  isEmptyChange,
  type LoadDeps,
  type Plan,
  type PlanChange,
  type Problem,
  type StoreFs,
  type TenantPlan,
} from "../config/mod.ts";
import type { Change } from "../admin/control.ts";
import { DataPlaneError, type EngineStatus } from "../ffi/mod.ts";
import type { Log } from "../log.ts";
import { changesBetween } from "./changes.ts";
import type { DataPlane } from "./data_plane.ts";
import { changeOf, evaluate, type Evaluation, type FilesRead } from "./evaluate.ts";
import { Queue } from "./queue.ts";
import { readAll, readSome } from "./read_files.ts";
import { type BoundAddress, boundOf, newlyBound } from "./read_model.ts";
import { ConfigError, errorsOf, type ReloadReport } from "./reload.ts";
import { frozen, logEvaluation, logProblems, warnOfFixed } from "./report.ts";
import { MAIN_OWNER, type MainState, ownerOf, type Unit } from "./unit_state.ts";

/** What of a configuration is not the data plane's: the logs. */
export interface Settings {
  /**
   * Opens what the configuration names, without changing anything yet. Called at each reload that was asked for, also
   * of an unchanged configuration: a rotated log file is opened anew.
   */
  prepare(config: MainState["config"]): Promise<PreparedSettings>;
}

/** Settings that are ready: one of the two calls follows. */
export interface PreparedSettings {
  commit(): void;
  discard(): void;
}

/** What the control plane works with. */
export interface ControlDeps {
  /** The main file. */
  readonly path: string;
  readonly dataPlane: DataPlane;
  readonly load: LoadDeps;
  readonly store: StoreFs;
  readonly settings: Settings;
  readonly log: Log;
  /** Told of addresses that a change has bound. */
  onBound(bound: readonly BoundAddress[]): void;
  /** Told of each change, when it is in force. */
  onChange?(change: AppliedChange): void;
  /** Told how each reload went. */
  onReload?(report: ReloadReport, by: string): void;
  /** Unix time in ms. */
  now(): number;
}

/** A file before and after a change; null: it was, or is, not there. */
export interface FileChange {
  readonly path: string;
  readonly before: string | null;
  readonly after: string | null;
}

/** A change that is in force. */
export interface AppliedChange {
  readonly generation: number;
  /** Who asked for it. */
  readonly by: string;
  readonly changes: readonly Change[];
  readonly files: readonly FileChange[];
}

/** What to read, and who asks. */
export interface ReloadRequest {
  /** `signal`, `watch`, or the name of a token. */
  readonly by?: string;
  /** Tenants' files that may have changed; null or left out: everything, logs opened anew. */
  readonly paths?: ReadonlySet<string> | null;
}

/** Holds what is in force, and changes it. */
export class ControlPlane {
  readonly #deps: ControlDeps;
  readonly queue = new Queue();
  readonly #units = new Map<string, Unit>();
  readonly #tenants = new Map<string, TenantPlan>();
  readonly #bound = new Map<string, readonly BoundAddress[]>();
  readonly #addresses = new AddressIndex();
  #strays: ReadonlyMap<string, readonly Problem[]> = new Map();
  #main: MainState | null = null;
  #generation = 0;
  #lastReload: ReloadReport | null = null;
  #waiting: { by: string; paths: Set<string> | null; report: Promise<ReloadReport> } | null = null;
  #isDraining = false;

  constructor(deps: ControlDeps) {
    this.#deps = deps;
  }

  /** The main file in force. */
  get main(): MainState {
    if (this.#main === null) throw new TypeError("Cannot read the configuration: the control plane must be started");
    return this.#main;
  }

  /** The settings in force. */
  get config(): MainState["config"] {
    return this.main.config;
  }

  /** The plan in force. */
  get plan(): Plan {
    return { process: this.main.process, tenants: this.#tenants };
  }

  /** Tenants by id, those with problems too. */
  get units(): ReadonlyMap<string, Unit> {
    return this.#units;
  }

  /** Files that were meant for a tenant and cannot be one, by path. */
  get strays(): ReadonlyMap<string, readonly Problem[]> {
    return this.#strays;
  }

  /** Counts the changes that were put in force. */
  get generation(): number {
    return this.#generation;
  }

  /** Every bound address. */
  get bound(): readonly BoundAddress[] {
    return [...this.#tenants.keys()].flatMap((id) => this.#bound.get(id) ?? []);
  }

  /** How the last reload went; null before the first. */
  get lastReload(): ReloadReport | null {
    return this.#lastReload;
  }

  /** True from the first sign of the end on. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** The data plane at a glance. */
  status(): EngineStatus {
    return this.#deps.dataPlane.status();
  }

  /**
   * Reads the first configuration.
   *
   * @throws {ConfigError} when the main file is wrong
   */
  static async read(path: string, deps: LoadDeps): Promise<Evaluation> {
    return await evaluate(path, await readAll(path, deps), null, deps);
  }

  /**
   * Puts the first configuration in force, as generation `generation`; tenants whose addresses cannot be bound stay out.
   *
   * @throws {DataPlaneError} when an address of the main file's tenants cannot be bound
   */
  start(first: Evaluation, generation = 1): void {
    if (this.#main !== null) throw new TypeError("Cannot start: the control plane must be new: it has been started");
    this.#apply(first, generation, false);
    logEvaluation(first, this.#deps.log);
  }

  /**
   * Reads files again and puts in force what they say now. Requests while one waits become one. Never rejects for what
   * files or the data plane say.
   */
  reload(request: ReloadRequest = {}): Promise<ReloadReport> {
    const { by = "signal", paths = null } = request;
    const waiting = this.#waiting;
    if (waiting !== null) {
      if (by !== "watch") waiting.by = by;
      if (paths === null) waiting.paths = null;
      else for (const path of paths) waiting.paths?.add(path);
      return waiting.report;
    }
    const next = { by, paths: paths === null ? null : new Set(paths) };
    const report = this.queue.run(() => {
      this.#waiting = null;
      return this.#reload(next.by, next.paths);
    });
    this.#waiting = Object.assign(next, { report });
    return report;
  }

  /** What files would put in force instead of what is. Throws ConfigError when the main file is wrong. */
  evaluate(read: FilesRead): Promise<Evaluation> {
    return evaluate(this.#deps.path, read, this.#inForce(), this.#deps.load);
  }

  /** What an evaluation changes, in written form. */
  changesOf(evaluation: Evaluation): Change[] {
    const { main, units, removed } = evaluation;
    return [
      ...evaluation.isMainNew ? changesBetween(this.#main?.written ?? {}, main.written) : [],
      ...[...removed].flatMap((id) =>
        changesBetween(this.#units.get(id)?.running?.written, undefined, `/tenants/${id}`)
      ),
      ...[...units.values()].flatMap(({ id, running }) =>
        changesBetween(this.#units.get(id)?.running?.written, running?.written, `/tenants/${id}`)
      ),
    ];
  }

  /** What the data plane would be told. */
  planChangeOf(evaluation: Evaluation): PlanChange {
    return changeOf(evaluation, this.#inForce());
  }

  /**
   * Puts an evaluation in force; `persist` follows when the data plane has taken it, and when that fails the data plane
   * is told to go back. Called from a task of the queue.
   *
   * @throws {DataPlaneError} when the data plane refuses; then nothing has changed
   */
  async commit(
    evaluation: Evaluation,
    write: { by: string; files: readonly FileChange[]; before?: PlanChange; persist(): Promise<void> },
  ): Promise<AppliedChange> {
    const prepared = evaluation.isMainNew ? await this.#deps.settings.prepare(evaluation.main.config) : null;
    const changes = this.changesOf(evaluation);
    const change = this.planChangeOf(evaluation);
    const back = this.#wayBack(change);
    const config = this.config;
    try {
      if (write.before !== undefined) this.#deps.dataPlane.apply(write.before, ++this.#generation);
      if (!isEmptyChange(change)) this.#deps.dataPlane.apply(change, this.#generation + 1);
    } catch (error) {
      prepared?.discard();
      throw error;
    }
    try {
      await write.persist();
    } catch (error) {
      prepared?.discard();
      this.#generation += 2;
      if (!isEmptyChange(change)) this.#deps.dataPlane.apply(back, this.#generation);
      throw error;
    }
    prepared?.commit();
    this.#generation++;
    this.#take(evaluation, change);
    warnOfFixed(config, this.config, this.#deps.log);
    this.#retryFrozen(change);
    return this.#tell({ generation: this.#generation, by: write.by, changes, files: write.files });
  }

  /** Tenants whose address was another's may have it, now that addresses were given up. */
  #retryFrozen({ upserts, removals }: PlanChange): void {
    if (removals.length === 0 && upserts.length === 0) return;
    const isWaiting = ({ inMain, written, problems }: Unit) => !inMain && written !== null && problems.length > 0;
    const paths = new Set([...this.#units.values()].filter(isWaiting).map(({ file }) => file));
    if (paths.size > 0) void this.reload({ by: "watch", paths });
  }

  /**
   * Stops accepting; sessions run on for `graceMs`, then they are closed. A reload that is under way, waiting for a
   * name server perhaps, changes nothing any more.
   */
  drain(graceMs: number): void {
    this.#isDraining = true;
    this.#deps.dataPlane.drain(graceMs);
  }

  /** Closes what is left and ends the workers. */
  async stop(): Promise<void> {
    this.#isDraining = true;
    await this.#deps.dataPlane.stop();
  }

  async #reload(by: string, paths: ReadonlySet<string> | null): Promise<ReloadReport> {
    const { log } = this.#deps;
    try {
      const { changed, errors } = await this.#change(by, paths);
      const { generation } = this;
      const tenants = this.#tenants.size;
      const isAsked = by !== "watch";
      if (changed || isAsked) {
        log.info(changed ? "reloaded" : "reloaded, nothing has changed", { generation, tenants, by });
      }
      // A look at what is as it was is no reload, unless there is an error to be taken back.
      const isNews = changed || isAsked || errors.length > 0 || this.#lastReload?.ok === false;
      const result = { ok: true, changed, errors };
      return isNews ? this.#report(result, by) : { atMs: this.#deps.now(), generation, ...result };
    } catch (error) {
      const errors = errorsOf(error);
      if (error instanceof ConfigError) logProblems(error.problems, log);
      log.error("reload failed, the old configuration goes on", {
        generation: this.generation,
        errors: errors.length,
        error: error instanceof ConfigError ? undefined : error instanceof Error ? error : String(error),
      });
      if (error instanceof ConfigError) await this.#reopenLogs();
      return this.#report({ ok: false, changed: false, errors }, by);
    }
  }

  /** Reads and applies; says whether there was something to change. */
  async #change(by: string, paths: ReadonlySet<string> | null): Promise<{ changed: boolean; errors: string[] }> {
    const { path, load, log, settings } = this.#deps;
    const before = this.#inForce();
    const read = paths === null ? await readAll(path, load) : await readSome(this.main, paths, load);
    const again = (unit: Unit) => paths === null && (unit.running?.hasNames === true || unit.problems.length > 0);
    const evaluation = await evaluate(path, { ...read, again }, before, load);
    // Also of an unchanged configuration: a rotated file is let go.
    const prepared = by !== "watch" || evaluation.isMainNew ? await settings.prepare(evaluation.main.config) : null;
    const config = this.config;
    const changes = this.changesOf(evaluation);
    const files = this.#filesOf(evaluation);
    let applied: Evaluation;
    try {
      if (this.#isDraining) throw new Error("Cannot reload: the process must not be stopping: it is");
      const isEmpty = isEmptyChange(changeOf(evaluation, before));
      applied = this.#apply(evaluation, changes.length > 0 || !isEmpty ? this.#generation + 1 : this.#generation, true);
    } catch (error) {
      prepared?.discard();
      throw error;
    }
    prepared?.commit();
    logEvaluation(applied, log);
    warnOfFixed(config, this.config, log);
    if (this.#generation > (before.generation ?? 0) || files.length > 0) {
      this.#tell({ generation: this.#generation, by, changes: applied === evaluation ? changes : [], files });
    }
    const errors = [...applied.units.values()].flatMap((unit) => errorsOf(new ConfigError(unit.problems)))
      .filter((sentence) => sentence !== "");
    return { changed: this.#generation > before.generation, errors };
  }

  /** Tells the data plane; a tenant's file whose addresses cannot be bound freezes that tenant alone. */
  #apply(evaluation: Evaluation, generation: number, isReload: boolean): Evaluation {
    for (let tried = evaluation;;) {
      const before = this.#main === null ? null : this.#inForce();
      const change = changeOf(tried, before);
      try {
        if (!isEmptyChange(change) || before === null) this.#deps.dataPlane.apply(change, generation);
      } catch (error) {
        const id = error instanceof DataPlaneError && error.code === "E_BIND" ? error.subject.tenant : undefined;
        const unit = id === undefined ? undefined : tried.units.get(id);
        if (unit === undefined || unit.inMain || !(error instanceof Error)) throw error;
        tried = {
          ...tried,
          units: new Map([...tried.units, [unit.id, frozen(unit, this.#units.get(unit.id), error)]]),
        };
        continue;
      }
      this.#generation = generation;
      this.#take(tried, change, isReload);
      return tried;
    }
  }

  /** Remembers what is in force now. */
  #take({ main, units, removed, strays }: Evaluation, change: PlanChange, tell = true): void {
    const before = [...change.upserts].flatMap(({ id }) => this.#bound.get(id) ?? []);
    if (this.#main?.held !== main.held) this.#addresses.set(MAIN_OWNER, main.held);
    this.#main = main;
    this.#strays = strays;
    for (const id of removed) {
      this.#units.delete(id);
      this.#tenants.delete(id);
      this.#bound.delete(id);
      this.#addresses.delete(ownerOf(id));
    }
    for (const unit of units.values()) {
      this.#units.set(unit.id, unit);
      if (unit.running === null) continue;
      this.#tenants.set(unit.id, unit.running.plan);
      this.#addresses.set(ownerOf(unit.id), unit.running.held);
    }
    const bound = boundOf(change.upserts, () => this.#deps.dataPlane.listenerStats());
    const byTenant = Map.groupBy(bound, ({ tenant }) => tenant);
    for (const { id } of change.upserts) this.#bound.set(id, byTenant.get(id) ?? []);
    const added = newlyBound(before, bound);
    if (tell && added.length > 0) this.#deps.onBound(added);
  }

  /** The change that undoes a change of the data plane. */
  #wayBack({ process, upserts, removals }: PlanChange): PlanChange {
    const touched = [...upserts.map(({ id }) => id), ...removals];
    const plans = touched.map((id) => this.#tenants.get(id));
    const back = {
      upserts: plans.filter((plan) => plan !== undefined),
      removals: touched.filter((_, index) => plans[index] === undefined),
    };
    return process === undefined ? back : { ...back, process: this.main.process };
  }

  /** Files whose text differs. */
  #filesOf({ main, isMainNew, units, removed }: Evaluation): FileChange[] {
    const files: FileChange[] = isMainNew && this.#main !== null
      ? [{ path: this.#deps.path, before: this.#main.text, after: main.text }]
      : [];
    const textOf = (unit: Unit | undefined) => unit === undefined || unit.inMain ? null : unit.text;
    for (const unit of units.values()) {
      const before = this.#units.get(unit.id);
      if (textOf(before) !== textOf(unit)) {
        files.push({
          path: unit.inMain ? before?.file ?? unit.file : unit.file,
          before: textOf(before),
          after: textOf(unit),
        });
      }
    }
    for (const id of removed) {
      const before = this.#units.get(id);
      if (before?.inMain === false) files.push({ path: before.file, before: before.text, after: null });
    }
    return files;
  }

  #tell(change: AppliedChange): AppliedChange {
    this.#deps.onChange?.(change);
    return change;
  }

  /** A configuration that is refused must not keep a rotated file in use. */
  async #reopenLogs(): Promise<void> {
    try {
      (await this.#deps.settings.prepare(this.config)).commit();
    } catch (error) {
      this.#deps.log.error("the logs could not be opened anew", {
        error: error instanceof Error ? error : String(error),
      });
    }
  }

  #report(result: Pick<ReloadReport, "ok" | "changed" | "errors">, by: string): ReloadReport {
    const report = { atMs: this.#deps.now(), generation: this.generation, ...result };
    this.#lastReload = report;
    this.#deps.onReload?.(report, by);
    return report;
  }

  #inForce() {
    const { main, generation } = this;
    return { main, units: this.#units, strays: this.#strays, addresses: this.#addresses, generation };
  }
}
