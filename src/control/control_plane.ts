/**
 * The one stateful class of the control plane: holds the configuration in force, tenant by tenant, and is the only
 * caller that changes the data plane and the files. Made and owned by the host; commands and the admin API ask it.
 *
 * Life: start → reload and write, any number of times → drain → stop. Reloads and writes go through one queue. A reload
 * of a main file that is wrong changes nothing; a tenant's file that is wrong leaves that tenant as it was.
 *
 * @module
 */

import { formatProblem, isEmptyChange, type LoadDeps, type Plan, type PlanChange } from "../config/mod.ts";
import type { Change } from "../admin/control.ts";
import { DataPlaneError, type EngineStatus } from "../ffi/mod.ts";
import type { WantedName } from "../resolver/mod.ts";
import type { AppliedChange, ControlDeps, FileChange } from "./control_deps.ts";
import { changeOf, evaluate, type Evaluation, type FilesRead, type InForce } from "./evaluate.ts";
import { renamed } from "./names.ts";
import { Queue } from "./queue.ts";
import { readAll, readSome } from "./read_files.ts";
import type { BoundAddress } from "./read_model.ts";
import { ConfigError, errorsOf, type ReloadReport, SettingsError } from "./reload.ts";
import { frozen, logProblems, logWrong, newlyWrong, warnOfFixed } from "./report.ts";
import { ControlState } from "./state.ts";
import { keepUp } from "./upkeep.ts";
import type { MainState, Unit } from "./unit_state.ts";

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
  readonly #state = new ControlState();
  #generation = 0;
  #lastReload: ReloadReport | null = null;
  #waiting: { by: string; paths: Set<string> | null; report: Promise<ReloadReport> } | null = null;
  #isDraining = false;

  constructor(deps: ControlDeps) {
    this.#deps = deps;
  }

  /** The main file in force. */
  get main(): MainState {
    return this.#state.main;
  }

  /** The settings in force. */
  get config(): MainState["config"] {
    return this.main.config;
  }

  /** The plan in force. */
  get plan(): Plan {
    return this.#state.plan;
  }

  /** Tenants by id, those with problems too. */
  get units(): ReadonlyMap<string, Unit> {
    return this.#state.units;
  }

  /** Files that were meant for a tenant and cannot be one, by path. */
  get strays(): InForce["strays"] {
    return this.#state.strays;
  }

  /** Counts the changes that were put in force. */
  get generation(): number {
    return this.#generation;
  }

  /** Every bound address. */
  get bound(): readonly BoundAddress[] {
    return this.#state.bound;
  }

  /** How the last reload went; null before the first. */
  get lastReload(): ReloadReport | null {
    return this.#lastReload;
  }

  /** True from the first sign of the end on. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** What active checks know. */
  get checks(): ControlDeps["checks"] {
    return this.#deps.checks;
  }

  /** What names of endpoints stand for. */
  get names(): ControlDeps["names"] {
    return this.#deps.names;
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
    if (this.#state.isThere) throw new TypeError("Cannot start: the control plane must be new: it has been started");
    this.#apply(first, generation, false);
    logWrong(newlyWrong({ ...first, units: this.units }, new Map()), this.strays, this.#deps.log);
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
    return evaluate(this.#deps.path, read, this.#state, this.#deps.load);
  }

  /** What an evaluation would change, in written form. */
  changesOf(evaluation: Evaluation): Change[] {
    return this.#state.changesOf(evaluation);
  }

  /** What the data plane would be told. */
  planChangeOf(evaluation: Evaluation): PlanChange {
    return changeOf(evaluation, this.#state);
  }

  /**
   * Puts an evaluation in force; `persist` follows when the data plane has taken it, and when that fails the data plane
   * is told to go back. Called from a task of the queue.
   *
   * @throws {DataPlaneError} when the data plane refuses; then nothing has changed
   * @throws {SettingsError} when a log or the admin API's port cannot be opened; then nothing has changed
   */
  async commit(
    evaluation: Evaluation,
    write: { by: string; files: readonly FileChange[]; before?: PlanChange; persist(): Promise<void> },
  ): Promise<AppliedChange> {
    const { settings } = this.#deps;
    const prepared = evaluation.isMainNew
      ? await settings.prepare(evaluation.main.config).catch((cause: Error) => {
        throw new SettingsError(cause.message, { cause });
      })
      : null;
    const changes = this.changesOf(evaluation);
    const change = this.planChangeOf(evaluation);
    const back = this.#state.wayBack(change);
    const config = this.config;
    const isEmpty = isEmptyChange(change);
    let isTold = false;
    try {
      if (write.before !== undefined) {
        this.#applyNow(write.before, ++this.#generation);
        isTold = true;
      }
      if (!isEmpty) {
        this.#applyNow(change, this.#generation + 1);
        isTold = true;
        this.#generation++;
      }
      await write.persist();
    } catch (error) {
      prepared?.discard();
      if (isTold) this.#applyNow(back, ++this.#generation);
      throw error;
    }
    if (isEmpty) this.#generation++;
    prepared?.commit();
    this.#take(evaluation, change, true);
    warnOfFixed(config, this.config, this.#deps.log);
    if (!isEmpty) this.#retryFrozen();
    return this.#tell({ generation: this.#generation, by: write.by, changes, files: write.files });
  }

  /**
   * Puts a tenant in force once more, because the weights of its splits have changed. The files are as they were; false
   * when there is no such tenant, or the process is stopping.
   *
   * @throws {DataPlaneError} when the data plane refuses; then nothing has changed
   */
  reweigh(tenant: string): Promise<boolean> {
    return this.queue.run(() => {
      const plan = this.plan.tenants.get(tenant);
      if (plan === undefined || this.#isDraining) return Promise.resolve(false);
      this.#applyNow({ upserts: [plan], removals: [] }, this.#generation + 1);
      this.#generation++;
      return Promise.resolve(true);
    });
  }

  /**
   * Puts in force what names stand for now. The files are not read, and nothing else changes; a tenant whose plan comes
   * out the same is left alone. Never rejects.
   */
  follow(names: readonly WantedName[]): Promise<void> {
    return this.queue.run(() => {
      if (this.#state.isThere && !this.#isDraining) this.#follow(names);
      return Promise.resolve();
    });
  }

  #follow(names: readonly WantedName[]): void {
    const { log } = this.#deps;
    const moved = renamed(this.units.values(), names, (name) => this.names.known(name), this.config.admin?.listen);
    if (moved.length === 0) return;
    const units = new Map(moved.map((unit) => [unit.id, unit]));
    const unchanged = { isMainNew: false, removed: new Set<string>(), strays: this.strays, advice: [] };
    const evaluation: Evaluation = { main: this.main, units, ...unchanged };
    const change = this.planChangeOf(evaluation);
    try {
      this.#applyNow(change, this.#generation + 1);
    } catch (error) {
      log.error("what names stand for now could not be put in force", {
        tenants: [...units.keys()].join(" "),
        error: error instanceof Error ? error : String(error),
      });
      return;
    }
    this.#generation++;
    this.#take(evaluation, change, true);
    const { generation } = this;
    for (const tenant of units.keys()) log.info("names stand for something else, followed", { tenant, generation });
    this.#deps.onMoved?.([...units.keys()], generation);
  }

  /** Tenants whose address or name was another's may have it, now that some were given up. */
  #retryFrozen(): void {
    const isWaiting = ({ inMain, written, problems }: Unit) => !inMain && written !== null && problems.length > 0;
    const paths = new Set([...this.units.values()].filter(isWaiting).map(({ file }) => file));
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
      const tenants = this.plan.tenants.size;
      const isAsked = by !== "watch";
      const isMended = errors.length === 0 && (this.#lastReload?.errors.length ?? 0) > 0;
      if (changed || isAsked || isMended) {
        const what = changed ? "reloaded" : "reloaded, nothing has changed";
        log.info(isMended ? `${what}; what was wrong is mended` : what, { generation, tenants, by });
      }
      // A look at what is as it was is no reload, unless there is an error to be taken back.
      const isNews = changed || isAsked || errors.length > 0 || isMended;
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
    const before = this.#generation;
    // What is found is followed when it is there; only names of which nothing is known are waited for.
    if (paths === null && by !== "watch") this.names.refresh();
    const read = paths === null ? await readAll(path, load) : await readSome(this.main, paths, load);
    const again = (unit: Unit) => paths === null && (isNamed(unit) || unit.problems.length > 0);
    const evaluation = await evaluate(path, { ...read, again }, this.#state, load);
    // Also of an unchanged configuration: a rotated file is let go.
    const prepared = by !== "watch" || evaluation.isMainNew ? await settings.prepare(evaluation.main.config) : null;
    const config = this.config;
    const unitsBefore = new Map([...evaluation.units.keys()].flatMap((id) => {
      const unit = this.units.get(id);
      return unit === undefined ? [] : [[id, unit] as const];
    }));
    const straysBefore = this.strays;
    const files = this.#state.filesOf(evaluation, path);
    let applied;
    try {
      if (this.#isDraining) throw new Error("Cannot reload: the process must not be stopping: it is");
      applied = this.#apply(evaluation, this.#generation + 1, true);
    } catch (error) {
      prepared?.discard();
      throw error;
    }
    prepared?.commit();
    // Whoever asks is told of all that is wrong; a look at what has changed tells what is news.
    const wrong = newlyWrong(applied.evaluation, by === "watch" ? unitsBefore : new Map());
    const strays = [...this.strays].filter(([file]) => by !== "watch" || !straysBefore.has(file));
    logWrong(wrong, new Map(strays), log);
    warnOfFixed(config, this.config, log);
    if (this.#generation > before || files.length > 0) {
      this.#tell({ generation: this.#generation, by, changes: applied.changes, files });
    }
    const errors = wrong.flatMap(({ problems }) => problems.map(formatProblem));
    const changed = this.#generation > before;
    // A whole look has tried them all.
    if (changed && paths !== null) this.#retryFrozen();
    return { changed, errors };
  }

  /** Tells the data plane; a tenant's file whose addresses cannot be bound freezes that tenant alone. */
  #apply(
    evaluation: Evaluation,
    generation: number,
    isReload: boolean,
  ): { readonly evaluation: Evaluation; readonly changes: readonly Change[] } {
    for (let tried = evaluation;;) {
      const change = changeOf(tried, isReload ? this.#state : null);
      const changes = isReload ? this.changesOf(tried) : [];
      const isEmpty = isReload && isEmptyChange(change);
      try {
        if (!isEmpty) this.#applyNow(change, generation);
      } catch (error) {
        const id = error instanceof DataPlaneError && error.code === "E_BIND" ? error.subject.tenant : undefined;
        const unit = id === undefined ? undefined : tried.units.get(id);
        if (unit === undefined || unit.inMain || !(error instanceof Error)) throw error;
        const units = new Map([...tried.units, [unit.id, frozen(unit, this.units.get(unit.id), error)]]);
        tried = { ...tried, units };
        continue;
      }
      if (!isEmpty || changes.length > 0) this.#generation = generation;
      this.#take(tried, change, isReload);
      return { evaluation: tried, changes };
    }
  }

  #applyNow(change: PlanChange, generation: number): void {
    const { dataPlane, weigh } = this.#deps;
    dataPlane.apply(weigh === undefined ? change : { ...change, upserts: change.upserts.map(weigh) }, generation);
  }

  #take(evaluation: Evaluation, change: PlanChange, isTold: boolean): void {
    const { dataPlane, onBound } = this.#deps;
    const isNew = ({ id, running }: Unit) => running !== this.units.get(id)?.running;
    const fresh = [...evaluation.units.values()].filter(isNew);
    const added = this.#state.take(evaluation, change, () => dataPlane.listenerStats());
    const wanted = keepUp(evaluation, fresh, this.#deps);
    if (wanted.length > 0) void this.follow(wanted);
    if (isTold && added.length > 0) onBound(added);
    this.#deps.onInForce?.(change);
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
}

function isNamed({ running }: Unit): boolean {
  return running !== null && running.named !== null;
}
