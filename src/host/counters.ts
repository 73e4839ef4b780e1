/**
 * Gathers what metrics and statistics are made from: the data plane's counters, and what the control plane knows.
 *
 * @module
 */

import type { AdminControl, JsonObject } from "../admin/control.ts";
import { type ControlPlane, tenantsInError } from "../control/mod.ts";
import type { Engine } from "../ffi/mod.ts";
import { collectMetrics, formatPrometheus, type MetricSources, statsView } from "../metrics/mod.ts";
import { VERSION } from "../version.ts";

/** What is asked. */
export interface CounterDeps {
  readonly engine: Pick<Engine, "tenantStats" | "listenerStats" | "backendStats" | "endpointStats" | "workerStats">;
  readonly control: ControlPlane;
  /** Access records that were lost. */
  dropped(): number;
  /** Unix time in ms, of the start. */
  readonly startedMs: number;
  /** Unix time in ms. */
  now(): number;
}

/** Metrics and statistics, as the admin API answers them. */
export function countersOf(deps: CounterDeps): Pick<AdminControl, "metrics" | "stats"> {
  return {
    metrics: (filter) => formatPrometheus(collectMetrics(sourcesOf(deps), filter)),
    // A view is plain JSON; only its type says more.
    stats: (tenant) => statsView(sourcesOf(deps), deps.now(), tenant) as unknown as JsonObject,
  };
}

function sourcesOf({ engine, control, dropped, startedMs }: CounterDeps): MetricSources {
  const { lastReload } = control;
  return {
    tenants: engine.tenantStats(),
    listeners: engine.listenerStats(),
    backends: engine.backendStats(),
    endpoints: engine.endpointStats(),
    workers: engine.workerStats(),
    generation: control.generation,
    lastReload: lastReload ?? { ok: true, atMs: startedMs },
    tenantsInError: tenantsInError(control).length,
    accessLogDropped: dropped(),
    version: VERSION,
    perTenant: control.config.metrics?.per_tenant !== "off",
  };
}
