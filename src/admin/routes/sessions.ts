/**
 * `/v1/sessions`: live sessions, and closing them.
 *
 * @module
 */

import type { AdminDeps } from "../context.ts";
import type { Actor, SessionFilter, SessionView } from "../control.ts";
import { type AdminApp, operation } from "../operation.ts";
import { notFound } from "../problem.ts";
import { dryRun, MOST_ITEMS, paging, pathParams, sessionFilter } from "../query.ts";
import { tenantInScope } from "../scope.ts";
import { closedSchema, dryRunSchema, sessionSchema, sessionsSchema } from "../views.ts";

const TAG = "Sessions";
const PATH = "/v1/sessions/{session}";
const params = pathParams.session;
const DRY_RUN_OR_CLOSED = { anyOf: [{ $ref: "#/components/schemas/Closed" }, { $ref: "#/components/schemas/DryRun" }] };

/** The filters as they come from the query. */
interface FilterQuery {
  readonly tenant?: string | undefined;
  readonly backend?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly source?: string | undefined;
  readonly older_than?: number | undefined;
}

/** Puts the routes on. */
export function sessionRoutes(app: AdminApp, deps: AdminDeps): void {
  const { control } = deps;
  app.openAPIRegistry.register("Closed", closedSchema);
  app.openAPIRegistry.register("DryRun", dryRunSchema);

  const visible = (actor: Actor, id: string): SessionView => {
    const session = control.session(id);
    const isHidden = actor.role === "tenant" && session?.["tenant"] !== actor.tenant;
    if (session === null || isHidden) throw notFound();
    return session;
  };

  operation(
    app,
    {
      method: "get",
      path: "/v1/sessions",
      summary: "Live sessions",
      tag: TAG,
      reach: "scoped",
      query: { ...sessionFilter, ...paging },
      problems: [404],
      answers: { 200: { description: "A page of them.", content: { "application/json": sessionsSchema } } },
    },
    (context, { actor, query }) =>
      context.json(control.sessions(filterOf(actor, query), query.limit, query.cursor ?? null)),
  );

  operation(app, {
    method: "delete",
    path: "/v1/sessions",
    summary: "Close the live sessions that match",
    tag: TAG,
    reach: "scoped",
    query: { ...sessionFilter, ...dryRun },
    problems: [404],
    answers: {
      200: {
        description: "How many.",
        content: { "application/json": DRY_RUN_OR_CLOSED },
        headers: ["Sluice-Generation"],
      },
    },
  }, (context, { actor, query }) => {
    const filter = filterOf(actor, query);
    context.header("Sluice-Generation", String(control.status().generation));
    if (!query.dry_run) return context.json({ closed: control.killSessions(filter, actor) });
    return context.json({ changes: [], sessions: { kept: 0, drained: countSessions(deps, filter) } });
  });

  operation(app, {
    method: "get",
    path: PATH,
    summary: "A live session",
    tag: TAG,
    reach: "scoped",
    params,
    answers: { 200: { description: "The session so far.", content: { "application/json": sessionSchema } } },
  }, (context, { actor, params }) => context.json(visible(actor, params.session)));

  operation(app, {
    method: "delete",
    path: PATH,
    summary: "Close a live session",
    tag: TAG,
    reach: "scoped",
    params,
    query: dryRun,
    answers: {
      200: { description: "What a dry run found.", content: { "application/json": dryRunSchema } },
      204: { description: "It is closed.", headers: ["Sluice-Generation"] },
    },
  }, (context, { actor, params: { session }, query }) => {
    visible(actor, session);
    context.header("Sluice-Generation", String(control.status().generation));
    if (query.dry_run) return context.json({ changes: [], sessions: { kept: 0, drained: 1 } });
    if (!control.killSession(session, actor)) throw notFound();
    return context.body(null, 204);
  });
}

function filterOf(actor: Actor, query: FilterQuery): SessionFilter {
  const { backend, endpoint, source, older_than: olderThanMs } = query;
  const tenant = tenantInScope(actor, query.tenant);
  return {
    ...(tenant === undefined ? {} : { tenant }),
    ...(backend === undefined ? {} : { backend }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(source === undefined ? {} : { source }),
    ...(olderThanMs === undefined ? {} : { olderThanMs }),
  };
}

function countSessions({ control }: AdminDeps, filter: SessionFilter): number {
  let count = 0;
  let cursor: string | null = null;
  do {
    const page: ReturnType<typeof control.sessions> = control.sessions(filter, MOST_ITEMS, cursor);
    count += page.items.length;
    cursor = page.next_cursor;
  } while (cursor !== null);
  return count;
}
