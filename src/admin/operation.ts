/**
 * How a route is declared: once, for Hono and for the OpenAPI document. A request passes: who may (roles) → path →
 * query → handler.
 *
 * @module
 */

import { createRoute, type OpenAPIHono, type RouteConfig } from "@hono/zod-openapi";
import { z } from "zod";
import type { AdminContext, AdminEnv } from "./context.ts";
import type { Actor } from "./control.ts";
import { notFound, Problem, PROBLEM_TYPE, type ProblemStatus } from "./problem.ts";
import { problemSchema } from "./views.ts";

/** The application that routes are put on. */
export type AdminApp = OpenAPIHono<AdminEnv>;

/** A schema of zod, or a reference to a component. */
type Schema = z.ZodType | { readonly $ref: string } | Readonly<Record<string, unknown>>;

/** An answer that is not an error. */
export interface Answer {
  readonly description: string;
  /** Schema by media type; none: no body. */
  readonly content?: Readonly<Record<string, Schema>>;
  readonly headers?: readonly (keyof typeof HEADERS)[];
}

/**
 * Who may ask. `public`: anybody. `scoped`: tenant tokens too, for what is theirs; the handler narrows what is not named
 * by `{tenant}` in the path. `process`: what concerns everybody, not for tenant tokens.
 */
export type Reach = "public" | "scoped" | "process";

/** A declared route. */
export interface Operation<P extends z.ZodRawShape, Q extends z.ZodRawShape> {
  readonly method: "get" | "post" | "put" | "patch" | "delete";
  /** With `{name}` for parameters. */
  readonly path: string;
  readonly summary: string;
  readonly tag: string;
  readonly reach: Reach;
  readonly params?: P;
  readonly query?: Q;
  /** Schema by media type. */
  readonly body?: Readonly<Record<string, Schema>>;
  readonly answers: Readonly<Record<number, Answer>>;
  /** Errors beyond those of every route. */
  readonly problems?: readonly ProblemStatus[];
}

/** What a handler gets beside the context. */
export interface Input<P extends z.ZodRawShape, Q extends z.ZodRawShape> {
  readonly params: z.output<z.ZodObject<P>>;
  readonly query: z.output<z.ZodObject<Q>>;
  readonly actor: Actor;
}

const HEADERS = {
  ETag: "Validator of the object, for If-Match and If-None-Match.",
  Location: "Where the new object is.",
  "Sluice-Generation": "Generation of the configuration that is in force.",
  "Sluice-Sessions": "Live sessions of the tenant when this was answered.",
} as const;

const REFUSED = { audit: "refused: not allowed" };

/** Who asks on public routes. */
const NOBODY: Actor = { name: "anybody", role: "viewer" };

/** Puts a route on the application and into its OpenAPI document. */
export function operation<
  P extends z.ZodRawShape = Record<never, never>,
  Q extends z.ZodRawShape = Record<never, never>,
>(
  app: AdminApp,
  declared: Operation<P, Q>,
  handle: (context: AdminContext, input: Input<P, Q>) => Response | Promise<Response>,
): void {
  const params = z.object(declared.params ?? {}) as unknown as z.ZodObject<P>;
  const query = z.strictObject(declared.query ?? {}) as unknown as z.ZodObject<Q>;
  const route = describe(declared, params, query);
  app.openAPIRegistry.registerPath(route);
  app.on(declared.method, route.getRoutingPath(), async (context) => {
    const actor = declared.reach === "public" ? NOBODY : context.get("actor");
    authorize(declared, actor, context);
    const named = params.safeParse(context.req.param());
    if (!named.success) throw notFound();
    return await handle(context, { params: named.data, query: parseQuery(query, context), actor });
  });
}

function authorize(declared: Pick<Operation<never, never>, "method" | "reach">, actor: Actor, context: AdminContext) {
  if (declared.reach === "public") return;
  if (actor.role === "tenant") {
    const tenant = context.req.param("tenant");
    if (declared.reach === "process") throw new Problem(403, "A token of a tenant may not do this", REFUSED);
    if (tenant !== undefined && tenant !== actor.tenant) throw notFound(REFUSED);
  }
  if (actor.role === "viewer" && declared.method !== "get") throw new Problem(403, "A viewer may only read", REFUSED);
}

function parseQuery<Q extends z.ZodRawShape>(schema: z.ZodObject<Q>, context: AdminContext) {
  const given = Object.entries(context.req.queries())
    .map(([name, values]) => [name, values.length === 1 ? values[0] : values]);
  const parsed = schema.safeParse(Object.fromEntries(given));
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.flatMap((issue) =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((parameter) => ({ pointer: "", parameter, detail: "is not a parameter of this route" }))
      : [{ pointer: "", parameter: String(issue.path[0] ?? ""), detail: messageOf(issue) }]
  );
  throw new Problem(400, "The query must hold only what this route knows", { faults });
}

function messageOf(issue: z.core.$ZodIssue): string {
  return issue.code === "invalid_type" ? "must be given once" : issue.message;
}

function describe(declared: Operation<z.ZodRawShape, z.ZodRawShape>, params: z.ZodObject, query: z.ZodObject) {
  const isOpen = declared.reach === "public";
  const isWrite = declared.method !== "get";
  const problems: ProblemStatus[] = [
    400,
    403,
    421,
    500,
    ...(isOpen ? [] : [401, 429] as const),
    ...(isWrite ? [503] as const : []),
    ...(declared.path.includes("{") ? [404] as const : []),
    ...(declared.body === undefined ? [] : [413, 415, 422] as const),
    ...(declared.problems ?? []),
  ];
  const responses: RouteConfig["responses"] = {};
  for (const status of [...new Set(problems)].sort()) {
    responses[status] = {
      description: "A problem (RFC 9457).",
      content: { [PROBLEM_TYPE]: { schema: problemSchema } },
    };
  }
  for (const [status, { description, content, headers }] of Object.entries(declared.answers)) {
    responses[status] = {
      description,
      ...(content === undefined ? {} : { content: contentOf(content) }),
      ...(headers === undefined ? {} : { headers: headersOf(headers) }),
    };
  }
  return createRoute({
    method: declared.method,
    path: declared.path,
    summary: declared.summary,
    tags: [declared.tag],
    operationId: operationId(declared.method, declared.path),
    security: isOpen ? [] : [{ bearer: [] }],
    request: {
      params,
      query,
      ...(isWrite && declared.reach !== "public" ? { headers: z.object(PRECONDITIONS) } : {}),
      ...(declared.body === undefined ? {} : { body: { required: true, content: contentOf(declared.body) } }),
    },
    responses,
  });
}

const PRECONDITIONS = {
  "If-Match": z.string().optional().describe("ETag that the object must have; * is any."),
  "If-None-Match": z.string().optional().describe("* : only create."),
};

function contentOf(content: Readonly<Record<string, Schema>>) {
  // Records of JSON Schema pass through as they are.
  return Object.fromEntries(
    Object.entries(content).map(([type, schema]) => [type, { schema: schema as z.ZodType }]),
  );
}

function headersOf(names: readonly (keyof typeof HEADERS)[]) {
  return Object.fromEntries(
    names.map((name) => [name, { description: HEADERS[name], schema: { type: "string" as const } }]),
  );
}

function operationId(method: string, path: string): string {
  const words = path.replace(/^\/v1\//, "").split(/[/.]/).filter((word) => word !== "");
  return [method, ...words.map((word) => word.startsWith("{") ? `by_${word.slice(1, -1)}` : word)].join("_");
}
