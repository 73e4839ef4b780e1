/**
 * Every metric, once: name, type, help and labels, in the order of the exposition. `docs/metrics.md` says the same, which
 * a test holds against this table.
 *
 * @module
 */

/** How a metric's value behaves. */
export type MetricType = "counter" | "gauge" | "histogram";

/** Labels; all of them take values from bounded sets. */
export type Label =
  | "tenant"
  | "listener"
  | "backend"
  | "endpoint"
  | "reason"
  | "code"
  | "direction"
  | "worker"
  | "version";

/** One metric. */
export interface Metric {
  readonly name: string;
  readonly type: MetricType;
  readonly help: string;
  readonly labels: readonly Label[];
  /** A state: a sum over tenants says nothing, and is not told. */
  readonly isState?: true;
}

/** Labels that say whose something is: `metrics.per_tenant: off` sums them away. */
export const TENANT_LABELS: readonly Label[] = ["tenant", "listener", "backend", "endpoint"];

const ENDPOINT: readonly Label[] = ["tenant", "backend", "endpoint"];

/** All metrics. */
export const METRICS = {
  sessionsTotal: {
    name: "sluice_sessions_total",
    type: "counter",
    help: "Sessions that were accepted, also those refused after it.",
    labels: ["tenant", "listener"],
  },
  sessionsActive: {
    name: "sluice_sessions_active",
    type: "gauge",
    help: "Sessions that live now.",
    labels: ["tenant"],
  },
  sessionsRefusedTotal: {
    name: "sluice_sessions_refused_total",
    type: "counter",
    help: "Sessions that never got an endpoint, by reason; also those that a dry run let pass.",
    labels: ["tenant", "reason"],
  },
  sessionsDryRunRefusedTotal: {
    name: "sluice_sessions_dry_run_refused_total",
    type: "counter",
    help: "Those of the refused sessions that a dry run let pass, by reason.",
    labels: ["tenant", "reason"],
  },
  sessionsClosedTotal: {
    name: "sluice_sessions_closed_total",
    type: "counter",
    help: "Sessions that ended, by termination code; refused ones too.",
    labels: ["tenant", "code"],
  },
  bytesTotal: {
    name: "sluice_bytes_total",
    type: "counter",
    help: "Bytes delivered: up to endpoints, down to clients.",
    labels: ["tenant", "direction"],
  },
  connectDurationSeconds: {
    name: "sluice_connect_duration_seconds",
    type: "histogram",
    help: "Time from the first connect attempt of a session to the connection that held.",
    labels: ["tenant"],
  },
  sessionDurationSeconds: {
    name: "sluice_session_duration_seconds",
    type: "histogram",
    help: "Time from the accept of a session to its end.",
    labels: ["tenant"],
  },
  throttledSecondsTotal: {
    name: "sluice_throttled_seconds_total",
    type: "counter",
    help: "Time that sessions had bytes to move and were held back by a bandwidth limit, summed over sessions.",
    labels: ["tenant", "direction"],
  },
  queueLength: {
    name: "sluice_queue_length",
    type: "gauge",
    help: "Sessions that wait for a limit now.",
    labels: ["tenant"],
  },
  retriesTotal: {
    name: "sluice_retries_total",
    type: "counter",
    help: "Connect attempts beyond a session's first.",
    labels: ["tenant"],
  },
  circuitState: {
    name: "sluice_circuit_state",
    type: "gauge",
    help: "State of the backend's circuit breaker: 0 closed (also without one), 1 open, 2 half-open.",
    labels: ["tenant", "backend"],
    isState: true,
  },
  endpointUp: {
    name: "sluice_endpoint_up",
    type: "gauge",
    help: "1 when the endpoint gets new sessions: its state is ready, it is not known to be down and not ejected.",
    labels: ENDPOINT,
  },
  endpointEjected: {
    name: "sluice_endpoint_ejected",
    type: "gauge",
    help: "1 when the endpoint is passed over because connects have failed.",
    labels: ENDPOINT,
  },
  endpointSessionsActive: {
    name: "sluice_endpoint_sessions_active",
    type: "gauge",
    help: "Sessions on the endpoint now.",
    labels: ENDPOINT,
  },
  endpointConnectFailuresTotal: {
    name: "sluice_endpoint_connect_failures_total",
    type: "counter",
    help: "Connect attempts to the endpoint that failed.",
    labels: ENDPOINT,
  },
  preconnectIdle: {
    name: "sluice_preconnect_idle",
    type: "gauge",
    help: "Connections to the endpoint that are open ahead now.",
    labels: ENDPOINT,
  },
  configGeneration: {
    name: "sluice_config_generation",
    type: "gauge",
    help: "Generation of the configuration in force.",
    labels: [],
  },
  configLastReloadSuccessful: {
    name: "sluice_config_last_reload_successful",
    type: "gauge",
    help: "1 when the last reload (or the start) was good.",
    labels: [],
  },
  configLastReloadTimestampSeconds: {
    name: "sluice_config_last_reload_timestamp_seconds",
    type: "gauge",
    help: "Unix time of the last reload (or the start), good or bad.",
    labels: [],
  },
  configTenantsInError: {
    name: "sluice_config_tenants_in_error",
    type: "gauge",
    help: "Tenants whose written configuration is not in force because it is wrong.",
    labels: [],
  },
  workerLoopLagSeconds: {
    name: "sluice_worker_loop_lag_seconds",
    type: "gauge",
    help: "Longest turn of the worker's loop since the last time that anybody asked.",
    labels: ["worker"],
  },
  workerSessionsActive: {
    name: "sluice_worker_sessions_active",
    type: "gauge",
    help: "Sessions of the worker now.",
    labels: ["worker"],
  },
  pipesInUse: {
    name: "sluice_pipes_in_use",
    type: "gauge",
    help: "Pipes that sessions splice through now, all workers.",
    labels: [],
  },
  fdsInUse: {
    name: "sluice_fds_in_use",
    type: "gauge",
    help: "File descriptors of the data plane, all workers; each worker has a table of its own.",
    labels: [],
  },
  accessLogDroppedTotal: {
    name: "sluice_access_log_dropped_total",
    type: "counter",
    help: "Access log records that were dropped because the log could not keep up.",
    labels: [],
  },
  buildInfo: {
    name: "sluice_build_info",
    type: "gauge",
    help: "Always 1; the labels say what runs.",
    labels: ["version"],
  },
} as const satisfies Readonly<Record<string, Metric>>;

/** What a metric is called in the code. */
export type MetricKey = keyof typeof METRICS;
