/**
 * What a refused call of the library becomes: an error that says which part of the configuration it is about.
 *
 * @module
 */

import { constants } from "node:os";
import { getSystemErrorMap } from "node:util";
import { CONSTANTS } from "./constants.ts";
import { RECORDS } from "./layout.ts";
import type { Records } from "./record.ts";

/** Why the library refused, in the words of the ABI. */
export type DataPlaneErrorCode =
  | "E_ARGUMENT"
  | "E_BLOB"
  | "E_BIND"
  | "E_MEMORY"
  | "E_STATE"
  | "E_THREAD"
  | "E_BUFFER"
  | "E_UNSUPPORTED"
  | "E_UNKNOWN";

/** What part of the configuration an error is about; the members that apply are there. */
export interface ErrorSubject {
  readonly tenant?: string;
  readonly listener?: string;
  readonly route?: string;
  readonly backend?: string;
  readonly endpoint?: string;
  /** As it is written in a configuration. */
  readonly address?: string;
}

/** What is known beside the sentence. */
export interface DataPlaneErrorDetails {
  readonly code: DataPlaneErrorCode;
  /** Name of the system's error, such as `EADDRINUSE`; null when there is none behind it. */
  readonly errno: string | null;
  readonly subject: ErrorSubject;
  /** The library's own sentence. */
  readonly detail: string;
}

/** A call of the data plane that failed. */
export class DataPlaneError extends Error {
  override readonly name = "DataPlaneError";
  readonly code: DataPlaneErrorCode;
  /** Name of the system's error, such as `EADDRINUSE`; null when there is none behind it. */
  readonly errno: string | null;
  /** The part of the configuration that it is about. */
  readonly subject: ErrorSubject;
  /** The library's own sentence. */
  readonly detail: string;

  constructor(message: string, details: DataPlaneErrorDetails) {
    super(message);
    this.code = details.code;
    this.errno = details.errno;
    this.subject = details.subject;
    this.detail = details.detail;
  }
}

const CODE_NAMES = new Map<number, DataPlaneErrorCode>([
  [CONSTANTS.E_ARGUMENT, "E_ARGUMENT"],
  [CONSTANTS.E_BLOB, "E_BLOB"],
  [CONSTANTS.E_BIND, "E_BIND"],
  [CONSTANTS.E_MEMORY, "E_MEMORY"],
  [CONSTANTS.E_STATE, "E_STATE"],
  [CONSTANTS.E_THREAD, "E_THREAD"],
  [CONSTANTS.E_BUFFER, "E_BUFFER"],
  [CONSTANTS.E_UNSUPPORTED, "E_UNSUPPORTED"],
]);

/** What a result says when there is no error record with it. */
const CODE_WORDS: Readonly<Record<DataPlaneErrorCode, string>> = {
  E_ARGUMENT: "an argument is wrong",
  E_BLOB: "the configuration is refused",
  E_BIND: "an address cannot be bound",
  E_MEMORY: "out of memory",
  E_STATE: "the engine is in another state",
  E_THREAD: "a worker thread could not be started",
  E_BUFFER: "the buffer is too small",
  E_UNSUPPORTED: "this kernel lacks a system call that the data plane needs",
  E_UNKNOWN: "it failed without a known code",
};

/** Name of a result code. */
export function errorCodeOf(result: number): DataPlaneErrorCode {
  return CODE_NAMES.get(result) ?? "E_UNKNOWN";
}

/** Name of a number of the system, such as 98 → `EADDRINUSE`; null for 0. */
export function errnoName(number: number): string | null {
  if (number === 0) return null;
  const found = Object.entries(constants.errno).find(([, value]) => value === number);
  return found?.[0] ?? `errno ${number}`;
}

/** What the system's error means, in words; "" when it is unknown. */
export function errnoWords(number: number): string {
  return getSystemErrorMap().get(-number)?.[1] ?? "";
}

/** An error for a result without an error record. */
export function errorOfResult(doing: string, result: number): DataPlaneError {
  const code = errorCodeOf(result);
  const details = { code, errno: null, subject: {}, detail: CODE_WORDS[code] };
  return new DataPlaneError(`Cannot ${doing}: ${CODE_WORDS[code]}`, details);
}

