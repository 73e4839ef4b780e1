/**
 * What errors of sockets mean, in words for operators. Pure.
 *
 * @module
 */

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EPIPE: "connection reset",
  ECONNABORTED: "connection aborted",
  ETIMEDOUT: "no answer",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to the network",
  EADDRNOTAVAIL: "no local port is left",
  ENOENT: "no such socket",
  EACCES: "permission denied",
  EPERM: "permission denied",
};

/** Errors that say something of this process or machine, not of the endpoint. */
const OWN_FAULTS = new Set(["EMFILE", "ENFILE", "ENOMEM", "ENOBUFS"]);

/** Why, in a clause. */
export function explain(error: unknown): string {
  const words = WORDS[codeOf(error)];
  if (error instanceof Error && "syscall" in error && error.syscall === "bind") {
    return "the source address must be one of this machine";
  }
  if (words !== undefined) return words;
  return error instanceof Error ? error.message : String(error);
}

/** Whether a check failed because it could not be made. */
export function isOwnFault(error: unknown): boolean {
  return OWN_FAULTS.has(codeOf(error)) || error instanceof Deno.errors.NotCapable;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}
