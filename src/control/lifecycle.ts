/**
 * From ready to the end: what signals do. SIGHUP reloads. The first SIGTERM or SIGINT stops accepting, lets sessions
 * run for the grace period, closes the rest, and ends well; the second one, while that goes on, ends the process at
 * once with exit code 1, because sessions were cut.
 *
 * @module
 */

import type { EngineStatus } from "../ffi/mod.ts";
import type { Log } from "../log.ts";

/** Where signals come from. */
export interface SignalSource {
  /** Calls `handler` for each signal, until it is disposed. */
  on(signal: "SIGHUP" | "SIGINT" | "SIGTERM", handler: () => void): Disposable;
}

/** The process's own signals. */
export const processSignals: SignalSource = {
  on(signal, handler) {
    Deno.addSignalListener(signal, handler);
    return { [Symbol.dispose]: () => Deno.removeSignalListener(signal, handler) };
  },
};

/** What ends and reloads. */
export interface Controlled {
  reload(): Promise<unknown>;
  drain(graceMs: number): void;
  stop(): Promise<void>;
  status(): EngineStatus;
}

/** What the lifecycle works with. */
export interface LifecycleDeps {
  readonly control: Controlled;
  readonly signals: SignalSource;
  readonly log: Log;
  /** From the configuration in force when the end comes, ms. */
  graceMs(): number;
  /** Ends the process now. */
  exitNow(code: number): void;
  /** Monotonic, ms. */
  now(): number;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** Exit code of an end that cut sessions short because a second signal asked for it. */
export const EXIT_FORCED = 1;

/** Between two looks at how many sessions are left. */
const POLL_MS = 20;
/** How long the data plane may take to close sessions when their grace has passed. */
const MARGIN_MS = 1_000;
/** Between two lines about the sessions that are left. */
const TELL_MS = 5_000;

/** Serves until a signal ends it, or `stopped` is aborted. Returns when the workers have ended. */
export async function runUntilStopped(deps: LifecycleDeps, stopped?: AbortSignal): Promise<void> {
  const { log, control } = deps;
  using stack = new DisposableStack();
  const first = Promise.withResolvers<string>();
  let ending = false;
  const end = (signal: string) => {
    if (ending) {
      log.warn("ending at once, sessions are cut", { signal });
      deps.exitNow(EXIT_FORCED);
    }
    ending = true;
    first.resolve(signal);
  };
  stack.use(deps.signals.on("SIGTERM", () => end("SIGTERM")));
  stack.use(deps.signals.on("SIGINT", () => end("SIGINT")));
  stack.use(deps.signals.on("SIGHUP", () => void control.reload()));
  if (stopped?.aborted) end("abort");
  stopped?.addEventListener("abort", () => end("abort"), { once: true });

  const signal = await first.promise;
  const graceMs = deps.graceMs();
  control.drain(graceMs);
  log.info("stopping", { signal, sessions: control.status().sessionsActive, grace_ms: graceMs });
  await drained(deps, graceMs);
  await control.stop();
  log.info("stopped");
}

/** Waits until no session is left, or the data plane should have closed them all. */
async function drained({ control, log, now, sleep }: LifecycleDeps, graceMs: number): Promise<void> {
  const never = new AbortController().signal;
  const start = now();
  let told = start;
  while (now() - start < graceMs + MARGIN_MS) {
    const sessions = control.status().sessionsActive;
    if (sessions === 0) return;
    if (now() - told >= TELL_MS) {
      told = now();
      log.info("waiting for sessions to end", {
        sessions,
        grace_left_ms: Math.max(0, Math.round(start + graceMs - told)),
      });
    }
    await sleep(POLL_MS, never);
  }
  log.warn("sessions are left after the grace period", { sessions: control.status().sessionsActive });
}
