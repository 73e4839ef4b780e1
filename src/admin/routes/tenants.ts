/**
 * `/v1/tenants` and a tenant's own verbs.
 *
 * @module
 */

import { answerObject, answerWrite, DELETE_ANSWERS, objectAnswers, writeAnswers, writeOptions } from "../answers.ts";
import { PATCH_TYPES, readObject } from "../body.ts";
import { componentRef } from "../config_components.ts";
import type { AdminContext, AdminDeps } from "../context.ts";
import type { Json, Versioned } from "../control.ts";
import { listOf } from "../list.ts";
import { type AdminApp, operation } from "../operation.ts";
import { pageOf } from "../pages.ts";
import { notFound } from "../problem.ts";
import { drain, dryRun, labels, paging, pathParams, wait } from "../query.ts";
import { tenantStatusSchema } from "../views.ts";
import { whenDrained } from "../wait.ts";

const TAG = "Tenants";
const PATH = "/v1/tenants/{tenant}";
const BODY = { "application/json": componentRef("Tenant") };
const PATCH_BODY = { "application/merge-patch+json": {}, "application/json": {} };
const params = pathParams.tenant;

/** Puts the routes on. */
export function tenantRoutes(app: AdminApp, deps: AdminDeps): void {
  const { control } = deps;
  collection(app, deps);

  operation(app, {
    method: "get",
    path: PATH,
    summary: "A tenant as it is written",
    tag: TAG,
    reach: "scoped",
    params,
    answers: objectAnswers("Tenant"),
  }, (context, { params }) => answerObject(context, control.object(params)));

  operation(app, {
    method: "put",
    path: PATH,
    summary: "Create or replace a tenant",
    tag: TAG,
    reach: "scoped",
    params,
    query: dryRun,
    body: BODY,
    problems: [409, 412, 428],
    answers: writeAnswers("Tenant", 200, 201),
  }, async (context, { params, query, actor }) => {
    const options = writeOptions(context, actor, query, () => control.object(params));
    const value = await readObject(context);
    const result = await control.edit(params, { kind: "put", value }, options);
    return answerWrite(context, result, options, context.req.path);
  });

  operation(app, {
    method: "patch",
    path: PATH,
    summary: "Change a tenant by JSON Merge Patch (RFC 7396)",
    tag: TAG,
    reach: "scoped",
    params,
    query: dryRun,
    body: PATCH_BODY,
    problems: [409, 412, 428],
    answers: writeAnswers("Tenant", 200),
  }, async (context, { params, query, actor }) => {
    const options = writeOptions(context, actor, query, () => control.object(params));
    const patch = await readObject(context, PATCH_TYPES);
    return answerWrite(context, await control.edit(params, { kind: "patch", patch }, options), options);
  });

  operation(app, {
    method: "delete",
    path: PATH,
    summary: "Remove a tenant; its sessions drain",
    tag: TAG,
    reach: "scoped",
    params,
    query: { ...dryRun, ...drain },
    problems: [409, 412, 428],
    answers: DELETE_ANSWERS,
  }, async (context, { params, query, actor }) => {
    const options = writeOptions(context, actor, query, () => control.object(params));
    const drainMs = query.drain === undefined ? {} : { drainMs: query.drain };
    return answerWrite(context, await control.edit(params, { kind: "delete", ...drainMs }, options), options);
  });

  operation(app, {
    method: "get",
    path: `${PATH}/status`,
    summary: "Limits in use, health of backends, errors",
    tag: TAG,
    reach: "scoped",
    params,
    answers: { 200: { description: "How it is.", content: { "application/json": tenantStatusSchema } } },
  }, (context, { params, actor }) => {
    const status = control.tenantStatus(params.tenant, actor.role === "tenant");
    if (status === null) throw notFound();
    return context.json(status);
  });

  verbs(app, deps);
}

