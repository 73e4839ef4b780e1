/**
 * What the control plane works with, and what it tells others.
 *
 * @module
 */

import type { LoadDeps, PlanChange, StoreFs, TenantPlan } from "../config/mod.ts";
import type { Change } from "../admin/control.ts";
import type { HealthChecker } from "../health/mod.ts";
import type { Log } from "../log.ts";
import type { Resolver } from "../resolver/mod.ts";
import type { DataPlane } from "./data_plane.ts";
import type { BoundAddress } from "./read_model.ts";
import type { ReloadReport } from "./reload.ts";
import type { MainState } from "./unit_state.ts";

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
  /** A tenant as the data plane shall have it: with the weights that its splits have now. Left out: as it is. */
  weigh?(plan: TenantPlan): TenantPlan;
  /** Told what is in force now: tenants that are new or other than they were, whole, and those that are gone. */
  onInForce?(change: Pick<PlanChange, "upserts" | "removals">): void;
  /** What is in force is checked, and its names are followed. */
  readonly checks: Pick<HealthChecker, "setTargets" | "rowsOf">;
  readonly names: Pick<Resolver, "setNames" | "known" | "refresh">;
  /** Told of addresses that a change has bound. */
  onBound(bound: readonly BoundAddress[]): void;
  /** Told of each change, when it is in force. */
  onChange?(change: AppliedChange): void;
  /** Told of tenants whose names stand for something else now, when that is in force. */
  onMoved?(tenants: readonly string[], generation: number): void;
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
