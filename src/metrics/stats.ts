/**
 * Counters as JSON, for `/v1/stats` and for terminals: per tenant, and of the process. Counters grow from the start of
 * the process; whoever wants rates takes two of these. Pure.
 *
 * @module
 */

import { type BackendStats, BUCKET_BOUNDS_US, type TenantStats } from "../ffi/mod.ts";
import { countOf, quantileOf } from "./histogram.ts";
import { endpointTotals, type MetricSources, onlyTenant } from "./sources.ts";

/** Durations of one kind; null where there is none yet. Quantiles are estimates from buckets. */
export type DurationStats = {
  readonly count: number;
  readonly mean_ms: number | null;
  readonly p50_ms: number | null;
  readonly p99_ms: number | null;
};

/** Counters of one tenant. */
export type TenantStatsView = {
  readonly tenant: string;
  readonly sessions: {
    readonly total: number;
    readonly active: number;
    /** Sessions that wait for a limit; active are only those of them that wait for a place at an endpoint. */
    readonly queued: number;
    /** With those that a dry run let pass. */
    readonly refused: Readonly<Record<string, number>>;
    readonly dry_run_refused: Readonly<Record<string, number>>;
    readonly closed: Readonly<Record<string, number>>;
  };
  readonly bytes: { readonly up: number; readonly down: number; readonly buffered: number };
  /** Time that sessions were held back by a bandwidth limit, summed over them. */
  readonly throttled: { readonly up_ms: number; readonly down_ms: number };
  readonly retries: number;
  readonly connect: DurationStats;
  readonly session: DurationStats;
  readonly listeners: readonly { readonly id: string; readonly sessions: number }[];
  readonly backends: readonly {
    readonly id: string;
    readonly circuit: string;
    /** Sessions that tried to connect, and those of them that got no endpoint. */
    readonly connects: number;
    readonly connect_failures: number;
    readonly connect: DurationStats;
  }[];
  readonly endpoints: readonly {
    readonly backend: string;
    readonly id: string;
    readonly state: string;
    readonly health: string;
    readonly ejected: boolean;
    readonly sessions: number;
    readonly sessions_total: number;
    readonly connect_failures: number;
    /** Connections that are open ahead now. */
    readonly preconnect_idle: number;
  }[];
};

/** Counters of shared listeners: sessions that had no route yet. Once they have one they are their tenant's. */
export type SharedStatsView = {
  /** Alive now. */
  readonly active: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly closed: Readonly<Record<string, number>>;
  /** With those that found their route. */
  readonly listeners: readonly { readonly id: string; readonly sessions: number }[];
};

/** Counters of the process. */
export type ProcessStatsView = {
  readonly sessions_active: number;
  readonly fds_in_use: number;
  readonly pipes_in_use: number;
  readonly buffer_bytes: number;
  readonly session_bytes: number;
  readonly accept_pauses: number;
  readonly access_log_dropped: number;
  readonly workers: readonly { readonly sessions_active: number; readonly loop_lag_ms: number }[];
};

/** Everything; `process` and `shared` are null when one tenant is asked for, `shared` also without such listeners. */
export type StatsView = {
  /** ISO 8601. */
  readonly at: string;
  readonly process: ProcessStatsView | null;
  readonly shared: SharedStatsView | null;
  readonly tenants: readonly TenantStatsView[];
};

const US_PER_MS = 1_000;
const NS_PER_MS = 1_000_000;

