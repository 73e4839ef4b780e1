/**
 * Whether a canary does so badly that it has to go. Pure; called by `rollout.ts` at each look.
 *
 * @module
 */

import type { CanaryPlan } from "../config/mod.ts";
import type { Tally } from "./tally.ts";

/** Fewer connects than these say nothing: of a share as of the slowest hundredth. */
export const LEAST_CONNECTS = 20;

const PPM = 1_000_000;
const US_PER_MS = 1_000;

/** What is known of a canary since its step began. */
export interface Figures {
  readonly connects: number;
  readonly failures: number;
  /** Connects that got an endpoint. */
  readonly connected: number;
  /** Upper bound of the bucket with the slowest hundredth, µs; infinite above all bounds, null without any connect. */
  readonly connectP99Us: number | null;
}

/** The figures of a tally, with the upper bounds of its buckets; the last bucket has none. */
export function figuresOf({ connects, failures, buckets }: Tally, boundsUs: readonly number[]): Figures {
  const connected = buckets.reduce((sum, count) => sum + count, 0);
  return { connects, failures, connected, connectP99Us: p99Of(buckets, connected, boundsUs) };
}

function p99Of(buckets: readonly number[], count: number, boundsUs: readonly number[]): number | null {
  if (count === 0) return null;
  const rank = Math.ceil(count * 0.99);
  let reached = 0;
  for (const [index, here] of buckets.entries()) {
    reached += here;
    if (reached >= rank) return boundsUs[index] ?? Number.POSITIVE_INFINITY;
  }
  return Number.POSITIVE_INFINITY;
}

/** Why the canary has to go, in a clause; null while it may stay. */
export function faultOf(figures: Figures, { errorPpm, connectP99Ms }: CanaryPlan): string | null {
  const { connects, failures, connected, connectP99Us } = figures;
  if (errorPpm !== null && connects >= LEAST_CONNECTS && failures * PPM > errorPpm * connects) {
    const share = percent(failures / connects * 100);
    return `error ratio ${share} is over ${percent(errorPpm / 10_000)}: ${failures} of ${connects} connects failed`;
  }
  if (connectP99Ms !== null && connected >= LEAST_CONNECTS && connectP99Us !== null) {
    const p99Ms = connectP99Us / US_PER_MS;
    if (p99Ms > connectP99Ms) return `connect p99 ${words(p99Ms)} is over ${connectP99Ms} ms, of ${connected} connects`;
  }
  return null;
}

function percent(share: number): string {
  return `${Math.round(share * 100) / 100}%`;
}

function words(ms: number): string {
  return Number.isFinite(ms) ? `${ms} ms` : "beyond what is measured";
}
