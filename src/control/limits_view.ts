/**
 * What readers of a tenant's status are told of its limits: how much of each is in use, and which sources have most
 * sessions. Pure; made from the plan in force and the data plane's counters.
 *
 * @module
 */

import type { LimitView, TenantStatusView } from "../admin/control.ts";
import type { BucketPlan, LimitsPlan } from "../config/mod.ts";
import type { SourceStats, TenantStats } from "../ffi/mod.ts";

/** Sources that are told at the most. */
export const MOST_SOURCES = 10;

/** The period that a bucket's rate counts for. */
const RATE_PERIOD_S = 1000;

/** Whether sessions are counted by source. */
export function countsSources({ perSource }: LimitsPlan): boolean {
  return perSource.maxConnections !== null || perSource.connectionRate !== null;
}

/**
 * Each limit by its path in the configuration; `plan` is null for a tenant that does not run, `stats` for one that is
 * not known to the data plane.
 */
export function limitsView(
  plan: LimitsPlan | null,
  stats: TenantStats | null,
  sources: readonly SourceStats[],
): TenantStatusView["limits"] {
  const busiest = plan !== null && countsSources(plan) ? sources[0]?.sessions ?? 0 : null;
  return {
    "max_connections": cap(plan?.maxConnections, stats?.sessionsActive ?? 0),
    "connection_rate": bucket(plan?.connectionRate, stats?.sessionTokens),
    "bandwidth.up": bucket(plan?.bandwidth.up, stats?.upTokens),
    "bandwidth.down": bucket(plan?.bandwidth.down, stats?.downTokens),
    // Without a queue nobody may wait; who still does came before that.
    "queue.size": cap(plan?.queue?.size ?? 0, stats?.queueLength ?? 0),
    "per_source.max_connections": cap(plan?.perSource.maxConnections, busiest),
  };
}

/** Sources as they are told: `203.0.113.7/32`. */
export function sourcesView({ perSource }: LimitsPlan, sources: readonly SourceStats[]): TenantStatusView["sources"] {
  return sources.map(({ family, ip, sessions }) => ({
    source: `${ip}/${family === "ipv4" ? perSource.ipv4Bits : perSource.ipv6Bits}`,
    sessions,
  }));
}

/** How many at once; lowered under use, nothing is left. */
function cap(limit: number | null | undefined, used: number | null): LimitView {
  if (limit === null || limit === undefined) return { limit: null, used, left: null };
  return { limit, used, left: Math.max(0, limit - (used ?? 0)) };
}

/** A bucket is used as far as it is not full. `tokens` are those of the buckets that the data plane has by now. */
function bucket(plan: BucketPlan | null | undefined, tokens: number | null | undefined): LimitView {
  if (plan === null || plan === undefined) return { limit: null, used: null, left: null, rate: null };
  const left = Math.min(tokens ?? plan.burst, plan.burst);
  return { limit: plan.burst, used: plan.burst - left, left, rate: plan.ratePer1000s / RATE_PERIOD_S };
}
