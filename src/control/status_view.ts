/**
 * What readers of the admin API are told of the running system: statuses, sessions, counters. Pure; made from what is in
 * force and the data plane's counters.
 *
 * @module
 */

import { formatProblem, inTenantsWords, type Problem } from "../config/mod.ts";
import type { CanaryView, EndpointAddressView, SessionView, StatusView, TenantStatusView } from "../admin/control.ts";
import type { CanaryStatus } from "../canary/mod.ts";
import { type EndpointStats, formatAddress, type Health, type LiveSession } from "../ffi/mod.ts";
import type { HealthRow } from "../health/mod.ts";
import type { ControlPlane } from "./control_plane.ts";
import type { DataPlane } from "./data_plane.ts";
import { countsSources, limitsView, MOST_SOURCES, sourcesView } from "./limits_view.ts";
import { entriesOf } from "./parts.ts";
import { valueOf } from "./targets.ts";
import type { RunningTenant } from "./unit_state.ts";

/** Tenants with errors: those whose file is wrong, and files that cannot be a tenant's. */
export function tenantsInError(
  control: ControlPlane,
): { readonly tenant: string; readonly errors: readonly string[] }[] {
  const found = [...control.units.values()].filter((unit) => unit.problems.length > 0)
    .map((unit) => ({ tenant: unit.id, errors: sentences(unit.problems) }));
  for (const [path, problems] of control.strays) {
    found.push({ tenant: path.slice(path.lastIndexOf("/") + 1).replace(/\.ya?ml$/, ""), errors: sentences(problems) });
  }
  return found;
}

/** The process at a glance. */
export function statusView(
  control: ControlPlane,
  { version, uptimeMs }: { version: string; uptimeMs: number },
): StatusView {
  const report = control.lastReload;
  return {
    version,
    generation: control.generation,
    uptime_s: Math.floor(uptimeMs / 1000),
    workers: control.status().workers,
    last_reload: report === null ? null : {
      at: new Date(report.atMs).toISOString(),
      ok: report.ok,
      changed: report.changed,
      generation: report.generation,
      errors: report.errors,
    },
    tenants_in_error: tenantsInError(control),
  };
}

/** A tenant's status, for its own token or for others; null when there is no such tenant. */
export function tenantStatusView(
  control: ControlPlane,
  id: string,
  isTenants: boolean,
  dataPlane: Pick<DataPlane, "tenantStatsOf" | "sourcesOf" | "backendStats" | "endpointStats">,
  canaryOf: (tenant: string, backend: string) => CanaryStatus | null,
): TenantStatusView | null {
  const unit = control.units.get(id);
  if (unit === undefined) return null;
  const { running } = unit;
  const limits = running?.plan.limits ?? null;
  const stats = dataPlane.tenantStatsOf(id);
  const sources = limits !== null && countsSources(limits) ? dataPlane.sourcesOf(id, MOST_SOURCES) : [];
  const isIts = ({ tenant }: { readonly tenant: string | null }) => tenant === id;
  const circuits = new Map(dataPlane.backendStats().filter(isIts).map(({ backend, circuit }) => [backend, circuit]));
  const counters = Map.groupBy(
    dataPlane.endpointStats().filter(isIts),
    ({ backend, endpoint }) => `${backend}/${endpoint}`,
  );
  const checked = new Map(control.checks.rowsOf(id).map((row) => [rowKey(row), row]));
  const nameErrors = nameErrorsOf(running, control.names);
  const written = running?.written ?? valueOf(unit);
  return {
    sessions: stats?.sessionsActive ?? 0,
    limits: limitsView(limits, stats, sources),
    sources: limits === null ? [] : sourcesView(limits, sources),
    backends: entriesOf(written, "backends").map((backend) => ({
      id: String(backend["id"]),
      circuit: circuits.get(String(backend["id"])) ?? "closed",
      ...canaryView(canaryOf(id, String(backend["id"]))),
      endpoints: entriesOf(backend, "endpoints").map((endpoint) => {
        const key = `${backend["id"]}/${endpoint["id"]}`;
        const addresses = counters.get(key) ?? [];
        return {
          id: String(endpoint["id"]),
          address: String(endpoint["address"]),
          state: stateOf(endpoint["state"]),
          ...countersOf(addresses),
          name_error: nameErrors.get(key) ?? null,
          addresses: addresses.map((one) => addressView(one, checked.get(`${key} ${one.address}`))),
        };
      }),
    })),
    errors: sentences(isTenants ? unit.problems.map(inTenantsWords) : unit.problems),
  };
}

