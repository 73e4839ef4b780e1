/**
 * Errors as the API tells them: `application/problem+json` (RFC 9457). Whoever finds an error throws; `renderError` is
 * called once, by Hono's `onError`.
 *
 * @module
 */

import type { Log } from "../log.ts";
import type { AdminContext } from "./context.ts";
import { ControlError, type ControlErrorKind, type Fault } from "./control.ts";

/** Media type of every error. */
export const PROBLEM_TYPE = "application/problem+json";

/** A fault of a request; `parameter` names the query parameter or header where there is nothing to point into. */
export interface RequestFault extends Fault {
  readonly parameter?: string;
}

const TITLES = {
  400: "Bad request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not found",
  405: "Method not allowed",
  408: "Request timeout",
  409: "Conflict",
  412: "Precondition failed",
  413: "Content too large",
  415: "Unsupported media type",
  421: "Misdirected request",
  422: "Unprocessable content",
  428: "Precondition required",
  429: "Too many requests",
  431: "Request header fields too large",
  500: "Internal error",
  503: "Service unavailable",
} as const;

/** A status that an error may have. */
export type ProblemStatus = keyof typeof TITLES;

/** Extra parts of a problem. */
export interface ProblemOptions {
  readonly faults?: readonly RequestFault[];
  readonly headers?: Readonly<Record<string, string>>;
  /** What the audit is told; without it, nothing. */
  readonly audit?: string;
}

/** A request that is answered with an error. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly faults: readonly RequestFault[];
  readonly headers: Readonly<Record<string, string>>;
  readonly audit: string | null;

  constructor(readonly status: ProblemStatus, detail: string, options: ProblemOptions = {}) {
    super(detail);
    this.faults = options.faults ?? [];
    this.headers = options.headers ?? {};
    this.audit = options.audit ?? null;
  }
}

/** The one answer for what is not there, and for what the actor may not know of. */
export function notFound(options: Pick<ProblemOptions, "audit"> = {}): Problem {
  return new Problem(404, "Cannot find this: there is no such object", options);
}

const STATUS_OF: Readonly<Record<ControlErrorKind, ProblemStatus>> = {
  not_found: 404,
  exists: 409,
  conflict: 409,
  precondition_failed: 412,
  precondition_required: 428,
  forbidden: 403,
  invalid: 422,
  refused: 409,
  stopping: 503,
};

/** A problem as text. */
export function problemBody(status: ProblemStatus, detail: string, faults: readonly RequestFault[] = []): string {
  return JSON.stringify({ type: "about:blank", title: TITLES[status], status, detail, errors: faults });
}

/** The answer to an error; what is not foreseen is logged and not told. */
export function renderError(error: unknown, context: AdminContext, log: Log): Response {
  const problem = asProblem(error);
  if (problem === null) {
    log.error("a request of the admin API failed", {
      method: context.req.method,
      path: context.req.path,
      error: error instanceof Error ? error : String(error),
    });
    return respond(new Problem(500, "Cannot answer: something went wrong inside, the log says what"));
  }
  return respond(problem);
}

function asProblem(error: unknown): Problem | null {
  if (error instanceof Problem) return error;
  if (!(error instanceof ControlError)) return null;
  // What a tenant token may not know of and what is not there must not differ in a letter.
  if (error.kind === "not_found" && error.faults.length === 0) return notFound();
  const headers: Record<string, string> = error.kind === "stopping" ? { "Retry-After": "1" } : {};
  return new Problem(STATUS_OF[error.kind], error.message, { faults: error.faults, headers });
}

function respond(problem: Problem): Response {
  return new Response(problemBody(problem.status, problem.message, problem.faults), {
    status: problem.status,
    headers: { "Content-Type": PROBLEM_TYPE, ...problem.headers },
  });
}
