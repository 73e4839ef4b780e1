/**
 * What metrics and statistics are made from: the data plane's counters as the engine reads them, and what the control
 * plane knows beside. Plain values; whoever calls this room gathers them.
 *
 * @module
 */

import type { BackendStats, EndpointStats, Health, ListenerStats, TenantStats, WorkerStats } from "../ffi/mod.ts";

/** Everything at one moment. */
export interface MetricSources {
  /** With those of shared listeners, which have no tenant. */
  readonly tenants: readonly TenantStats[];
  readonly listeners: readonly ListenerStats[];
  readonly backends: readonly BackendStats[];
  readonly endpoints: readonly EndpointStats[];
  readonly workers: readonly WorkerStats[];
  /** Of the configuration in force. */
  readonly generation: number;
  /** The last reload, or the start before the first one. Unix time in ms. */
  readonly lastReload: { readonly ok: boolean; readonly atMs: number };
  readonly tenantsInError: number;
  /** Records lost in the workers' rings and at the sinks. */
  readonly accessLogDropped: number;
  readonly version: string;
  /** `metrics.per_tenant` is not off. */
  readonly perTenant: boolean;
}

/** What of it is wanted. */
export interface MetricFilter {
  /** Only what is this tenant's; nothing of the process. */
  readonly tenant?: string;
  /** Only metrics of these names; `_bucket`, `_sum` and `_count` of a histogram stand for it. */
  readonly names?: readonly string[];
}

/** The part of the sources that is one tenant's. */
export function onlyTenant(sources: MetricSources, tenant: string): MetricSources {
  const isIts = (one: { readonly tenant: string | null }) => one.tenant === tenant;
  return {
    ...sources,
    tenants: sources.tenants.filter(isIts),
    listeners: sources.listeners.filter(isIts),
    backends: sources.backends.filter(isIts),
    endpoints: sources.endpoints.filter(isIts),
    workers: [],
  };
}

/** An endpoint with all of its addresses. */
export interface EndpointTotal {
  readonly tenant: string;
  readonly backend: string;
  readonly endpoint: string;
  readonly state: EndpointStats["state"];
  readonly health: Health;
  /** Whether one of its addresses gets new sessions. */
  readonly isUp: boolean;
  /** Addresses that are ejected. */
  readonly ejected: number;
  readonly sessionsActive: number;
  readonly sessionsTotal: number;
  readonly connectFailures: number;
  readonly preconnectIdle: number;
}

/** Endpoints by name: counters of their addresses summed, and the best health of them. */
export function endpointTotals(endpoints: readonly EndpointStats[]): EndpointTotal[] {
  const totals = new Map<string, EndpointTotal>();
  for (const { tenant, backend, endpoint, state, health, ejected, ...counts } of endpoints) {
    if (tenant === null || backend === null || endpoint === null) continue;
    const key = `${tenant} ${backend} ${endpoint}`;
    const before = totals.get(key);
    totals.set(key, {
      tenant,
      backend,
      endpoint,
      state,
      health: before === undefined ? health : better(before.health, health),
      isUp: before?.isUp === true || (state === "ready" && health !== "down" && !ejected),
      ejected: (ejected ? 1 : 0) + (before?.ejected ?? 0),
      sessionsActive: counts.sessionsActive + (before?.sessionsActive ?? 0),
      sessionsTotal: counts.sessionsTotal + (before?.sessionsTotal ?? 0),
      connectFailures: counts.connectFailures + (before?.connectFailures ?? 0),
      preconnectIdle: counts.preconnectIdle + (before?.preconnectIdle ?? 0),
    });
  }
  return [...totals.values()];
}

const GOODNESS = { down: 0, unknown: 1, up: 2 } as const;

function better(one: keyof typeof GOODNESS, other: keyof typeof GOODNESS): keyof typeof GOODNESS {
  return GOODNESS[one] >= GOODNESS[other] ? one : other;
}
