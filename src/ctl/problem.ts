/**
 * What can go wrong between the client and the admin API, as errors that say what to do. Thrown by `client.ts`,
 * written by the commands.
 *
 * @module
 */

/** One thing that the API found wrong; `pointer` leads into what was sent, `parameter` names a part of the query. */
export interface Fault {
  readonly pointer: string;
  readonly detail: string;
  readonly parameter?: string;
  readonly line?: number;
  readonly column?: number;
}

/** The API answered, and the answer is an error. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly faults: readonly Fault[];
  /** The answer as it came. */
  readonly body: string;

  constructor(status: number, message: string, faults: readonly Fault[], body: string) {
    super(message);
    this.status = status;
    this.faults = faults;
    this.body = body;
  }
}

/** The API could not be asked, or a file that the question needs could not be used. */
export class ClientError extends Error {
  override readonly name = "ClientError";
}

/** The error that an answer (RFC 9457, or whatever something in between made of it) stands for. */
export function errorOfAnswer(status: number, body: string): ApiError {
  const problem = parseObject(body);
  const title = textOf(problem?.["title"]);
  const detail = textOf(problem?.["detail"]);
  const told = [title, detail].filter((text, index, all) => text !== undefined && all.indexOf(text) === index);
  const message = told.length > 0 ? told.join(": ") : `the answer was no problem document: ${excerpt(body)}`;
  return new ApiError(status, `${message} (${status})${remedyOf(status)}`, faultsOf(problem?.["errors"]), body);
}

/** The error of a request that has no answer. */
export function errorOfConnection(admin: string, why: string, cause: unknown): ClientError {
  const hint = /certificate|issuer/i.test(why)
    ? "name the authority that signed it with --ca, or the client's own with --cert and --key"
    : "see that `sluice serve` runs with `admin` in its configuration, or name another address with --admin";
  return new ClientError(`Cannot reach the admin API at ${admin}: ${why}; ${hint}`, { cause });
}

function remedyOf(status: number): string {
  if (status === 401) return "; give a token with SLUICE_TOKEN or --token-file";
  if (status === 412) return "; it was changed since it was read: read it again";
  if (status === 428) return "; say which state you mean to replace with --if-match";
  if (status === 429) return "; wait before you try again";
  return "";
}

/** The faults of a list as the API writes it. */
export function faultsOf(value: unknown): Fault[] {
  if (!Array.isArray(value)) return [];
  return value.filter((fault) => typeof fault === "object" && fault !== null).map((fault) => ({
    pointer: textOf(fault.pointer) ?? "",
    detail: textOf(fault.detail) ?? "",
    ...(typeof fault.parameter === "string" ? { parameter: fault.parameter } : {}),
    ...(typeof fault.line === "number" ? { line: fault.line } : {}),
    ...(typeof fault.column === "number" ? { column: fault.column } : {}),
  }));
}

function parseObject(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function excerpt(body: string): string {
  const line = body.trim().replaceAll(/\s+/g, " ");
  return line === "" ? "it was empty" : JSON.stringify(line.length > 120 ? `${line.slice(0, 120)}…` : line);
}
