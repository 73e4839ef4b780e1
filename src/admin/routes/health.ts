/**
 * `/v1/live` and `/v1/ready`: for probes, without a token.
 *
 * @module
 */

import type { AdminDeps } from "../context.ts";
import { type AdminApp, operation } from "../operation.ts";
import { healthSchema } from "../views.ts";

const json = { "application/json": healthSchema };

/** Puts the routes on. */
export function healthRoutes(app: AdminApp, { control }: AdminDeps): void {
  operation(app, {
    method: "get",
    path: "/v1/live",
    summary: "Whether the process answers",
    tag: "Process",
    reach: "public",
    answers: { 200: { description: "It does.", content: json } },
  }, (context) => context.json({ status: "live" }));

  operation(app, {
    method: "get",
    path: "/v1/ready",
    summary: "Whether traffic is up",
    tag: "Process",
    reach: "public",
    answers: {
      200: { description: "It is.", content: json },
      503: { description: "Not yet, or not any more.", content: json },
    },
  }, (context) => control.isReady() ? context.json({ status: "ready" }) : context.json({ status: "not_ready" }, 503));
}