function canaryView(status: CanaryStatus | null): { readonly canary?: CanaryView } {
  if (status === null) return {};
  const { sinceMs, ...canary } = status;
  return { canary: { ...canary, since: new Date(sinceMs).toISOString() } };
}

function rowKey({ backend, endpoint, address }: HealthRow): string {
  return `${backend}/${endpoint} ${formatAddress(address)}`;
}

/** Of endpoints that are names, by `backend/endpoint`: why those, or some of them, cannot be resolved. */
function nameErrorsOf(running: RunningTenant | null, names: ControlPlane["names"]): Map<string, string> {
  const found = new Map<string, string>();
  for (const { id: backend, endpoints = [] } of running?.named?.config.backends ?? []) {
    for (const { id, address } of endpoints) {
      if (address.family !== "name") continue;
      const { error } = names.known({ kind: address.port === null ? "srv" : "host", name: address.name });
      if (error !== null) found.set(`${backend}/${id}`, error);
    }
  }
  return found;
}

function addressView(stats: EndpointStats, row: HealthRow | undefined): EndpointAddressView {
  return {
    address: stats.address ?? "",
    health: stats.health,
    since: row === undefined ? null : new Date(row.sinceMs).toISOString(),
    error: row?.error ?? null,
    sessions: stats.sessionsActive,
    ejected: stats.ejected,
  };
}

/** An endpoint with all its addresses: the best health of them, and whether one is ejected. */
function countersOf(
  addresses: readonly EndpointStats[],
): { readonly health: Health; readonly sessions: number; readonly ejected: boolean } {
  const isSome = (health: Health) => addresses.some((one) => one.health === health);
  return {
    health: isSome("up") ? "up" : isSome("down") && !isSome("unknown") ? "down" : "unknown",
    sessions: addresses.reduce((sum, one) => sum + one.sessionsActive, 0),
    ejected: addresses.some(({ ejected }) => ejected),
  };
}

function stateOf(written: unknown): "ready" | "drain" | "maintenance" {
  return written === "drain" || written === "maintenance" ? written : "ready";
}

function sentences(problems: readonly Problem[]): string[] {
  return problems.map(formatProblem);
}

/** A live session with the fields of the access log so far. */
export function sessionView(session: LiveSession): SessionView {
  return {
    ts: new Date(session.timeMs).toISOString(),
    session: session.session,
    tenant: session.tenant,
    listener: session.listener,
    route: session.route,
    backend: session.backend,
    endpoint: session.endpoint,
    client: session.client ?? "unix",
    client_port: session.clientPort,
    server_name: session.serverName?.toLowerCase() ?? null,
    alpn: session.alpn,
    bytes_up: session.bytesUp,
    bytes_down: session.bytesDown,
    queue_ms: milliseconds(session.queueUs),
    connect_ms: milliseconds(session.connectUs),
    first_byte_ms: milliseconds(session.firstByteUs),
    total_ms: milliseconds(session.totalUs),
    attempts: session.attempts,
    code: session.code,
    reason: session.reason,
    rtt_client_us: session.rttClientUs,
    rtt_server_us: session.rttServerUs,
    state: session.state,
    drain_in_ms: session.drainInMs,
  };
}

function milliseconds(us: number | null): number | null {
  return us === null ? null : us / 1000;
}
