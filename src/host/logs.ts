/**
 * The two logs of a running proxy as one thing that a reload may change: the program's log, and the access log with its
 * pump and sink. Also tells the program's log what the access log has lost. Owned by `host.ts`.
 *
 * @module
 */

import { type AccessFormat, LogPump, openSink, type Sink, type SinkDeps, type SinkTarget } from "../access_log/mod.ts";
import type { MainConfig } from "../config/mod.ts";
import type { PreparedSettings, Settings } from "../control/mod.ts";
import { errnoName, type LogRecord, type NoticeRecord, type WorkerStats } from "../ffi/mod.ts";
import type { ConfigurableLog } from "../log.ts";
import { Throttle } from "./throttle.ts";
import type { UpstreamNotice } from "./upstreams.ts";

/** Between two warnings of one kind. */
export const WARN_EVERY_MS = 5_000;

/** What the logs read of the data plane. */
export interface LogEngine {
  drainLog(): { readonly records: readonly LogRecord[]; readonly more: boolean };
  workerStats(): readonly WorkerStats[];
}

/** What the logs need. */
export interface LogsDeps {
  readonly engine: LogEngine;
  readonly log: ConfigurableLog;
  /** Opens sinks; `onError` of the result is told of failed writes. */
  sinkDeps(onError: (error: unknown) => void): SinkDeps;
  /**
   * Told of a tenant whose sessions are refused (null: at shared listeners, before a route was found), by a notice: once
   * a second for each worker at the most.
   */
  onRefusing(tenant: string | null): void;
  /** Told of endpoints that are ejected and of circuits, by a notice. */
  onUpstream(notice: UpstreamNotice): void;
  /** Standard output, for lines that are not the access log's. */
  out(text: string): void;
  /** Monotonic, ms. */
  now(): number;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** Both logs. */
export class Logs implements Settings, AsyncDisposable {
  readonly #deps: LogsDeps;
  readonly #sinkDeps: SinkDeps;
  readonly #throttle: Throttle;
  readonly #pump: LogPump;
  readonly #stop = new AbortController();
  readonly #watching: Promise<void>;
  readonly #closing = new Set<Promise<void>>();
  #target: SinkTarget;
  #sink: Sink;
  /** Lines lost by sinks that are closed. */
  #droppedBefore = 0;
  #droppedTold = 0;

  private constructor(deps: LogsDeps, sinkDeps: SinkDeps, throttle: Throttle, sink: Sink, config: MainConfig) {
    this.#deps = deps;
    this.#sinkDeps = sinkDeps;
    this.#throttle = throttle;
    this.#sink = sink;
    this.#target = config.log.access.sink;
    const { engine: source, log, sleep } = deps;
    this.#pump = new LogPump(
      {
        source,
        onNotice: (notice) => this.#tellNotice(notice),
        onError: (error) => this.#warn("the data plane's log cannot be read", error),
        sleep,
      },
      sink,
      config.log.format,
    );
    log.configure(config.log);
    this.#watching = this.#watchLosses();
  }

  /**
   * Opens the logs of a configuration.
   *
   * @throws {Error} when the file of the access log cannot be opened
   */
  static async open(config: MainConfig, deps: LogsDeps): Promise<Logs> {
    const throttle = new Throttle(WARN_EVERY_MS, deps.now);
    const sinkDeps = deps.sinkDeps((error) => warn(deps.log, throttle, "the access log cannot be written", error));
    const sink = await openSink(config.log.access.sink, sinkDeps);
    return new Logs(deps, sinkDeps, throttle, sink, config);
  }

  /** Access records that were lost so far: before they could be read, or before they could be written. */
  get dropped(): number {
    const unread = this.#deps.engine.workerStats().reduce((sum, worker) => sum + worker.logDroppedTotal, 0);
    return unread + this.#droppedBefore + this.#sink.dropped;
  }

  /** Writes a line to standard output without tearing a line of the access log that goes there too. */
  announce(line: string): void {
    if (this.#target.kind === "stdout") this.#sink.push(`${line}\n`, 1);
    else this.#deps.out(`${line}\n`);
  }

  /** Opens the logs anew: a file even when its name is unchanged, for it may have been renamed. */
  async prepare(config: MainConfig): Promise<PreparedSettings> {
    const target = config.log.access.sink;
    const isSame = target.kind !== "file" && target.kind === this.#target.kind;
    const sink = isSame ? this.#sink : await openSink(target, this.#sinkDeps);
    return {
      commit: () => {
        this.#deps.log.configure(config.log);
        this.#redirect(sink, target, config.log.format);
      },
      discard: () => {
        if (!isSame) this.#close(sink);
      },
    };
  }

  #redirect(sink: Sink, target: SinkTarget, format: AccessFormat): void {
    const before = this.#pump.redirect(sink, format);
    this.#sink = sink;
    this.#target = target;
    if (before !== sink) this.#close(before);
  }

  /** Closes a sink that nobody pushes to any more; what it still loses counts. */
  #close(sink: Sink): void {
    const closing: Promise<void> = Promise.resolve(sink[Symbol.asyncDispose]()).then(() => {
      this.#droppedBefore += sink.dropped;
      this.#closing.delete(closing);
    });
    this.#closing.add(closing);
  }

  #tellNotice(notice: NoticeRecord): void {
    switch (notice.notice) {
      case "refusing":
        return this.#deps.onRefusing(notice.tenant);
      case "ejected":
      case "ejection_ended":
      case "circuit":
        return this.#deps.onUpstream(notice);
      default:
        return this.#tellAccepting(notice);
    }
  }

  #tellAccepting(notice: NoticeRecord & { readonly notice: "accept_paused" | "accept_resumed" }): void {
    const held = this.#throttle.pass(notice.notice);
    if (held === null) return;
    const { worker } = notice;
    const more = held === 0 ? undefined : held;
    switch (notice.notice) {
      case "accept_paused":
        return this.#deps.log.warn("accepting is paused, file descriptors are used up: raise the limit (ulimit -n)", {
          worker,
          errno: errnoName(notice.errno),
          more,
        });
      case "accept_resumed":
        return this.#deps.log.info("accepting goes on", { worker, paused_ms: notice.pausedUs / 1000, more });
    }
  }

  async #watchLosses(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#deps.sleep(WARN_EVERY_MS, signal);
      this.#tellLosses();
    }
  }

  #tellLosses(): void {
    const { dropped } = this;
    const lost = dropped - this.#droppedTold;
    if (lost <= 0) return;
    this.#droppedTold = dropped;
    this.#deps.log.warn("access records were dropped, the log cannot keep up", { records: lost, total: dropped });
  }

  #warn(message: string, error: unknown): void {
    warn(this.#deps.log, this.#throttle, message, error);
  }

  /** Writes what is left, and closes. The workers must have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#watching;
    await this.#pump[Symbol.asyncDispose]();
    await this.#sink[Symbol.asyncDispose]();
    await Promise.all(this.#closing);
    this.#tellLosses();
  }
}

function warn(log: ConfigurableLog, throttle: Throttle, message: string, error: unknown): void {
  const held = throttle.pass(message);
  if (held === null) return;
  log.warn(message, { error: error instanceof Error ? error : String(error), more: held === 0 ? undefined : held });
}
