/**
 * The whole proxy put together: configuration, engine, logs and control plane, from the first file that is read to the
 * end of the last worker. The only place where the rooms meet; `serve` and `demo` call it.
 *
 * Standard output gets one line for each bound address and then the ready line; from there on traffic counts as up.
 *
 * @module
 */

import { systemSinkDeps } from "../access_log/mod.ts";
import {
  allProblems,
  type Config,
  formatProblem,
  loadConfig,
  type LoadDeps,
  type LoadResult,
  placeOfListener,
} from "../config/mod.ts";
import {
  ControlPlane,
  countListeners,
  listeningLine,
  processSignals,
  runUntilStopped,
  type SignalSource,
} from "../control/mod.ts";
import { DataPlaneError, Engine, LibraryError, openLibrary } from "../ffi/mod.ts";
import { createLog, type Log } from "../log.ts";
import { Logs } from "./logs.ts";
import { sleep } from "./sleep.ts";

/** Most workers that the data plane has. */
const MOST_WORKERS = 64;

/** What the host needs of the outside. */
export interface HostDeps {
  readonly load: LoadDeps;
  /** Path of the C library. */
  readonly library: string;
  /** CPU cores that this process may use. */
  readonly cores: number;
  /** Writes to standard output, at once. */
  out(text: string): void;
  /** Writes to standard error, at once. */
  err(text: string): void;
  readonly signals: SignalSource;
  exitNow(code: number): void;
}

/** What a command does beyond serving. */
export interface HostHooks {
  /** Called when traffic is up. */
  onReady?(running: { readonly control: ControlPlane; readonly workers: number; readonly log: Log }): void;
}

/** The machine's own, with the command's streams. */
export function systemHostDeps(
  io: { out(text: string): void; err(text: string): void },
  load: LoadDeps,
  library: string,
): HostDeps {
  return {
    load,
    library,
    cores: navigator.hardwareConcurrency,
    out: io.out,
    err: io.err,
    signals: processSignals,
    exitNow: (code) => Deno.exit(code),
  };
}

/** An end before traffic was up, with the sentence for the user. */
class StartError extends Error {}

/** Runs the proxy until a signal ends it. Resolves with the exit code: 0, or 1 when it could not start. */
export async function runHost(path: string, deps: HostDeps, hooks: HostHooks = {}): Promise<number> {
  try {
    await serve(path, deps, hooks);
    return 0;
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    deps.err(`${error.message}\n`);
    return 1;
  }
}

async function serve(path: string, deps: HostDeps, hooks: HostHooks): Promise<void> {
  const loaded = await loadConfig(path, deps.load);
  const { config } = loaded;
  if (config === null) throw new StartError(allProblems(loaded).map(formatProblem).join("\n"));
  const log = createLog({ level: config.log.level, format: config.log.format });
  const workers = workersOf(config, deps.cores);

  await using engine = startEngine(deps.library, workers);
  const openLogs = Logs.open(config, {
    engine,
    log,
    sinkDeps: systemSinkDeps,
    out: deps.out,
    now: () => performance.now(),
    sleep,
  });
  await using logs = await openLogs.catch((cause: Error) => {
    throw new StartError(`sluice: ${cause.message}`, { cause });
  });
  const control = new ControlPlane({
    dataPlane: engine,
    load: () => loadConfig(path, deps.load),
    settings: logs,
    log,
    onBound: (bound) => {
      for (const one of bound) {
        log.info("listening", { ...one });
        logs.announce(listeningLine(one));
      }
    },
    now: () => Date.now(),
  });
  await startControl(control, loaded, deps.load);

  for (const bound of control.bound) deps.out(`${listeningLine(bound)}\n`);
  const stopped = runUntilStopped({
    control,
    signals: deps.signals,
    log,
    graceMs: () => control.config.shutdown.grace,
    exitNow: deps.exitNow,
    now: () => performance.now(),
    sleep,
  });
  deps.out(
    `ready generation=${control.generation} tenants=${control.plan.tenants.size} ` +
      `listeners=${countListeners(control.plan)} workers=${workers}\n`,
  );
  hooks.onReady?.({ control, workers, log });
  await stopped;
}

function workersOf(config: Config, cores: number): number {
  return config.workers === "auto" ? Math.max(1, Math.min(cores, MOST_WORKERS)) : config.workers;
}

function startEngine(library: string, workers: number): Engine {
  try {
    const engine = Engine.create({ workers, library: openLibrary(library) });
    engine.start();
    return engine;
  } catch (cause) {
    if (cause instanceof LibraryError || cause instanceof DataPlaneError) {
      throw new StartError(`sluice: ${cause.message}`, { cause });
    }
    throw cause;
  }
}

async function startControl(control: ControlPlane, loaded: LoadResult, load: LoadDeps): Promise<void> {
  try {
    control.start(loaded);
  } catch (cause) {
    if (!(cause instanceof DataPlaneError)) throw cause;
    const { tenant, listener } = cause.subject;
    const place = tenant === undefined || listener === undefined
      ? null
      : await placeOfListener(loaded.files, tenant, listener, load);
    throw new StartError(`${place ?? "sluice"}: ${cause.message}`, { cause });
  }
}