function collection(app: AdminApp, { control }: AdminDeps): void {
  operation(app, {
    method: "get",
    path: "/v1/tenants",
    summary: "All tenants, in order of id",
    tag: TAG,
    reach: "scoped",
    query: { ...paging, ...labels },
    answers: { 200: { description: "A page of them.", content: { "application/json": listOf("Tenant") } } },
  }, (context, { query, actor }) => {
    const ids = control.tenantIds();
    const own = actor.role === "tenant" ? ids.filter((id) => id === actor.tenant) : ids;
    const wanted = query.label.map(labelOf);
    const page = pageOf(own, query.limit, query.cursor, (tenant) => {
      const object = control.object({ tenant });
      return object !== null && wanted.every((matches) => matches(object)) ? object : null;
    });
    return context.json(page);
  });

  operation(app, {
    method: "post",
    path: "/v1/tenants",
    summary: "Create a tenant",
    tag: TAG,
    reach: "process",
    query: dryRun,
    body: BODY,
    problems: [409, 412, 428],
    answers: writeAnswers("Tenant", 201),
  }, async (context, { query, actor }) => {
    const options = writeOptions(context, actor, query, () => null);
    const value = await readObject(context);
    const tenant = typeof value["id"] === "string" ? value["id"] : "";
    const result = await control.edit({ tenant }, { kind: "create", value }, options);
    return answerWrite(context, result, options, `/v1/tenants/${tenant}`);
  });
}

/** `enable`, `disable` and `drain`. */
function verbs(app: AdminApp, deps: AdminDeps): void {
  const { control } = deps;
  const declared = {
    method: "post",
    tag: TAG,
    reach: "scoped",
    params,
    problems: [409, 412, 422, 428],
    answers: sessionsToo(writeAnswers("Tenant", 200)),
  } as const;

  for (const name of ["enable", "disable"] as const) {
    operation(app, {
      ...declared,
      path: `${PATH}/${name}`,
      summary: name === "enable" ? "Take new sessions again" : "Refuse new sessions; live ones run on",
      query: { ...dryRun, ...wait },
    }, async (context, { params: { tenant }, query, actor }) => {
      const options = writeOptions(context, actor, query, () => control.object({ tenant }));
      const result = await control.setEnabled(tenant, name === "enable", options);
      await tellSessions(context, deps, tenant, query);
      return answerWrite(context, result, options);
    });
  }

  operation(app, {
    ...declared,
    path: `${PATH}/drain`,
    summary: "Refuse new sessions, and close live ones after the drain",
    query: { ...dryRun, ...wait, ...drain },
  }, async (context, { params: { tenant }, query, actor }) => {
    const options = writeOptions(context, actor, query, () => control.object({ tenant }));
    const result = await control.drainTenant(tenant, query.drain, options);
    await tellSessions(context, deps, tenant, query);
    return answerWrite(context, result, options);
  });
}

/** Waits if that was asked for, and says how many sessions are left. */
async function tellSessions(
  context: AdminContext,
  deps: AdminDeps,
  tenant: string,
  query: { readonly dry_run: boolean; readonly wait?: number | undefined },
): Promise<void> {
  const waitMs = query.dry_run ? 0 : query.wait ?? 0;
  context.header("Sluice-Sessions", String(await whenDrained(deps, tenant, waitMs, context.req.raw.signal)));
}

function sessionsToo(answers: ReturnType<typeof writeAnswers>): ReturnType<typeof writeAnswers> {
  return Object.fromEntries(
    Object.entries(answers).map(([status, answer]) => [
      status,
      { ...answer, headers: [...answer.headers ?? [], "Sluice-Sessions" as const] },
    ]),
  );
}

/** `key=value`, `key:value`, or `key` alone. */
function labelOf(text: string): (tenant: Versioned) => boolean {
  const [, key = "", value] = /^([^=:]*)(?:[=:]([\s\S]*))?$/.exec(text) ?? [];
  return ({ value: tenant }) => {
    const labels: Json | undefined = tenant["labels"];
    if (typeof labels !== "object" || labels === null || Array.isArray(labels)) return false;
    if (!Object.hasOwn(labels, key)) return false;
    return value === undefined || String((labels as Readonly<Record<string, Json>>)[key]) === value;
  };
}
