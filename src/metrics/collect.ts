/**
 * From read models to samples: which metrics there are now, with which labels and values. Pure; called for each scrape.
 *
 * Series of a tenant appear when there is something to tell: reasons and codes with their first session, a direction
 * with the first time that it is held back, a histogram with its first value. Ten thousand tenants that sleep cost little that way.
 *
 * @module
 */

import { BUCKET_BOUNDS_US, type TenantStats } from "../ffi/mod.ts";
import { addBuckets, countOf } from "./histogram.ts";
import { type Metric, type MetricKey, METRICS, TENANT_LABELS } from "./names.ts";
import { endpointTotals, type MetricFilter, type MetricSources, onlyTenant } from "./sources.ts";

const US_PER_S = 1_000_000;
const MS_PER_S = 1_000;
const NS_PER_S = 1_000_000_000;

/** One value; `labels` are those of the family's labels, in their order. */
export interface Sample {
  readonly labels: readonly string[];
  readonly value: number;
}

/** One histogram: counts of the buckets, not cumulative, the one above all bounds at the end. */
export interface Distribution {
  readonly labels: readonly string[];
  readonly buckets: readonly number[];
  readonly sum: number;
}

/** All samples of one metric. */
export type Family =
  & Pick<Metric, "name" | "help" | "labels">
  & (
    | { readonly type: "counter" | "gauge"; readonly samples: readonly Sample[] }
    | { readonly type: "histogram"; readonly bounds: readonly number[]; readonly samples: readonly Distribution[] }
  );

/** As in the help of the metric. */
const CIRCUITS = { closed: 0, open: 1, half_open: 2 } as const;

const BOUNDS_S: readonly number[] = BUCKET_BOUNDS_US.map((bound) => bound / US_PER_S);

/** Metrics with at least one sample, in the order of {@linkcode METRICS}. */
export function collectMetrics(sources: MetricSources, filter: MetricFilter = {}): Family[] {
  const { tenant, names } = filter;
  const wanted = tenant === undefined ? sources : onlyTenant(sources, tenant);
  // Who asks for one tenant gets its series whole: that is no matter of how many series there are.
  const sumAway = !sources.perTenant && tenant === undefined;
  const gather = collector(wanted);
  const families: Family[] = [];
  for (const [key, metric] of Object.entries(METRICS) as [MetricKey, Metric][]) {
    if (tenant !== undefined && !metric.labels.includes("tenant")) continue;
    if (names !== undefined && !isNamed(metric, names)) continue;
    if (sumAway && metric.isState === true) continue;
    const whole = gather(key, metric);
    const family = sumAway ? withoutTenants(whole) : whole;
    if (family.samples.length > 0) families.push(family);
  }
  return families;
}

function isNamed({ name, type }: Metric, names: readonly string[]): boolean {
  if (names.includes(name)) return true;
  return type === "histogram" && ["_bucket", "_sum", "_count"].some((part) => names.includes(name + part));
}

