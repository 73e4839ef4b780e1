/**
 * What a canary's connects came to since its step began, from counters that only grow. Pure; `rollout.ts` keeps one for
 * each rollout.
 *
 * @module
 */

/** Counters of a backend since the start of the data plane. */
export interface ConnectCounters {
  /** Sessions that tried to connect. */
  readonly connectsTotal: number;
  /** Those of them that got no endpoint. */
  readonly connectFailures: number;
  /** Connect times of the others, by bucket; not cumulative. */
  readonly connectBuckets: readonly number[];
}

/** Counts since a moment. */
export interface Tally {
  /** The counters as they were seen last; null: never yet. */
  readonly seen: ConnectCounters | null;
  readonly connects: number;
  readonly failures: number;
  readonly buckets: readonly number[];
}

/** Begins to count; counters that cannot be read now count from when they first can. */
export function beginTally(counters: ConnectCounters | null): Tally {
  return { seen: counters, connects: 0, failures: 0, buckets: [] };
}

/**
 * Adds what has come since the counters were seen last. Counters that are missing add nothing, and go on from where they
 * were; of counters that began anew all is new.
 */
export function addTo(tally: Tally, counters: ConnectCounters | null): Tally {
  if (counters === null) return tally;
  const { seen } = tally;
  if (seen === null) return { ...tally, seen: counters };
  const from = isAnew(seen, counters) ? NOTHING : seen;
  const length = Math.max(tally.buckets.length, counters.connectBuckets.length);
  return {
    seen: counters,
    connects: tally.connects + counters.connectsTotal - from.connectsTotal,
    failures: tally.failures + counters.connectFailures - from.connectFailures,
    buckets: Array.from({ length }, (_, index) => {
      const more = (counters.connectBuckets[index] ?? 0) - (from.connectBuckets[index] ?? 0);
      return (tally.buckets[index] ?? 0) + more;
    }),
  };
}

const NOTHING: ConnectCounters = { connectsTotal: 0, connectFailures: 0, connectBuckets: [] };

/** Whether one of the counters is less than it was. */
function isAnew(seen: ConnectCounters, now: ConnectCounters): boolean {
  return now.connectsTotal < seen.connectsTotal || now.connectFailures < seen.connectFailures ||
    seen.connectBuckets.some((count, index) => (now.connectBuckets[index] ?? 0) < count);
}
