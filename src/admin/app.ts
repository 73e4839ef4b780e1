/**
 * The admin API as one Hono application. The order of what a request passes is the order here. Made by `server.ts`;
 * tests call `fetch` without a server.
 *
 * @module
 */

import { OpenAPIHono } from "@hono/zod-openapi";
import { authentication } from "./auth.ts";
import { configComponents } from "./config_components.ts";
import type { AdminDeps, AdminEnv } from "./context.ts";
import { securityHeaders } from "./headers.ts";
import { inFlightLimit } from "./in_flight.ts";
import { MethodTable } from "./methods.ts";
import type { AdminApp } from "./operation.ts";
import { originChecks } from "./origin.ts";
import { notFound, Problem, renderError } from "./problem.ts";
import { refusalRecorder } from "./refusals.ts";
import { auditRoutes } from "./routes/audit.ts";
import { configRoutes } from "./routes/config.ts";
import { DOCS_PATHS, docsRoutes } from "./routes/docs.ts";
import { eventRoutes } from "./routes/events.ts";
import { healthRoutes } from "./routes/health.ts";
import { partRoutes } from "./routes/parts.ts";
import { sessionRoutes } from "./routes/sessions.ts";
import { statusRoutes } from "./routes/status.ts";
import { tenantRoutes } from "./routes/tenants.ts";

const PUBLIC_PATHS: ReadonlySet<string> = new Set(["/", "/v1/live", "/v1/ready", ...DOCS_PATHS]);

/** Makes the application. */
export function createAdminApp(deps: AdminDeps): AdminApp {
  const app: AdminApp = new OpenAPIHono<AdminEnv>();
  const recordRefusal = refusalRecorder(deps);
  app.onError((error, context) => {
    recordRefusal(error, context);
    return renderError(error, context, deps.log);
  });

  app.use(securityHeaders());
  app.use(originChecks(deps));
  app.use(authentication(deps, (path) => PUBLIC_PATHS.has(path)));
  app.use(inFlightLimit());

  healthRoutes(app, deps);
  statusRoutes(app, deps);
  configRoutes(app, deps);
  tenantRoutes(app, deps);
  partRoutes(app, deps);
  sessionRoutes(app, deps);
  eventRoutes(app, deps);
  auditRoutes(app, deps);
  docsRoutes(app, deps, () => document);

  for (const [name, schema] of Object.entries(configComponents(deps.configSchema))) {
    app.openAPIRegistry.registerComponent("schemas", name, schema);
  }
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", { type: "http", scheme: "bearer" });
  const document = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: { title: "Sluice admin API", version: deps.version },
  });

  const methods = new MethodTable(document.paths ?? {});
  app.notFound((context) => {
    const allow = methods.allow(context.req.path);
    if (allow === null) throw notFound();
    if (context.req.method === "OPTIONS") return context.body(null, 204, { Allow: allow });
    throw new Problem(405, `${context.req.method} is not a method of this path`, { headers: { Allow: allow } });
  });
  return app;
}