function collector(sources: MetricSources): (key: MetricKey, metric: Metric) => Family {
  const { workers, lastReload } = sources;
  // What had no route yet is nobody's: an empty label is none to Prometheus.
  const withShared = sources.tenants.map((stats) => ({ ...stats, tenant: stats.tenant ?? "" }));
  const tenants = withShared.filter(({ tenant }) => tenant !== "");
  type Tenant = (typeof tenants)[number];
  // Five metrics are made of these, and none may be asked for.
  let known: ReturnType<typeof endpointTotals> | undefined;
  const endpoints = () => known ??= endpointTotals(sources.endpoints);
  const ofTenants = (value: (tenant: Tenant) => number): Sample[] =>
    tenants.map((tenant) => ({ labels: [tenant.tenant], value: value(tenant) }));
  const ofEndpoints = (value: (endpoint: ReturnType<typeof endpoints>[number]) => number): Sample[] =>
    endpoints().map((one) => ({ labels: [one.tenant, one.backend, one.endpoint], value: value(one) }));
  const ofWorkers = (value: (worker: (typeof workers)[number]) => number): Sample[] =>
    workers.map((worker, index) => ({ labels: [String(index)], value: value(worker) }));
  const ofProcess = (value: number): Sample[] => [{ labels: [], value }];
  const overWorkers = (value: (worker: (typeof workers)[number]) => number): Sample[] =>
    ofProcess(workers.reduce((sum, worker) => sum + value(worker), 0));

  const samplesOf = (key: Exclude<MetricKey, "connectDurationSeconds" | "sessionDurationSeconds">): Sample[] => {
    switch (key) {
      case "sessionsTotal":
        return sources.listeners.flatMap(({ tenant, listener, sessionsTotal }) =>
          listener === null ? [] : [{ labels: [tenant ?? "", listener], value: sessionsTotal }]
        );
      case "sessionsActive":
        return withShared.map(({ tenant, sessionsActive }) => ({ labels: [tenant], value: sessionsActive }));
      case "sessionsRefusedTotal":
        return withShared.flatMap(({ tenant, refused }) => byKey(tenant, refused));
      case "sessionsDryRunRefusedTotal":
        return tenants.flatMap(({ tenant, dryRefused }) => byKey(tenant, dryRefused));
      case "sessionsClosedTotal":
        return withShared.flatMap(({ tenant, closed }) => byKey(tenant, closed));
      case "bytesTotal":
        return tenants.flatMap(({ tenant, bytesUp, bytesDown }) => [
          { labels: [tenant, "up"], value: bytesUp },
          { labels: [tenant, "down"], value: bytesDown },
        ]);
      case "throttledSecondsTotal":
        return tenants.flatMap(({ tenant, throttledUsUp, throttledUsDown }) =>
          ([["up", throttledUsUp], ["down", throttledUsDown]] as const).filter(([, us]) => us > 0)
            .map(([direction, us]) => ({ labels: [tenant, direction], value: us / US_PER_S }))
        );
      case "queueLength":
        return ofTenants((tenant) => tenant.queueLength);
      case "retriesTotal":
        return ofTenants((tenant) => tenant.retriesTotal);
      case "endpointUp":
        return ofEndpoints(({ isUp }) => isUp ? 1 : 0);
      case "endpointEjected":
        return ofEndpoints((endpoint) => endpoint.ejected);
      case "endpointSessionsActive":
        return ofEndpoints((endpoint) => endpoint.sessionsActive);
      case "endpointConnectFailuresTotal":
        return ofEndpoints((endpoint) => endpoint.connectFailures);
      case "circuitState":
        return sources.backends.flatMap(({ tenant, backend, circuit }) =>
          tenant === null || backend === null ? [] : [{ labels: [tenant, backend], value: CIRCUITS[circuit] }]
        );
      case "preconnectIdle":
        return ofEndpoints((endpoint) => endpoint.preconnectIdle);
      case "configGeneration":
        return ofProcess(sources.generation);
      case "configLastReloadSuccessful":
        return ofProcess(lastReload.ok ? 1 : 0);
      case "configLastReloadTimestampSeconds":
        return ofProcess(lastReload.atMs / MS_PER_S);
      case "configTenantsInError":
        return ofProcess(sources.tenantsInError);
      case "workerLoopLagSeconds":
        return ofWorkers((worker) => worker.loopLagNs / NS_PER_S);
      case "workerSessionsActive":
        return ofWorkers((worker) => worker.sessionsActive);
      case "pipesInUse":
        return overWorkers((worker) => worker.pipesInUse);
      case "fdsInUse":
        return overWorkers((worker) => worker.fdsInUse);
      case "accessLogDroppedTotal":
        return ofProcess(sources.accessLogDropped);
      case "buildInfo":
        return [{ labels: [sources.version], value: 1 }];
    }
  };

  return (key, { name, help, labels }) => {
    switch (key) {
      case "connectDurationSeconds": {
        const samples = distributions(tenants, "connectBuckets", "connectUsSum");
        return { name, help, labels, type: "histogram", bounds: BOUNDS_S, samples };
      }
      case "sessionDurationSeconds": {
        const samples = distributions(tenants, "sessionBuckets", "sessionUsSum");
        return { name, help, labels, type: "histogram", bounds: BOUNDS_S, samples };
      }
      default:
        return { name, help, labels, type: METRICS[key].type, samples: samplesOf(key) };
    }
  };
}

function byKey(tenant: string, counts: ReadonlyMap<string, number>): Sample[] {
  return Array.from(counts, ([key, value]) => ({ labels: [tenant, key], value }));
}

function distributions(
  tenants: readonly (TenantStats & { readonly tenant: string })[],
  buckets: "connectBuckets" | "sessionBuckets",
  sum: "connectUsSum" | "sessionUsSum",
): Distribution[] {
  return tenants.filter((one) => countOf(one[buckets]) > 0).map((one) => ({
    labels: [one.tenant],
    buckets: one[buckets],
    sum: one[sum] / US_PER_S,
  }));
}

/** The family without the labels that say whose something is: samples that then look the same are summed. */
function withoutTenants(family: Family): Family {
  const kept = [...family.labels.keys()].filter((index) => {
    const label = family.labels[index];
    return label !== undefined && !TENANT_LABELS.includes(label);
  });
  if (kept.length === family.labels.length) return family;
  const labels = family.labels.filter((_, index) => kept.includes(index));
  if (family.type === "histogram") {
    const samples = fold(family.samples, kept, (one, other) => ({
      buckets: addBuckets(one.buckets, other.buckets),
      sum: one.sum + other.sum,
    }));
    return { ...family, labels, samples };
  }
  const samples = fold(family.samples, kept, (one, other) => ({ value: one.value + other.value }));
  return { ...family, labels, samples };
}

function fold<S extends { readonly labels: readonly string[] }>(
  samples: readonly S[],
  kept: readonly number[],
  add: (one: S, other: S) => Omit<S, "labels">,
): S[] {
  const sums = new Map<string, S>();
  for (const sample of samples) {
    const labels = kept.map((index) => sample.labels[index] ?? "");
    const key = labels.join("\n");
    const before = sums.get(key);
    sums.set(key, before === undefined ? { ...sample, labels } : { ...before, ...add(before, sample) });
  }
  return [...sums.values()];
}
