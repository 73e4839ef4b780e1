/**
 * What the mover of canaries works with, and what it tells others.
 *
 * @module
 */

import type { Clock } from "../schedule/timed.ts";
import type { Move, RolloutState } from "./rollout.ts";
import type { ConnectCounters } from "./tally.ts";

/** Counters of a backend, and whose they are. */
export interface BackendCounters extends ConnectCounters {
  readonly tenant: string | null;
  readonly backend: string | null;
}

/** What the mover needs. */
export interface CanariesDeps extends Clock {
  /** Unix time in ms. */
  unixMs(): number;
  /** Of all backends. */
  counters(): readonly BackendCounters[];
  /** Upper bounds of the buckets of connect times, µs; the last bucket has none. */
  readonly boundsUs: readonly number[];
  /** Puts a tenant in force once more, with its weights as they are now; false when that cannot be done now. */
  apply(tenant: string): Promise<boolean>;
  /** Told of each move, once it is in force. */
  onMove(move: CanaryMove): void;
  /** Told what failed, and of which tenant; null: of all. */
  onError(error: unknown, tenant: string | null): void;
}

/** A move, and whose it is. */
export interface CanaryMove extends Move {
  readonly tenant: string;
  /** The split. */
  readonly backend: string;
  /** The part of it that is the canary. */
  readonly canary: string;
}

/** Where a canary stands. */
export interface CanaryStatus {
  /** From 1: the one under way, or the last one that was. */
  readonly step: number;
  /** Its part of new sources, in percent. */
  readonly weight: number;
  readonly state: RolloutState;
  /** Since when it has this step and state, Unix time in ms. */
  readonly sinceMs: number;
  /** Why it was rolled back. */
  readonly reason: string | null;
}
