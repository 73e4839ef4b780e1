/**
 * Answers that many routes share: an object with its validator, and what came of a write.
 *
 * @module
 */

import type { AdminContext } from "./context.ts";
import type { Versioned, WriteOptions, WriteResult } from "./control.ts";
import type { Actor } from "./control.ts";
import { componentRef, type ConfigComponent } from "./config_components.ts";
import type { Answer } from "./operation.ts";
import { isUnchanged, preconditionsOf } from "./preconditions.ts";
import { notFound } from "./problem.ts";
import { redactChange } from "./redact.ts";
import { drainingSchema, dryRunSchema } from "./views.ts";

/** Declares the answers of a GET of an object. */
export function objectAnswers(component: ConfigComponent): Readonly<Record<number, Answer>> {
  return {
    200: {
      description: "The object as it is written.",
      content: { "application/json": componentRef(component) },
      headers: ["ETag"],
    },
    304: { description: "It is what If-None-Match names.", headers: ["ETag"] },
  };
}

/** Declares the answers of a write that leaves an object. */
export function writeAnswers(component: ConfigComponent, ...statuses: readonly (200 | 201)[]) {
  const schema = { anyOf: [componentRef(component), componentRefOfDryRun] };
  const answers: Record<number, Answer> = {
    200: {
      description: statuses.includes(200)
        ? "The object as it now is, or what a dry run found."
        : "What a dry run found.",
      content: { "application/json": statuses.includes(200) ? schema : dryRunSchema },
      headers: ["ETag", "Sluice-Generation"],
    },
  };
  if (statuses.includes(201)) {
    answers[201] = {
      description: "The object that was created.",
      content: { "application/json": componentRef(component) },
      headers: ["ETag", "Sluice-Generation", "Location"],
    };
  }
  return answers;
}

const componentRefOfDryRun = { $ref: "#/components/schemas/DryRun" };

/** The answers of a DELETE of an object. */
export const DELETE_ANSWERS: Readonly<Record<number, Answer>> = {
  200: { description: "What a dry run found.", content: { "application/json": dryRunSchema } },
  202: {
    description: "It is gone; sessions drain.",
    content: { "application/json": drainingSchema },
    headers: ["Sluice-Generation"],
  },
  204: { description: "It is gone, and no session is left.", headers: ["Sluice-Generation"] },
};

/** Answers an object, or 304. */
export function answerObject(context: AdminContext, object: Versioned | null): Response {
  if (object === null) throw notFound();
  const headers = { ETag: object.etag };
  if (isUnchanged(context, object.etag)) return context.body(null, 304, headers);
  return context.json(object.value, 200, headers);
}

/** Reads how a write is meant. */
export function writeOptions(
  context: AdminContext,
  actor: Actor,
  query: { readonly dry_run: boolean },
  current: () => Versioned | null,
): WriteOptions {
  return { actor, dryRun: query.dry_run, ...preconditionsOf(context, current) };
}

/** Answers a write: the dry run's finding, the object as it now is, or that it is gone. */
export function answerWrite(
  context: AdminContext,
  result: WriteResult,
  { dryRun = false }: WriteOptions,
  location?: string,
): Response {
  const headers: Record<string, string> = { "Sluice-Generation": String(result.generation) };
  const { changes, sessions, object, created } = result;
  if (dryRun) return context.json({ changes: changes.map(redactChange), sessions }, 200, headers);
  if (object === null) {
    return sessions.drained > 0 ? context.json({ sessions }, 202, headers) : context.body(null, 204, headers);
  }
  headers["ETag"] = object.etag;
  if (created && location !== undefined) headers["Location"] = location;
  return context.json(object.value, created ? 201 : 200, headers);
}
