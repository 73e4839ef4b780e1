/**
 * A tenant's listeners, routes and backends, and the endpoints of a backend: four collections that work alike.
 *
 * @module
 */

import type { z } from "zod";
import { answerObject, answerWrite, DELETE_ANSWERS, objectAnswers, writeAnswers, writeOptions } from "../answers.ts";
import { PATCH_TYPES, readObject } from "../body.ts";
import { componentRef, type ConfigComponent } from "../config_components.ts";
import type { AdminDeps } from "../context.ts";
import type { ObjectPath } from "../control.ts";
import { listOf } from "../list.ts";
import { type AdminApp, operation } from "../operation.ts";
import { pageOf } from "../pages.ts";
import { notFound } from "../problem.ts";
import { drain, dryRun, paging, pathParams } from "../query.ts";

type Ids = Readonly<Record<string, string>>;

/** What differs between the four. */
interface PartKind {
  readonly tag: string;
  readonly component: ConfigComponent;
  /** One of them, for summaries. */
  readonly noun: string;
  /** Path of the collection. */
  readonly path: string;
  /** Name of the item's parameter. */
  readonly name: string;
  /** Parameters of the collection's path. */
  readonly params: Readonly<Record<string, z.ZodString>>;
  /** Where the item of this id is. */
  at(ids: Ids, id: string): ObjectPath;
  /** Ids in the collection, in written order; null when what it belongs to is not there. */
  list(deps: AdminDeps, ids: Ids): readonly string[] | null;
}

const tenantPart = (kind: "listeners" | "routes" | "backends", component: ConfigComponent, name: string): PartKind => ({
  tag: `${component}s`,
  component,
  noun: name,
  path: `/v1/tenants/{tenant}/${kind}`,
  name,
  params: pathParams.tenant,
  at: ({ tenant = "" }, id) => ({ tenant, part: { kind, id } }),
  list: ({ control }, { tenant = "" }) => control.partIds(tenant, kind),
});

const KINDS: readonly PartKind[] = [
  tenantPart("listeners", "Listener", "listener"),
  tenantPart("routes", "Route", "route"),
  tenantPart("backends", "Backend", "backend"),
  {
    tag: "Endpoints",
    component: "Endpoint",
    noun: "endpoint",
    path: "/v1/tenants/{tenant}/backends/{backend}/endpoints",
    name: "endpoint",
    params: { ...pathParams.tenant, ...pathParams.part("backend") },
    at: ({ tenant = "", backend = "" }, id) => ({ tenant, part: { kind: "endpoints", backend, id } }),
    list: ({ control }, { tenant = "", backend = "" }) => control.endpointIds(tenant, backend),
  },
];

/** Puts the routes on. */
export function partRoutes(app: AdminApp, deps: AdminDeps): void {
  for (const kind of KINDS) {
    collection(app, deps, kind);
    item(app, deps, kind);
  }
  for (const state of ["drain", "ready", "maintenance"] as const) endpointState(app, deps, state);
}

function collection(app: AdminApp, deps: AdminDeps, kind: PartKind): void {
  const { control } = deps;
  const { tag, component, path, params } = kind;

  operation(app, {
    method: "get",
    path,
    summary: `All ${kind.noun}s, in written order`,
    tag,
    reach: "scoped",
    params,
    query: paging,
    answers: { 200: { description: "A page of them.", content: { "application/json": listOf(component) } } },
  }, (context, { params, query }) => {
    const ids = kind.list(deps, params);
    if (ids === null) throw notFound();
    return context.json(pageOf(ids, query.limit, query.cursor, (id) => control.object(kind.at(params, id))));
  });

  operation(app, {
    method: "post",
    path,
    summary: `Create a ${kind.noun}`,
    tag,
    reach: "scoped",
    params,
    query: dryRun,
    body: { "application/json": componentRef(component) },
    problems: [409, 412, 428],
    answers: writeAnswers(component, 201),
  }, async (context, { params, query, actor }) => {
    const options = writeOptions(context, actor, query, () => null);
    const value = await readObject(context);
    const id = typeof value["id"] === "string" ? value["id"] : "";
    const result = await control.edit(kind.at(params, id), { kind: "create", value }, options);
    return answerWrite(context, result, options, `${context.req.path}/${id}`);
  });
}

