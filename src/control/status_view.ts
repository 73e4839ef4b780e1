/**
 * What readers of the admin API are told of the running system: statuses, sessions, counters. Pure; made from what is in
 * force and the data plane's counters.
 *
 * @module
 */

import { formatProblem, inTenantsWords, type Problem } from "../config/mod.ts";
import type { SessionView, StatusView, TenantStatusView } from "../admin/control.ts";
import type { LiveSession } from "../ffi/mod.ts";
import type { ControlPlane } from "./control_plane.ts";
import type { DataPlane } from "./data_plane.ts";
import { countsSources, limitsView, MOST_SOURCES, sourcesView } from "./limits_view.ts";
import { entriesOf } from "./parts.ts";
import { valueOf } from "./targets.ts";

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
  dataPlane: Pick<DataPlane, "tenantStatsOf" | "sourcesOf" | "endpointStats">,
): TenantStatusView | null {
  const unit = control.units.get(id);
  if (unit === undefined) return null;
  const { running } = unit;
  const limits = running?.plan.limits ?? null;
  const stats = dataPlane.tenantStatsOf(id);
  const sources = limits !== null && countsSources(limits) ? dataPlane.sourcesOf(id, MOST_SOURCES) : [];
  const counters = dataPlane.endpointStats().filter(({ tenant }) => tenant === id);
  const written = running?.written ?? valueOf(unit);
  return {
    sessions: stats?.sessionsActive ?? 0,
    limits: limitsView(limits, stats, sources),
    sources: limits === null ? [] : sourcesView(limits, sources),
    backends: entriesOf(written, "backends").map((backend) => ({
      id: String(backend["id"]),
      circuit: "closed" as const,
      endpoints: entriesOf(backend, "endpoints").map((endpoint) => ({
        id: String(endpoint["id"]),
        address: String(endpoint["address"]),
        health: "unknown" as const,
        state: stateOf(endpoint["state"]),
        sessions: counters.filter((one) => one.backend === backend["id"] && one.endpoint === endpoint["id"])
          .reduce((sum, one) => sum + one.sessionsActive, 0),
        ejected: false,
      })),
    })),
    errors: sentences(isTenants ? unit.problems.map(inTenantsWords) : unit.problems),
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
