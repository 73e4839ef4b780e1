/**
 * What the checker works with, and what it tells others.
 *
 * @module
 */

import type { Address } from "../config/mod.ts";
import type { Check } from "./check.ts";
import type { Health } from "./check_state.ts";
import type { Clock } from "../schedule/timed.ts";

/** What the checker needs. */
export interface CheckerDeps extends Clock {
  readonly check: Check;
  /** Unix time in ms. */
  unixMs(): number;
  /** From 0 to below 1. */
  random(): number;
  /** Told of changes, soon after they happen, several at once when they come together. */
  onTransitions(transitions: readonly HealthTransition[]): void;
  /** Told what `onTransitions` threw. */
  onError(error: unknown): void;
  /** Checks under way at the most. */
  readonly mostInFlight?: number;
}

/** Health of one address of an endpoint, from a time on. */
export interface HealthTransition {
  readonly tenant: string;
  readonly backend: string;
  readonly endpoint: string;
  readonly address: Address;
  readonly health: Health;
  readonly before: Health;
  /** Why, in a clause. */
  readonly detail: string;
  /** Since when, Unix time in ms. */
  readonly sinceMs: number;
}

/** What is known of one address of an endpoint. */
export interface HealthRow extends Omit<HealthTransition, "detail" | "before"> {
  /** End of the last check, Unix time in ms; null before the first. */
  readonly checkedMs: number | null;
  /** Why the last check was not good; null when it was, and before the first. */
  readonly error: string | null;
}
