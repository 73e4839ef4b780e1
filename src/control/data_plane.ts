/**
 * What this room needs of the data plane. The engine of `src/ffi` is one; tests give their own.
 *
 * @module
 */

import type { PlanChange } from "../config/mod.ts";
import type {
  BackendStats,
  EndpointHealth,
  EndpointStats,
  EngineStatus,
  ListenerStats,
  LiveSession,
  SessionFilter,
  SessionPage,
  SourceStats,
  TenantStats,
} from "../ffi/mod.ts";

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
  tenantStats(): readonly TenantStats[];
  /** Counters of one tenant, by name; null when it is not known. */
  tenantStatsOf(tenant: string): TenantStats | null;
  /** The sources of a tenant with most sessions, those first; none where no limit is per source. */
  sourcesOf(tenant: string, most: number): readonly SourceStats[];
  backendStats(): readonly BackendStats[];
  endpointStats(): readonly EndpointStats[];
  /** Says how endpoints do, in effect at once for new sessions; returns how many addresses were known. */
  setHealth(healths: readonly EndpointHealth[]): number;
  /** Live sessions, a page at a time; throws a TypeError for a source or cursor that is none. */
  sessions(filter: SessionFilter, limit: number, cursor: string | null): SessionPage;
  session(id: string): LiveSession | null;
  /** Closes sessions for a reason, `killed` when left out; returns how many. */
  killSessions(filter: SessionFilter, reason?: "killed" | "endpoint_down"): number;
  /** Gives a tenant's live sessions `graceMs` at the most; returns how many there are. */
  drainSessions(tenant: string, graceMs: number): number;
}
