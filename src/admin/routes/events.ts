/**
 * `/v1/events`: what happens, as server-sent events.
 *
 * @module
 */

import { z } from "zod";
import type { AdminContext, AdminDeps } from "../context.ts";
import { eventStream } from "../event_stream.ts";
import { type AdminApp, operation } from "../operation.ts";
import { Problem } from "../problem.ts";
import { tenant as tenantQuery } from "../query.ts";
import { redactObject } from "../redact.ts";
import { tenantInScope } from "../scope.ts";

/** Puts the route on. */
export function eventRoutes(app: AdminApp, { control, sleep, stopping }: AdminDeps): void {
  operation(app, {
    method: "get",
    path: "/v1/events",
    summary: "Events as they come (server-sent events); Last-Event-ID goes on after that one",
    tag: "Observe",
    reach: "scoped",
    query: tenantQuery,
    problems: [404],
    answers: { 200: { description: "Until one side ends it.", content: { "text/event-stream": z.string() } } },
  }, (context, { actor, query }) => {
    const tenant = tenantInScope(actor, query.tenant);
    const afterId = lastEventId(context);
    const stream = eventStream({
      subscribe: (listener) =>
        control.subscribe(afterId, (event) => {
          if (tenant !== undefined && event.tenant !== tenant) return;
          listener({ ...event, data: redactObject(event.data) });
        }),
      sleep,
      ended: stopping,
    });
    return context.body(stream, 200, { "Content-Type": "text/event-stream; charset=utf-8" });
  });
}

function lastEventId(context: AdminContext): number | null {
  const header = context.req.header("Last-Event-ID");
  if (header === undefined || header === "") return null;
  if (/^\d{1,15}$/.test(header)) return Number(header);
  throw new Problem(400, "Last-Event-ID must be the id of an event", {
    faults: [{ pointer: "", parameter: "Last-Event-ID", detail: "must be the id of an event" }],
  });
}
