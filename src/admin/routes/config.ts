/**
 * `/v1/config` and below: the whole configuration. Not for tenant tokens.
 *
 * @module
 */

import { stringify } from "yaml";
import { answerWrite, objectAnswers, writeAnswers, writeOptions } from "../answers.ts";
import { readConfig, readObject } from "../body.ts";
import type { AdminContext, AdminDeps } from "../context.ts";
import { componentRef } from "../config_components.ts";
import { type AdminApp, operation } from "../operation.ts";
import { isUnchanged } from "../preconditions.ts";
import { Problem } from "../problem.ts";
import { dryRun } from "../query.ts";
import { redact, redactChange } from "../redact.ts";
import { generationsSchema, reloadSchema, validationSchema } from "../views.ts";
import { z } from "zod";

const BODY = { "application/json": componentRef("Config"), "application/yaml": z.string() };
const TAG = "Configuration";

const rollbackSchema = z.strictObject({ generation: z.int("must be a whole number").min(0) }).meta({ id: "Rollback" });

/** Puts the routes on. */
export function configRoutes(app: AdminApp, deps: AdminDeps): void {
  const { control } = deps;
  const current = () => control.config();

  operation(app, {
    method: "get",
    path: "/v1/config",
    summary: "The configuration, as JSON or (by Accept) as YAML with its comments",
    tag: TAG,
    reach: "process",
    answers: {
      ...objectAnswers("Config"),
      200: { description: "As it is written. Viewers do not see hashes of tokens.", content: BODY, headers: ["ETag"] },
    },
  }, (context, { actor }) => {
    const { value, etag } = control.config();
    const headers = { ETag: etag, Vary: "Accept" };
    if (isUnchanged(context, etag)) return context.body(null, 304, headers);
    const shown = actor.role === "admin" ? value : redact(value);
    if (!prefersYaml(context)) return context.json(shown, 200, headers);
    // Comments may hold anything: those who may not see all get none.
    const text = actor.role === "admin" ? control.configYaml() : stringify(shown);
    return context.body(text, 200, { ...headers, "Content-Type": "application/yaml" });
  });

  operation(app, {
    method: "put",
    path: "/v1/config",
    summary: "Replace the configuration; If-Match is needed",
    tag: TAG,
    reach: "process",
    query: dryRun,
    body: BODY,
    problems: [409, 412, 428],
    answers: writeAnswers("Config", 200),
  }, async (context, { actor, query }) => {
    const options = writeOptions(context, actor, query, current);
    if (options.ifMatch === undefined) {
      throw new Problem(428, "If-Match must hold the ETag of the configuration that is replaced");
    }
    const config = await readConfig(context);
    return answerWrite(context, await control.replaceConfig(config, options), options);
  });

  operation(app, {
    method: "post",
    path: "/v1/config/validate",
    summary: "What is wrong with a configuration, all at once; changes nothing",
    tag: TAG,
    reach: "process",
    body: BODY,
    answers: { 200: { description: "What was found.", content: { "application/json": validationSchema } } },
  }, async (context) => {
    const errors = await control.validateConfig(await readConfig(context));
    return context.json({ valid: errors.length === 0, errors });
  });

  operation(app, {
    method: "post",
    path: "/v1/config/reload",
    summary: "Read the files again and put them in force",
    tag: TAG,
    reach: "process",
    problems: [422],
    answers: {
      200: {
        description: "In force, or unchanged.",
        content: { "application/json": reloadSchema },
        headers: ["Sluice-Generation"],
      },
    },
  }, async (context, { actor }) => {
    const summary = await control.reload(actor);
    const headers = { "Sluice-Generation": String(summary.generation) };
    if (summary.ok) return context.json(summary, 200, headers);
    const faults = summary.errors.map((detail) => ({ pointer: "", detail }));
    throw new Problem(422, "Cannot reload: the old configuration goes on", { faults, headers });
  });

  operation(app, {
    method: "get",
    path: "/v1/config/schema",
    summary: "JSON Schema of the configuration file",
    tag: TAG,
    reach: "process",
    answers: { 200: { description: "The schema.", content: { "application/schema+json": z.looseObject({}) } } },
  }, (context) => context.body(JSON.stringify(deps.configSchema), 200, { "Content-Type": "application/schema+json" }));

  operation(app, {
    method: "get",
    path: "/v1/config/generations",
    summary: "Configurations that were in force: who, when, what changed",
    tag: TAG,
    reach: "process",
    answers: { 200: { description: "Newest last.", content: { "application/json": generationsSchema } } },
  }, (context) => {
    const items = control.generations().map((one) => ({ ...one, changes: one.changes.map(redactChange) }));
    return context.json({ items, next_cursor: null });
  });

  operation(app, {
    method: "post",
    path: "/v1/config/rollback",
    summary: "Put the configuration of an earlier generation in force, as a new one",
    tag: TAG,
    reach: "process",
    query: dryRun,
    body: { "application/json": rollbackSchema },
    problems: [404, 409, 412, 428],
    answers: writeAnswers("Config", 200),
  }, async (context, { actor, query }) => {
    const options = writeOptions(context, actor, query, current);
    const parsed = rollbackSchema.safeParse(await readObject(context));
    if (!parsed.success) {
      const faults = parsed.error.issues.map(({ path, message }) => ({
        pointer: `/${path.join("/")}`,
        detail: message,
      }));
      throw new Problem(422, "The body must name a generation", { faults });
    }
    return answerWrite(context, await control.rollback(parsed.data.generation, options), options);
  });
}

/** Whether Accept names YAML with more weight than JSON. */
function prefersYaml(context: AdminContext): boolean {
  const weights = new Map<string, number>();
  for (const part of (context.req.header("Accept") ?? "").split(",")) {
    const [type = "", ...parameters] = part.split(";").map((one) => one.trim().toLowerCase());
    const weight = Number(parameters.find((one) => one.startsWith("q="))?.slice(2) ?? 1);
    weights.set(type, Number.isFinite(weight) ? weight : 0);
  }
  const of = (...types: readonly string[]) => Math.max(0, ...types.map((type) => weights.get(type) ?? 0));
  return of("application/yaml", "application/x-yaml", "text/yaml") > of("application/json");
}
