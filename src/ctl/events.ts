/**
 * Server-sent events: the stream as messages, and a reader that comes back where it was cut off.
 *
 * @module
 */
import type { AdminClient, Query } from "./client.ts";
import { ApiError, ClientError } from "./problem.ts";

/** One message of the stream. */
export interface Message {
  /** Empty when the server gave none. */
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** A message longer than this is no message of ours. */
const MOST_CHARACTERS = 1024 * 1024;

/**
 * The messages of a stream, as the WHATWG standard of server-sent events reads them. Comments end nothing.
 *
 * @throws {ClientError} when a message does not end.
 */
export async function* messagesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Message> {
  const decoder = new TextDecoder();
  let rest = "";
  let id = "";
  let event = "";
  let data: string[] = [];
  let length = 0;
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split(/\r\n|\n|\r(?=[^])/);
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "") {
        if (data.length > 0) yield { id, event: event || "message", data: data.join("\n") };
        [event, data, length] = ["", [], 0];
        continue;
      }
      const colon = line.indexOf(":");
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (field === "id" && !value.includes("\0")) id = value;
      else if (field === "event") event = value;
      else if (field === "data") data.push(value);
      length += line.length;
    }
    if (length + rest.length > MOST_CHARACTERS) throw new ClientError("Cannot read events: a message has no end");
  }
}

/** How events are followed. */
export interface FollowOptions {
  /** Only what came after it. */
  readonly since?: string;
  readonly query: Query;
  readonly signal: AbortSignal;
  /** Whether to come back when the stream ends. */
  readonly isFollowing: boolean;
  /** Told when a stream is there. */
  onOpen(): void;
  /** Told why the stream broke and when it is tried again. */
  onBroken(error: Error, pauseMs: number): void;
  pause(ms: number): Promise<void>;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

/**
 * Events as they come. A stream that breaks is opened again after a pause, with the id of the last message.
 *
 * @throws {ApiError} when the API refuses: that does not change by asking again. 429 and 5xx do.
 * @throws {ClientError} when it breaks and nobody follows, or when it could not be opened at all.
 */
export async function* followEvents(client: AdminClient, options: FollowOptions): AsyncGenerator<Message> {
  const { signal } = options;
  let last = options.since;
  let pauseMs = FIRST_PAUSE_MS;
  let wasOpen = false;
  while (!signal.aborted) {
    try {
      const headers: Record<string, string> = last === undefined ? {} : { "last-event-id": last };
      const stream = await client.stream("/v1/events", { query: options.query, headers }, signal);
      wasOpen = true;
      options.onOpen();
      const from = last;
      for await (const message of messagesOf(stream)) {
        if (message.id !== "") last = message.id;
        pauseMs = FIRST_PAUSE_MS;
        yield message;
      }
      if (!options.isFollowing) {
        if (last === from) return;
        // The server ends a stream whose reader is behind; there may be more.
        continue;
      }
      options.onBroken(new ClientError("the stream ended"), pauseMs);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Error) || !options.isFollowing || !wasOpen || isFinal(error)) throw error;
      options.onBroken(error, pauseMs);
    }
    await options.pause(pauseMs);
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}

function isFinal(error: Error): boolean {
  return error instanceof ApiError && error.status !== 429 && error.status < 500;
}
