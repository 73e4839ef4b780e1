/**
 * `/v1/audit`: who did what.
 *
 * @module
 */

import type { AdminDeps } from "../context.ts";
import { type AdminApp, operation } from "../operation.ts";
import { paging } from "../query.ts";
import { redactChange } from "../redact.ts";
import { tenantInScope } from "../scope.ts";
import { auditSchema } from "../views.ts";

/** Puts the route on. */
export function auditRoutes(app: AdminApp, { control }: AdminDeps): void {
  operation(app, {
    method: "get",
    path: "/v1/audit",
    summary: "Who did what, and what came of it",
    tag: "Observe",
    reach: "scoped",
    query: paging,
    answers: { 200: { description: "A page of entries.", content: { "application/json": auditSchema } } },
  }, (context, { actor, query }) => {
    const page = control.audit(tenantInScope(actor, undefined) ?? null, query.limit, query.cursor ?? null);
    const items = page.items.map((entry) => ({ ...entry, changes: entry.changes.map(redactChange) }));
    return context.json({ ...page, items });
  });
}
