/** Counters for the tests of metrics: small, whole, with one thing changed. */
import type { BackendStats, EndpointStats, TenantStats, WorkerStats } from "../../src/ffi/mod.ts";
import type { MetricSources } from "../../src/metrics/mod.ts";

/** Twenty buckets, all empty but those given. */
export function buckets(counts: Readonly<Record<number, number>> = {}): number[] {
  return Array.from({ length: 20 }, (_, index) => counts[index] ?? 0);
}

export function tenantStats(tenant: string, parts: Partial<TenantStats> = {}): TenantStats {
  return {
    tenant,
    sessionsTotal: 0,
    sessionsActive: 0,
    bytesUp: 0,
    bytesDown: 0,
    bufferedBytes: 0,
    retriesTotal: 0,
    queueLength: 0,
    throttledUsUp: 0,
    throttledUsDown: 0,
    sessionTokens: null,
    upTokens: null,
    downTokens: null,
    refused: new Map(),
    dryRefused: new Map(),
    closed: new Map(),
    connectUsSum: 0,
    sessionUsSum: 0,
    connectBuckets: buckets(),
    sessionBuckets: buckets(),
    ...parts,
  };
}

export function listenerStats(tenant: string, listener: string, sessionsTotal: number) {
  return { tenant, listener, sessionsTotal, addresses: 1, bound: null };
}

export function endpointStats(
  tenant: string,
  backend: string,
  endpoint: string,
  parts: Partial<EndpointStats> = {},
): EndpointStats {
  return {
    tenant,
    backend,
    endpoint,
    address: null,
    state: "ready",
    sessionsActive: 0,
    sessionsTotal: 0,
    connectFailures: 0,
    preconnectIdle: 0,
    health: "unknown",
    ejected: false,
    ...parts,
  };
}

export function backendStats(tenant: string, backend: string, parts: Partial<BackendStats> = {}): BackendStats {
  return {
    tenant,
    backend,
    circuit: "closed",
    connectsTotal: 0,
    connectFailures: 0,
    connectUsSum: 0,
    connectBuckets: buckets(),
    ...parts,
  };
}

/** Counters of shared listeners. */
export function sharedStats(parts: Partial<TenantStats> = {}): TenantStats {
  return { ...tenantStats("", parts), tenant: null };
}

export function workerStats(parts: Partial<WorkerStats> = {}): WorkerStats {
  return {
    sessionsActive: 0,
    fdsInUse: 0,
    pipesInUse: 0,
    bufferBytes: 0,
    sessionBytes: 0,
    loopLagNs: 0,
    turnsTotal: 0,
    acceptPausesTotal: 0,
    logDroppedTotal: 0,
    ...parts,
  };
}

/** Two tenants, two workers, a value in every metric. */
export function sources(parts: Partial<MetricSources> = {}): MetricSources {
  return {
    tenants: [
      tenantStats("acme", {
        sessionsTotal: 9,
        sessionsActive: 2,
        bytesUp: 1000,
        bytesDown: 2000,
        bufferedBytes: 64,
        retriesTotal: 3,
        queueLength: 1,
        throttledUsUp: 1_500_000,
        throttledUsDown: 250,
        refused: new Map([["tenant_connections", 1]]),
        closed: new Map([["--", 5], ["PR", 1]]),
        connectUsSum: 1_500,
        sessionUsSum: 2_500_000,
        connectBuckets: buckets({ 0: 1, 2: 3 }),
        sessionBuckets: buckets({ 12: 5, 19: 1 }),
      }),
      tenantStats("globex", {
        sessionsTotal: 4,
        sessionsActive: 1,
        bytesUp: 10,
        closed: new Map([["--", 3]]),
        throttledUsDown: 500_000,
        refused: new Map([["no_endpoint", 2], ["tenant_connections", 4]]),
        dryRefused: new Map([["tenant_connections", 3]]),
        connectUsSum: 500,
        connectBuckets: buckets({ 2: 1 }),
      }),
    ],
    listeners: [listenerStats("acme", "pg", 6), listenerStats("acme", "web", 3), listenerStats("globex", "pg", 4)],
    backends: [
      backendStats("acme", "pool", {
        circuit: "half_open",
        connectsTotal: 5,
        connectFailures: 1,
        connectUsSum: 1_500,
        connectBuckets: buckets({ 0: 1, 2: 3 }),
      }),
      backendStats("globex", "pool", { circuit: "open" }),
    ],
    endpoints: [
      endpointStats("acme", "pool", "a", {
        sessionsActive: 2,
        sessionsTotal: 5,
        connectFailures: 1,
        preconnectIdle: 3,
        ejected: true,
      }),
      endpointStats("acme", "pool", "b", { state: "drain" }),
      endpointStats("globex", "pool", "a", { sessionsActive: 1, connectFailures: 7 }),
    ],
    workers: [
      workerStats({ sessionsActive: 2, fdsInUse: 20, pipesInUse: 1, loopLagNs: 1_500_000, bufferBytes: 64 }),
      workerStats({ sessionsActive: 1, fdsInUse: 10, pipesInUse: 4, acceptPausesTotal: 2 }),
    ],
    generation: 12,
    lastReload: { ok: true, atMs: 1_700_000_000_500 },
    tenantsInError: 1,
    accessLogDropped: 8,
    version: "1.2.3",
    perTenant: true,
    ...parts,
  };
}
