/**
 * What this room needs of the data plane. The engine of `src/ffi` is one; tests give their own.
 *
 * @module
 */

import type { PlanChange } from "../config/mod.ts";
import type { EngineStatus, ListenerStats } from "../ffi/mod.ts";

/** The data plane, as the control plane sees it. Every call returns at once, except `stop`. */
export interface DataPlane {
  /** Puts a change in force, all or nothing; throws when it cannot. */
  apply(change: PlanChange, generation: number): void;
  status(): EngineStatus;
  /** Stops accepting; sessions run on for `graceMs`, then they are closed. */
  drain(graceMs: number): void;
  /** Closes what is left and ends the workers. */
  stop(): Promise<void>;
  listenerStats(): readonly ListenerStats[];
}
