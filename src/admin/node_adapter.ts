/**
 * From requests of `node:http` to `Request` and back. Bodies pass piece by piece in both directions; one that nobody
 * reads to its end is not read on for ever. Used by `server.ts`.
 *
 * @module
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { AdminEnv } from "./context.ts";
import { PROBLEM_TYPE, problemBody } from "./problem.ts";

/** Answers a request. */
export type Fetch = (request: Request, bindings: AdminEnv["Bindings"]) => Response | Promise<Response>;

/** What is read of a body that is not wanted, so that the answer arrives before the end: bytes and ms. */
const LINGER_BYTES = 1024 * 1024;
const LINGER_MS = 1_000;

/**
 * A handler for `node:http` and `node:https`.
 *
 * @param stallMs a client that takes nothing of an answer for so long is gone
 */
export function nodeHandler(
  fetch: Fetch,
  stallMs: number,
  bindingsOf: (request: IncomingMessage) => AdminEnv["Bindings"],
): (incoming: IncomingMessage, outgoing: ServerResponse) => void {
  return (incoming, outgoing) => {
    incoming.socket.setTimeout(0);
    incoming.on("error", () => {});
    outgoing.on("error", () => {});
    const gone = new AbortController();
    outgoing.once("close", () => gone.abort());
    const request = requestOf(incoming, gone.signal);
    const answered = request === null
      ? Promise.resolve(badRequest())
      : Promise.resolve().then(() => fetch(request, bindingsOf(incoming)));
    answered
      .then((response) => {
        outgoing.socket?.setTimeout(stallMs);
        return send(response, incoming, outgoing, gone.signal);
      })
      .catch(() => void outgoing.destroy());
  };
}

function badRequest(): Response {
  return new Response(problemBody(400, "The request must have a path, and one Host at the most"), {
    status: 400,
    headers: { "Content-Type": PROBLEM_TYPE, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" },
  });
}

/** Null when there is no way to make one of it. */
function requestOf(incoming: IncomingMessage, signal: AbortSignal): Request | null {
  const { method = "GET", url = "", rawHeaders } = incoming;
  if (!url.startsWith("/")) return null;
  const headers = new Headers();
  let hosts = 0;
  let credentials = 0;
  try {
    for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
      const name = (rawHeaders[index] ?? "").toLowerCase();
      if (name === "host") hosts++;
      if (name === "authorization") credentials++;
      headers.append(name, rawHeaders[index + 1] ?? "");
    }
    if (hosts > 1 || credentials > 1) return null;
    const hasBody = method !== "GET" && method !== "HEAD";
    // The name in the URL is nobody's: Host is judged as it came, by origin.ts.
    return new Request(new URL(`http://sluice${url}`), {
      method,
      headers,
      signal,
      ...(hasBody ? { body: bodyOf(incoming) } : {}),
    });
  } catch {
    return null;
  }
}

function bodyOf(incoming: IncomingMessage): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    start(controller) {
      incoming.pause();
      incoming.on("data", (chunk: Uint8Array) => {
        controller.enqueue(new Uint8Array(chunk));
        if ((controller.desiredSize ?? 0) <= 0) incoming.pause();
      });
      let isOver = false;
      const end = (finish: () => void) => {
        if (!isOver) finish();
        isOver = true;
      };
      incoming.once("end", () => end(() => controller.close()));
      incoming.once("error", (error) => end(() => controller.error(error)));
      incoming.once("close", () => end(() => controller.error(new Error("the client is gone"))));
      incoming.pause();
    },
    pull: () => void incoming.resume(),
    cancel: () => void incoming.removeAllListeners("data").pause(),
  }, { highWaterMark: 1 });
}

async function send(
  response: Response,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  gone: AbortSignal,
): Promise<void> {
  const isUnread = !incoming.complete && hasBody(incoming);
  const headers: [string, string][] = [...response.headers];
  if (isUnread) headers.push(["connection", "close"]);
  outgoing.writeHead(response.status, headers.flat());
  if (incoming.method === "HEAD" || response.body === null) await response.body?.cancel();
  else await pour(response.body, outgoing, gone);
  outgoing.end();
  if (isUnread) linger(incoming, gone);
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

async function pour(body: ReadableStream<Uint8Array>, outgoing: ServerResponse, gone: AbortSignal): Promise<void> {
  const reader = body.getReader();
  const cancel = () => void reader.cancel().catch(() => {});
  gone.addEventListener("abort", cancel, { once: true });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done || gone.aborted) return;
      if (!outgoing.write(value)) await drained(outgoing, gone);
    }
  } finally {
    gone.removeEventListener("abort", cancel);
  }
}

function drained(outgoing: ServerResponse, gone: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      outgoing.off("drain", done);
      gone.removeEventListener("abort", done);
      resolve();
    };
    outgoing.once("drain", done);
    gone.addEventListener("abort", done, { once: true });
    if (gone.aborted) done();
  });
}

/** Closing with bytes unread would send a reset, which takes the answer away from the client. */
function linger(incoming: IncomingMessage, gone: AbortSignal): void {
  const { socket } = incoming;
  let left = LINGER_BYTES;
  const end = () => {
    clearTimeout(timer);
    socket.destroy();
  };
  const timer = setTimeout(end, LINGER_MS);
  incoming.removeAllListeners("data");
  incoming.on("data", (chunk: Uint8Array) => {
    left -= chunk.byteLength;
    if (left < 0) end();
  });
  incoming.once("end", end);
  gone.addEventListener("abort", () => clearTimeout(timer), { once: true });
  incoming.resume();
}
