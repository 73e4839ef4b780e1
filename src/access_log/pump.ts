/**
 * Moves records from the data plane's log to the access log, by polling: often while there are any, seldom while there
 * are none. Sessions never wait for it: what it does not take in time the data plane drops and counts. Owned by
 * `serve`.
 *
 * @module
 */

import type { LogRecord, NoticeRecord } from "../ffi/mod.ts";
import { type AccessFormat, formatAccess } from "./format.ts";
import type { Sink } from "./sink.ts";

/** Where records come from. */
export interface LogSource {
  drainLog(): { readonly records: readonly LogRecord[]; readonly more: boolean };
}

/** What the pump needs. */
export interface PumpDeps {
  readonly source: LogSource;
  /** Called for what is not a session, in the order in which it was. */
  onNotice(notice: NoticeRecord): void;
  /** Called when the source fails; the pump goes on. */
  onError(error: unknown): void;
  /** Waits; ends early when the signal is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** Between two polls: right after records came, and after a long time without any. */
export const SHORTEST_MS = 5;
export const LONGEST_MS = 250;

/** Moves records until it is disposed. */
export class LogPump implements AsyncDisposable {
  readonly #deps: PumpDeps;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #sink: Sink;
  #format: AccessFormat;

  /** Starts to poll. The sink stays the caller's. */
  constructor(deps: PumpDeps, sink: Sink, format: AccessFormat) {
    this.#deps = deps;
    this.#sink = sink;
    this.#format = format;
    this.#running = this.#run();
  }

  /** From here on, records go elsewhere. Returns the sink of before, for the caller to close. */
  redirect(sink: Sink, format: AccessFormat): Sink {
    const before = this.#sink;
    this.#sink = sink;
    this.#format = format;
    return before;
  }

  /** Takes all that is there now. */
  drainAll(): void {
    while (this.#poll().more);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let delayMs = SHORTEST_MS;
    while (!signal.aborted) {
      const { count, more } = this.#poll();
      delayMs = count > 0 ? SHORTEST_MS : Math.min(delayMs * 2, LONGEST_MS);
      // Even when there is more, everybody else has a turn first.
      await this.#deps.sleep(more ? 0 : delayMs, signal);
    }
  }

  #poll(): { count: number; more: boolean } {
    try {
      const { records, more } = this.#deps.source.drainLog();
      this.#write(records);
      return { count: records.length, more };
    } catch (error) {
      this.#deps.onError(error);
      return { count: 0, more: false };
    }
  }

  #write(records: readonly LogRecord[]): void {
    let text = "";
    let lines = 0;
    const notices: NoticeRecord[] = [];
    for (const record of records) {
      if (record.kind === "notice") {
        notices.push(record);
        continue;
      }
      text += formatAccess(record, this.#format);
      lines++;
    }
    // Workers come one after the other, but what two of them tell of one thing has an order.
    notices.sort((one, other) => one.timeMs - other.timeMs);
    for (const notice of notices) this.#deps.onNotice(notice);
    if (lines > 0) this.#sink.push(text, lines);
  }

  /** Stops, and takes what is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    this.drainAll();
  }
}
