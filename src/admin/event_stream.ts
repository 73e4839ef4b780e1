/**
 * Events as server-sent events. A reader that does not keep up is not buffered for without end: its stream ends, and it
 * comes back with Last-Event-ID.
 *
 * @module
 */

import type { EventView } from "./control.ts";

/** Events that wait for a reader at the most. */
const MOST_WAITING = 1_024;
/** Between two heartbeats, ms. */
export const HEARTBEAT_MS = 15_000;
/** What readers are told to wait before they come back, ms. */
const RETRY_MS = 2_000;

/** What a stream needs. */
export interface EventStreamDeps {
  subscribe(listener: (event: EventView) => void): () => void;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** Ends the stream. */
  readonly ended: AbortSignal;
}

/** A stream that subscribes when it is first read, so that one which nobody reads (HEAD) holds nothing. */
export function eventStream(deps: EventStreamDeps): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, deps.ended]);
  const waiting: string[] = [];
  let unsubscribe: (() => void) | null = null;
  let wake = Promise.withResolvers<void>();
  const end = () => {
    unsubscribe?.();
    unsubscribe = null;
    over.abort();
    wake.resolve();
  };
  signal.addEventListener("abort", end, { once: true });

  const push = (text: string) => {
    if (waiting.length >= MOST_WAITING) return end();
    waiting.push(text);
    wake.resolve();
  };
  const beat = async () => {
    while (!signal.aborted) {
      await deps.sleep(HEARTBEAT_MS, signal);
      if (!signal.aborted && waiting.length === 0) push(": still here\n\n");
    }
  };
  let isStarted = false;
  const start = () => {
    isStarted = true;
    push(`retry: ${RETRY_MS}\n: events of Sluice\n\n`);
    unsubscribe = deps.subscribe((event) => push(formatEvent(event)));
    if (signal.aborted) end();
    else void beat();
  };

  return new ReadableStream({
    async pull(controller) {
      if (!isStarted) start();
      while (waiting.length === 0 && !signal.aborted) {
        await wake.promise;
        wake = Promise.withResolvers();
      }
      if (waiting.length > 0) controller.enqueue(encoder.encode(waiting.splice(0).join("")));
      else controller.close();
    },
    cancel: end,
  }, { highWaterMark: 0 });
}

/** An event in the stream's format. JSON has no line breaks outside of texts, and none in them. */
export function formatEvent(event: EventView): string {
  return `id: ${event.id}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`;
}
