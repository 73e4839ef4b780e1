/**
 * The one stateful class of the control plane: holds the configuration in force, and is the only caller that changes
 * the data plane. Made and owned by `serve`; commands and later the admin API ask it.
 *
 * Life: start → reload, any number of times → drain → stop. Reloads run one at a time. A reload that fails changes
 * nothing: the old configuration stays in force, and the error is logged and kept in `lastReload`.
 *
 * @module
 */

import { type Config, isEmptyChange, type LoadResult, type Plan } from "../config/mod.ts";
import type { EngineStatus } from "../ffi/mod.ts";
import type { Log } from "../log.ts";
import type { DataPlane } from "./data_plane.ts";
import { type BoundAddress, boundAddresses, newlyBound } from "./read_model.ts";
import { type Candidate, candidateOf, ConfigError, errorsOf, type ReloadReport } from "./reload.ts";
import { SingleFlight } from "./single_flight.ts";

/** What of a configuration is not the data plane's: the logs. */
export interface Settings {
  /**
   * Opens what the configuration names, without changing anything yet. Called at each reload, also of an unchanged
   * configuration: a rotated log file is opened anew.
   */
  prepare(config: Config): Promise<PreparedSettings>;
}

/** Settings that are ready: one of the two calls follows. */
export interface PreparedSettings {
  commit(): void;
  discard(): void;
}

/** What the control plane works with. */
export interface ControlDeps {
  readonly dataPlane: DataPlane;
  /** Reads the configuration files. */
  load(): Promise<LoadResult>;
  readonly settings: Settings;
  readonly log: Log;
  /** Told of addresses that a reload has bound. */
  onBound(bound: readonly BoundAddress[]): void;
  /** Unix time in ms. */
  now(): number;
}

/** What is in force. */
interface InForce {
  readonly config: Config;
  readonly plan: Plan;
  readonly generation: number;
  readonly bound: readonly BoundAddress[];
}

/** Holds what is in force, and changes it. */
export class ControlPlane {
  readonly #deps: ControlDeps;
  readonly #reloads: SingleFlight<ReloadReport>;
  #inForce: InForce | null = null;
  #lastReload: ReloadReport | null = null;
  #isDraining = false;

  constructor(deps: ControlDeps) {
    this.#deps = deps;
    this.#reloads = new SingleFlight(() => this.#reload());
  }

  /** The configuration in force. */
  get config(): Config {
    return this.#current().config;
  }

  /** The plan in force. */
  get plan(): Plan {
    return this.#current().plan;
  }

  /** Counts the changes that were put in force; 1 after the start. */
  get generation(): number {
    return this.#inForce?.generation ?? 0;
  }

  /** Every bound address. */
  get bound(): readonly BoundAddress[] {
    return this.#current().bound;
  }

  /** How the last reload went; null before the first. */
  get lastReload(): ReloadReport | null {
    return this.#lastReload;
  }

  /** The data plane at a glance. */
  status(): EngineStatus {
    return this.#deps.dataPlane.status();
  }

  /**
   * Puts the first configuration in force.
   *
   * @throws {ConfigError} when files hold no usable configuration
   * @throws {DataPlaneError} when an address cannot be bound
   */
  start(loaded: LoadResult): void {
    if (this.#inForce !== null) throw new TypeError("Cannot start: the control plane must be new: it has been started");
    this.#apply(candidateOf(loaded, null));
  }

  /**
   * Reads the files again and puts in force what they say now. Requests while one is under way become one more after
   * it. Never rejects for what files or the data plane say.
   */
  reload(): Promise<ReloadReport> {
    return this.#reloads.request();
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

  async #reload(): Promise<ReloadReport> {
    const { log } = this.#deps;
    const before = this.#current();
    try {
      const changed = await this.#change(before);
      const { generation, plan } = this.#current();
      const tenants = plan.tenants.size;
      log.info(changed ? "reloaded" : "reloaded, nothing has changed", { generation, tenants });
      return this.#report({ ok: true, changed, errors: [] });
    } catch (error) {
      const errors = errorsOf(error);
      this.#logProblems(error);
      log.error("reload failed, the old configuration goes on", {
        generation: before.generation,
        errors: errors.length,
        error: error instanceof ConfigError ? undefined : error instanceof Error ? error : String(error),
      });
      if (error instanceof ConfigError) await this.#reopenLogs(before.config);
      return this.#report({ ok: false, changed: false, errors });
    }
  }

  /** Loads and applies; true when there was something to change. */
  async #change(before: InForce): Promise<boolean> {
    const candidate = candidateOf(await this.#deps.load(), before.plan);
    const prepared = await this.#deps.settings.prepare(candidate.config);
    try {
      if (this.#isDraining) throw new Error("Cannot reload: the process must not be stopping: it is");
      if (isEmptyChange(candidate.change)) this.#inForce = { ...before, config: candidate.config };
      else this.#apply(candidate);
    } catch (error) {
      prepared.discard();
      throw error;
    }
    prepared.commit();
    this.#warnOfFixed(before.config, candidate.config);
    const added = newlyBound(before.bound, this.bound);
    if (added.length > 0) this.#deps.onBound(added);
    return !isEmptyChange(candidate.change);
  }

  #apply({ config, plan, change }: Candidate): void {
    const { dataPlane } = this.#deps;
    const generation = this.generation + 1;
    dataPlane.apply(change, generation);
    this.#inForce = { config, plan, generation, bound: boundAddresses(plan, dataPlane.listenerStats()) };
  }

  /** A configuration that is refused must not keep a rotated file in use. */
  async #reopenLogs(config: Config): Promise<void> {
    try {
      (await this.#deps.settings.prepare(config)).commit();
    } catch (error) {
      this.#deps.log.error("the logs could not be opened anew", {
        error: error instanceof Error ? error : String(error),
      });
    }
  }

  #logProblems(error: unknown): void {
    if (!(error instanceof ConfigError)) return;
    for (const { file, line, column, path, message, remedy } of error.problems) {
      const place = line === 0 ? file : `${file}:${line}:${column}`;
      this.#deps.log.error("the configuration is wrong", { place, path, problem: message, remedy });
    }
  }

  #warnOfFixed(before: Config, now: Config): void {
    if (before.workers === now.workers) return;
    this.#deps.log.warn("workers takes effect with the next start", { before: before.workers, now: now.workers });
  }

  #report(result: Pick<ReloadReport, "ok" | "changed" | "errors">): ReloadReport {
    this.#lastReload = { atMs: this.#deps.now(), generation: this.generation, ...result };
    return this.#lastReload;
  }

  #current(): InForce {
    if (this.#inForce === null) throw new TypeError("Cannot read the configuration: the control plane must be started");
    return this.#inForce;
  }
}
