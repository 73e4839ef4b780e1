/**
 * `/v1/status`, `/v1/stats` and `/metrics`: numbers.
 *
 * @module
 */

import type { AdminDeps } from "../context.ts";
import type { Actor } from "../control.ts";
import { type AdminApp, operation } from "../operation.ts";
import { notFound } from "../problem.ts";
import { names, tenant as tenantQuery } from "../query.ts";
import { tenantInScope } from "../scope.ts";
import { statsSchema, statusSchema } from "../views.ts";
import { z } from "zod";

/** Media type of Prometheus' text format. */
const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Puts the routes on. */
export function statusRoutes(app: AdminApp, { control }: AdminDeps): void {
  /** The tenant that is asked for, if there is one; 404 when it is not there. */
  const existing = (actor: Actor, asked: string | undefined): { readonly tenant?: string } => {
    const tenant = tenantInScope(actor, asked);
    if (tenant === undefined) return {};
    if (asked !== undefined && control.object({ tenant }) === null) throw notFound();
    return { tenant };
  };

  operation(app, {
    method: "get",
    path: "/v1/status",
    summary: "Version, generation, last reload, tenants in error",
    tag: "Process",
    reach: "process",
    answers: { 200: { description: "The process at a glance.", content: { "application/json": statusSchema } } },
  }, (context) => context.json(control.status()));

  operation(app, {
    method: "get",
    path: "/v1/stats",
    summary: "Counters of all tenants, or of one",
    tag: "Observe",
    reach: "scoped",
    query: tenantQuery,
    problems: [404],
    answers: { 200: { description: "Counters.", content: { "application/json": statsSchema } } },
  }, (context, { actor, query }) => context.json(control.stats(existing(actor, query.tenant).tenant)));

  operation(app, {
    method: "get",
    path: "/metrics",
    summary: "Metrics in Prometheus' text format",
    tag: "Observe",
    reach: "scoped",
    query: { ...tenantQuery, ...names },
    problems: [404],
    answers: { 200: { description: "Metrics.", content: { "text/plain": z.string() } } },
  }, (context, { actor, query }) => {
    const only = query["name[]"].length === 0 ? {} : { names: query["name[]"] };
    const text = control.metrics({ ...existing(actor, query.tenant), ...only });
    return context.body(text, 200, { "Content-Type": METRICS_TYPE });
  });
}
