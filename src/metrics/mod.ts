/**
 * The metrics room's door: from counters to Prometheus text and to JSON.
 *
 * @module
 */

export { collectMetrics, type Distribution, type Family, type Sample } from "./collect.ts";
export { type Label, type Metric, type MetricKey, METRICS, type MetricType } from "./names.ts";
export { formatPrometheus, PROMETHEUS_CONTENT_TYPE } from "./prometheus.ts";
export type { MetricFilter, MetricSources } from "./sources.ts";
export { type DurationStats, type ProcessStatsView, type StatsView, statsView, type TenantStatsView } from "./stats.ts";
