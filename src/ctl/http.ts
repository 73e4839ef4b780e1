/**
 * One HTTP request to the admin API, over TCP, TLS or a unix socket, always straight to it: a proxy that the environment
 * names would see the token. `fetch` cannot do that (with a transport of its own it leaves TLS out). Used by `client.ts`.
 *
 * @module
 */
import http, { type IncomingMessage, type RequestOptions } from "node:http";
import https from "node:https";
import type { AdminAddress } from "./address.ts";

/** What is sent. */
export interface HttpRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  /** Ends the request, and the answer while it is read. */
  readonly signal: AbortSignal;
}

/** Certificates of a TLS connection, PEM. */
export interface TlsOptions {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Sends a request; resolves when status and headers of the answer are there. Follows no redirect. */
export function send(address: AdminAddress, request: HttpRequest, tls: TlsOptions): Promise<Response> {
  const { method, path, headers, body, signal } = request;
  const options: RequestOptions = {
    method,
    path,
    headers: {
      ...headers,
      ...(body === null ? {} : { "content-length": String(new TextEncoder().encode(body).length) }),
    },
    signal,
    // A connection that is kept may be closed by the other side just as a write goes out on it.
    agent: false,
  };
  return new Promise((resolve, reject) => {
    const outgoing = address.kind === "unix"
      ? http.request({ ...options, socketPath: address.path, host: "localhost" })
      : address.kind === "http"
      ? http.request({ ...options, host: address.host, port: address.port })
      : https.request({ ...options, ...tls, host: address.host, port: address.port });
    outgoing.on("error", (error: Error) => reject(signal.aborted ? signal.reason : error));
    outgoing.on("response", (incoming: IncomingMessage) => resolve(responseOf(incoming)));
    outgoing.end(body ?? undefined);
  });
}

function responseOf(incoming: IncomingMessage): Response {
  const status = incoming.statusCode ?? 500;
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    for (const each of [value ?? []].flat()) headers.append(name, each);
  }
  if (status === 204 || status === 304) {
    incoming.resume();
    return new Response(null, { status, headers });
  }
  const chunks: AsyncIterable<Uint8Array<ArrayBuffer>> = incoming;
  return new Response(ReadableStream.from(chunks), { status, headers });
}

/** Why a request failed, in words. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const first = error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error;
  const code: unknown = first instanceof Error && "code" in first ? first.code : undefined;
  const words = typeof code === "string" && Object.hasOwn(REASONS, code) ? REASONS[code] : undefined;
  return words ?? (first instanceof Error && first.message !== "" ? first.message : String(code ?? "unknown"));
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "the connection was reset",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to the network",
  ENOENT: "there is no such socket",
  EACCES: "permission denied",
  ENOTFOUND: "there is no such host",
  EAI_AGAIN: "the name cannot be looked up now",
  ETIMEDOUT: "no answer to the connection",
};
