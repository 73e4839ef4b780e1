/**
 * Opening the admin API's port: TCP or unix socket, plain or TLS, with the limits that keep slow and many clients from
 * using it up. `server.ts` owns what is opened here.
 *
 * @module
 */

import { createServer as createPlain, type Server as PlainServer } from "node:http";
import { createServer as createTls, type Server as TlsServer } from "node:https";
import { connect, type Socket } from "node:net";
import { PROBLEM_TYPE, problemBody, type ProblemStatus } from "./problem.ts";
import type { TlsMaterial } from "./tls.ts";

/** Where to listen. */
export type AdminAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/** A server that listens. */
export type ListeningServer = PlainServer | TlsServer;

/** The admin API cannot be offered; the message is a whole sentence for the user. */
export class AdminStartError extends Error {
  override readonly name = "AdminStartError";
}

/** Limits of the port. */
export interface PortLimits {
  /** For a request's line and headers, and the TLS handshake, ms. */
  readonly headersMs: number;
  /** For a whole request, ms. */
  readonly requestMs: number;
  /** A connection without a request is closed after, ms. */
  readonly idleMs: number;
  /** A client that takes nothing of an answer for so long is gone, ms. */
  readonly stallMs: number;
  /** Connections at once. */
  readonly connections: number;
}

/** What is used unless a test says otherwise. */
export const PORT_LIMITS: PortLimits = {
  headersMs: 10_000,
  requestMs: 300_000,
  idleMs: 10_000,
  stallMs: 60_000,
  connections: 1_000,
};

/** Most bytes of a request's line and headers. */
const HEADER_BYTES = 16 * 1024;

/** Same address, same sockets. */
export function isSameAddress(one: AdminAddress, other: AdminAddress): boolean {
  return formatAdminAddress(one) === formatAdminAddress(other);
}

/** As it is written in a configuration. */
export function formatAdminAddress(address: AdminAddress): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  return `${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`;
}

/**
 * Opens a server; what answers requests is put on it by the caller.
 *
 * @throws {AdminStartError} when the address cannot be bound
 */
export async function openServer(
  address: AdminAddress,
  tls: TlsMaterial | null,
  limits: PortLimits,
): Promise<ListeningServer> {
  const options = {
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.idleMs,
    connectionsCheckingInterval: Math.max(50, Math.min(1_000, limits.headersMs / 4)),
    maxHeaderSize: HEADER_BYTES,
  };
  const server: ListeningServer = tls === null
    ? createPlain(options)
    : createTls({ ...options, ...tls.context, ...tls.clients, handshakeTimeout: limits.headersMs });
  server.maxConnections = limits.connections;
  // What is between requests, or has not begun one: the timeouts above begin with a first byte.
  server.setTimeout(limits.idleMs, (socket: Socket) => socket.destroy());
  server.on("clientError", refuseGarbage);
  try {
    if (address.kind === "unix") await listenAtPath(server, address.path);
    else await listening(server, { host: address.host, port: address.port });
  } catch (cause) {
    server.close();
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new AdminStartError(`Cannot start the admin API at ${formatAdminAddress(address)}: ${why}`, { cause });
  }
  server.on("error", () => {});
  return server;
}

function listening(server: ListeningServer, where: { host: string; port: number } | { path: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(where, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** Nobody but the owner can connect at any moment: the socket is born in a private folder, and moved when its mode is set. */
async function listenAtPath(server: ListeningServer, path: string): Promise<void> {
  if (!path.startsWith("/")) throw new Error("an abstract socket has no mode that would guard it: use a path");
  await removeStale(path);
  const folder = await Deno.makeTempDir({ dir: path.slice(0, path.lastIndexOf("/")) || "/", prefix: ".s" });
  try {
    await listening(server, { path: `${folder}/s` });
    await Deno.chmod(`${folder}/s`, 0o600);
    await Deno.rename(`${folder}/s`, path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Removes a socket that nobody listens at. */
async function removeStale(path: string): Promise<void> {
  const found = await Deno.lstat(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  });
  if (found === null) return;
  if (found.isSocket !== true) throw new Error("there is a file of this name that is not a socket");
  const isInUse = await new Promise<boolean>((resolve) => {
    const socket = connect({ path });
    const answer = (is: boolean) => {
      socket.destroy();
      resolve(is);
    };
    socket.once("connect", () => answer(true)).once("error", () => answer(false));
    socket.setTimeout(1_000, () => answer(true));
  });
  if (isInUse) throw new Error("address already in use");
  await Deno.remove(path);
}

/** What is not HTTP, too slow or too long gets an answer, too. */
function refuseGarbage(error: Error & { readonly code?: string }, socket: Socket): void {
  if (!socket.writable) return void socket.destroy();
  const [status, detail]: [ProblemStatus, string] = error.code === "ERR_HTTP_REQUEST_TIMEOUT"
    ? [408, "The request must be sent in time"]
    : error.code === "HPE_HEADER_OVERFLOW"
    ? [431, `The headers must be ${HEADER_BYTES} bytes at the most`]
    : [400, "The request must be HTTP/1.1"];
  const body = problemBody(status, detail);
  socket.end(
    `HTTP/1.1 ${status} Refused\r\nContent-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${body.length}\r\n` +
      `Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}

/** The bound port; 0 for a unix socket. */
export function portOf(server: ListeningServer): number {
  const bound = server.address();
  return typeof bound === "object" && bound !== null ? bound.port : 0;
}