/** Counters at `atMs` (Unix time), of one tenant or of all and the process. */
export function statsView(sources: MetricSources, atMs: number, tenant?: string): StatsView {
  const wanted = tenant === undefined ? sources : onlyTenant(sources, tenant);
  const listeners = Map.groupBy(wanted.listeners, (one) => one.tenant);
  const backends = Map.groupBy(wanted.backends, (one) => one.tenant);
  const endpoints = Map.groupBy(endpointTotals(wanted.endpoints), (one) => one.tenant);
  return {
    at: new Date(atMs).toISOString(),
    process: tenant === undefined ? processView(sources) : null,
    shared: tenant === undefined ? sharedView(sources) : null,
    tenants: wanted.tenants.flatMap((stats) => {
      if (stats.tenant === null) return [];
      return [{
        ...countersView(stats.tenant, stats),
        listeners: listenersView(listeners.get(stats.tenant) ?? []),
        backends: (backends.get(stats.tenant) ?? []).flatMap(backendView),
        endpoints: (endpoints.get(stats.tenant) ?? []).map((one) => ({
          backend: one.backend,
          id: one.endpoint,
          state: one.state,
          health: one.health,
          ejected: one.ejected > 0,
          sessions: one.sessionsActive,
          sessions_total: one.sessionsTotal,
          connect_failures: one.connectFailures,
          preconnect_idle: one.preconnectIdle,
        })),
      }];
    }),
  };
}

function listenersView(stats: MetricSources["listeners"]): TenantStatsView["listeners"] {
  return stats.flatMap(({ listener, sessionsTotal }) =>
    listener === null ? [] : [{ id: listener, sessions: sessionsTotal }]
  );
}

function backendView(stats: BackendStats): TenantStatsView["backends"] {
  const { backend: id, circuit, connectsTotal: connects, connectFailures } = stats;
  if (id === null) return [];
  const connect = durations(stats.connectBuckets, stats.connectUsSum);
  return [{ id, circuit, connects, connect_failures: connectFailures, connect }];
}

function sharedView({ tenants, listeners }: MetricSources): SharedStatsView | null {
  const stats = tenants.find(({ tenant }) => tenant === null);
  if (stats === undefined) return null;
  return {
    active: stats.sessionsActive,
    refused: Object.fromEntries(stats.refused),
    closed: Object.fromEntries(stats.closed),
    listeners: listenersView(listeners.filter(({ tenant }) => tenant === null)),
  };
}

function countersView(
  tenant: string,
  stats: TenantStats,
): Omit<TenantStatsView, "listeners" | "backends" | "endpoints"> {
  return {
    tenant,
    sessions: {
      total: stats.sessionsTotal,
      active: stats.sessionsActive,
      queued: stats.queueLength,
      refused: Object.fromEntries(stats.refused),
      dry_run_refused: Object.fromEntries(stats.dryRefused),
      closed: Object.fromEntries(stats.closed),
    },
    bytes: { up: stats.bytesUp, down: stats.bytesDown, buffered: stats.bufferedBytes },
    throttled: { up_ms: stats.throttledUsUp / US_PER_MS, down_ms: stats.throttledUsDown / US_PER_MS },
    retries: stats.retriesTotal,
    connect: durations(stats.connectBuckets, stats.connectUsSum),
    session: durations(stats.sessionBuckets, stats.sessionUsSum),
  };
}

function durations(buckets: readonly number[], sumUs: number): DurationStats {
  const count = countOf(buckets);
  const quantile = (share: number) => milliseconds(quantileOf(buckets, BUCKET_BOUNDS_US, share));
  return {
    count,
    mean_ms: milliseconds(count === 0 ? null : sumUs / count),
    p50_ms: quantile(0.5),
    p99_ms: quantile(0.99),
  };
}

/** Microseconds as milliseconds with three places. */
function milliseconds(us: number | null): number | null {
  return us === null ? null : Math.round(us) / US_PER_MS;
}

function processView(sources: MetricSources): ProcessStatsView {
  const { workers } = sources;
  const sum = (value: (worker: (typeof workers)[number]) => number) =>
    workers.reduce((total, worker) => total + value(worker), 0);
  return {
    sessions_active: sum((worker) => worker.sessionsActive),
    fds_in_use: sum((worker) => worker.fdsInUse),
    pipes_in_use: sum((worker) => worker.pipesInUse),
    buffer_bytes: sum((worker) => worker.bufferBytes),
    session_bytes: sum((worker) => worker.sessionBytes),
    accept_pauses: sum((worker) => worker.acceptPausesTotal),
    access_log_dropped: sources.accessLogDropped,
    workers: workers.map(({ sessionsActive, loopLagNs }) => ({
      sessions_active: sessionsActive,
      loop_lag_ms: loopLagNs / NS_PER_MS,
    })),
  };
}