/** Who a record of a blob belongs to: by table and index. */
export type Describe = (table: number, record: number) => ErrorSubject;

/** An error for a result with an error record. */
export function errorOfRecord(doing: string, result: number, error: Records, describe?: Describe): DataPlaneError {
  const layout = RECORDS.error.fields;
  const code = errorCodeOf(result);
  const sysErrno = error.number(0, layout.sys_errno);
  const detail = error.cString(0, layout.message) || CODE_WORDS[code];
  const subject = describe?.(error.number(0, layout.table), error.number(0, layout.record)) ?? {};
  const errno = errnoName(sysErrno);
  if (code === "E_BIND") {
    return new DataPlaneError(bindMessage(subject, sysErrno, errno, detail), { code, errno, subject, detail });
  }
  const field = error.cString(0, layout.field);
  const place = [placeOf(subject), field === "" ? "" : `field ${field}`].filter((part) => part !== "").join(", ");
  const system = errno === null ? "" : ` (${errno}${errnoWords(sysErrno) === "" ? "" : `: ${errnoWords(sysErrno)}`})`;
  const message = `Cannot ${doing}${place === "" ? "" : ` for ${place}`}: ${detail}${system}`;
  return new DataPlaneError(message, { code, errno, subject, detail });
}

function placeOf(subject: ErrorSubject): string {
  const { tenant, listener, route, backend, endpoint } = subject;
  return [
    tenant === undefined ? "" : `tenant ${tenant}`,
    listener === undefined ? "" : `listener ${listener}`,
    route === undefined ? "" : `route ${route}`,
    backend === undefined ? "" : `backend ${backend}`,
    endpoint === undefined ? "" : `endpoint ${endpoint}`,
  ].filter((part) => part !== "").join(", ");
}

/** How the library words a refused address; of a range it names the one that failed. */
const REFUSED_ADDRESS = /^Cannot listen on (\S+): (.+)$/s;
const TAKEN_BY_US = "another listener has it";

function bindMessage(subject: ErrorSubject, sysErrno: number, errno: string | null, detail: string): string {
  const [, exact, why] = REFUSED_ADDRESS.exec(detail) ?? [];
  const address = exact ?? subject.address ?? "an address";
  const place = placeOf(subject);
  const where = `${address}${place === "" ? "" : ` for ${place}`}`;
  if (why === TAKEN_BY_US) return `Cannot listen on ${where}: ${why}; remove one of the two, or change its address`;
  const words = errno === null ? why ?? detail : `${errnoWords(sysErrno) || "the system refused"} (${errno})`;
  const remedy = bindRemedy(errno, address);
  return `Cannot listen on ${where}: ${words}${remedy === "" ? "" : `; ${remedy}`}`;
}

function bindRemedy(errno: string | null, address: string): string {
  if (address.startsWith("unix:")) {
    switch (errno) {
      case "EADDRINUSE":
        return "another program listens on this socket, or the file is something else; see: ss -xlp";
      case "ENOENT":
      case "ENOTDIR":
        return "create the folder first";
      case "EACCES":
      case "EPERM":
        return "this user must be allowed to write to the folder";
      default:
        return "";
    }
  }
  const port = /\d+$/.exec(address)?.[0] ?? "PORT";
  switch (errno) {
    case "EADDRINUSE":
      return `see who holds it with: ss -ltnp 'sport = :${port}' (when it names no process, another Sluice does)`;
    case "EACCES":
    case "EPERM":
      return "ports below 1024 need CAP_NET_BIND_SERVICE (setcap, systemd's AmbientCapabilities) or " +
        `sysctl net.ipv4.ip_unprivileged_port_start=${port}`;
    case "EADDRNOTAVAIL":
      return "this machine has no such address; see: ip address";
    case "EAFNOSUPPORT":
      return "this kernel has no IPv6; listen on an IPv4 address";
    case "EMFILE":
    case "ENFILE":
      return "raise the number of open files (ulimit -n)";
    default:
      return "";
  }
}