function item(app: AdminApp, { control }: AdminDeps, kind: PartKind): void {
  const { tag, component } = kind;
  const path = `${kind.path}/{${kind.name}}`;
  const params = { ...kind.params, ...pathParams.part(kind.name) };
  const at = (ids: Ids) => kind.at(ids, ids[kind.name] ?? "");
  const common = { path, tag, reach: "scoped", params } as const;
  const problems = [409, 412, 428] as const;

  operation(app, {
    ...common,
    method: "get",
    summary: `A ${kind.noun} as it is written`,
    answers: objectAnswers(component),
  }, (context, { params }) => answerObject(context, control.object(at(params))));

  operation(app, {
    ...common,
    method: "put",
    summary: `Create or replace a ${kind.noun}`,
    query: dryRun,
    body: { "application/json": componentRef(component) },
    problems,
    answers: writeAnswers(component, 200, 201),
  }, async (context, { params, query, actor }) => {
    const options = writeOptions(context, actor, query, () => control.object(at(params)));
    const value = await readObject(context);
    const result = await control.edit(at(params), { kind: "put", value }, options);
    return answerWrite(context, result, options, context.req.path);
  });

  operation(app, {
    ...common,
    method: "patch",
    summary: `Change a ${kind.noun} by JSON Merge Patch (RFC 7396)`,
    query: dryRun,
    body: { "application/merge-patch+json": {}, "application/json": {} },
    problems,
    answers: writeAnswers(component, 200),
  }, async (context, { params, query, actor }) => {
    const options = writeOptions(context, actor, query, () => control.object(at(params)));
    const patch = await readObject(context, PATCH_TYPES);
    return answerWrite(context, await control.edit(at(params), { kind: "patch", patch }, options), options);
  });

  operation(app, {
    ...common,
    method: "delete",
    summary: `Remove a ${kind.noun}`,
    query: { ...dryRun, ...drain },
    problems: [...problems, 422],
    answers: DELETE_ANSWERS,
  }, async (context, { params, query, actor }) => {
    const options = writeOptions(context, actor, query, () => control.object(at(params)));
    const drainMs = query.drain === undefined ? {} : { drainMs: query.drain };
    return answerWrite(context, await control.edit(at(params), { kind: "delete", ...drainMs }, options), options);
  });
}

const STATE_SUMMARIES = {
  drain: "No new sessions on this endpoint; live ones run on",
  ready: "Use this endpoint again",
  maintenance: "Take this endpoint out of use",
} as const;

function endpointState(app: AdminApp, { control }: AdminDeps, state: keyof typeof STATE_SUMMARIES): void {
  operation(app, {
    method: "post",
    path: `/v1/tenants/{tenant}/backends/{backend}/endpoints/{endpoint}/${state}`,
    summary: STATE_SUMMARIES[state],
    tag: "Endpoints",
    reach: "scoped",
    params: { ...pathParams.tenant, ...pathParams.part("backend"), ...pathParams.part("endpoint") },
    query: dryRun,
    problems: [409, 412, 422, 428],
    answers: writeAnswers("Endpoint", 200),
  }, async (context, { params, query, actor }) => {
    const { tenant = "", backend = "", endpoint = "" }: Ids = params;
    const path: ObjectPath = { tenant, part: { kind: "endpoints", backend, id: endpoint } };
    const options = writeOptions(context, actor, query, () => control.object(path));
    return answerWrite(context, await control.edit(path, { kind: "patch", patch: { state } }, options), options);
  });
}
