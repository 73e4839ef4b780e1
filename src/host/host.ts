/**
 * The whole proxy put together: configuration, engine, logs and control plane, from the first file that is read to the
 * end of the last worker. The only place where the rooms meet; `serve` and `demo` call it.
 *
 * Standard output gets one line for each bound address and then the ready line; from there on traffic counts as up.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { systemSinkDeps } from "../access_log/mod.ts";
import { AdminStartError } from "../admin/listen.ts";
import {
  formatProblem,
  type LoadDeps,
  type MainConfig,
  placeOfListener,
  removeStaleTemps,
  type StoreFs,
  systemStoreFs,
  type WatchDeps,
} from "../config/mod.ts";
import {
  ConfigError,
  ControlPlane,
  countListeners,
  createAdminControl,
  type Evaluation,
  Events,
  listeningLine,
  processSignals,
  runUntilStopped,
  type SignalSource,
} from "../control/mod.ts";
import { DataPlaneError, Engine, LibraryError, openLibrary } from "../ffi/mod.ts";
import { createLog, type Log } from "../log.ts";
import { VERSION } from "../version.ts";
import { AdminPort } from "./admin_port.ts";
import { countersOf } from "./counters.ts";
import { Logs } from "./logs.ts";
import { openRecords, type Records } from "./records.ts";
import { Refusals } from "./refusals.ts";
import { SettingsList } from "./settings.ts";
import { sleep } from "./sleep.ts";
import { Watching } from "./watching.ts";

/** Most workers that the data plane has. */
const MOST_WORKERS = 64;

/** What the host needs of the outside. */
export interface HostDeps {
  readonly load: LoadDeps;
  readonly store: StoreFs;
  readonly watch: WatchDeps;
  /** Lets everybody on this machine use the admin API, without a token. */
  readonly insecure?: boolean;
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
    store: systemStoreFs(),
    watch: { open: (folders) => Deno.watchFs([...folders], { recursive: false }), sleep },
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
  const first = await readFirst(path, deps);
  const { config } = first.main;
  const log = createLog({ level: config.log.level, format: config.log.format });
  await cleanUp([dirname(path), ...first.main.folder === null ? [] : [first.main.folder]], deps.store, log);
  const workers = workersOf(config, deps.cores);

  await using engine = startEngine(deps.library, workers);
  const events = new Events(() => Date.now());
  await using refusals = new Refusals({
    engine,
    log,
    onRefusal: ({ tenant, reason, count, dryRun }) => events.add("limit", tenant, { reason, count, dry_run: dryRun }),
    now: () => performance.now(),
    sleep,
  });
  const openLogs = Logs.open(config, {
    engine,
    log,
    sinkDeps: systemSinkDeps,
    onRefusing: (tenant) => refusals.mark(tenant),
    out: deps.out,
    now: () => performance.now(),
    sleep,
  });
  await using logs = await openLogs.catch((cause: Error) => {
    throw new StartError(`sluice: ${cause.message}`, { cause });
  });
  const settings = new SettingsList();
  settings.add(logs);
  await using records = await openRecords(stateFolderOf(path, config), path, first, { log, now: () => Date.now() });
  const control = new ControlPlane({
    path,
    dataPlane: engine,
    load: deps.load,
    store: deps.store,
    settings,
    log,
    onBound: (bound) => {
      for (const one of bound) {
        log.info("listening", { ...one });
        logs.announce(listeningLine(one));
      }
    },
    onChange: (change) => {
      records.history.record(change);
      events.tellChange(change);
      refusals.follow(change);
      watching.update();
    },
    onReload: (report, by) => events.tellReload(report, by),
    now: () => Date.now(),
  });
  await using watching = new Watching({ control, path, load: deps.load, watch: deps.watch, log });
  await startControl(control, first, records, { path, load: deps.load });
  await using admin = await openAdmin({ path, deps, engine, logs, control, records, events, log, settings });

  for (const bound of control.bound) deps.out(`${listeningLine(bound)}\n`);
  if (admin.address !== null) deps.out(`admin address=${admin.address}\n`);
  const stopped = runUntilStopped({
    control,
    signals: deps.signals,
    log,
    graceMs: () => control.config.shutdown.grace,
    exitNow: deps.exitNow,
    now: () => performance.now(),
    sleep,
  });
  watching.update();
  deps.out(
    `ready generation=${control.generation} tenants=${control.plan.tenants.size} ` +
      `listeners=${countListeners(control.plan)} workers=${workers}\n`,
  );
  hooks.onReady?.({ control, workers, log });
  await stopped;
}

/** The admin API's port, with the verbs behind it. */
async function openAdmin(parts: {
  readonly path: string;
  readonly deps: HostDeps;
  readonly engine: Engine;
  readonly logs: Logs;
  readonly control: ControlPlane;
  readonly records: Records;
  readonly events: Events;
  readonly log: Log;
  readonly settings: SettingsList;
}): Promise<AdminPort> {
  const { path, deps, engine, logs, control, records, events, log, settings } = parts;
  const [started, startedMs] = [performance.now(), Date.now()];
  const dropped = () => logs.dropped;
  const verbs = createAdminControl({
    control,
    dataPlane: engine,
    store: deps.store,
    path,
    history: records.history,
    audit: records.audit,
    events,
    ...countersOf({ engine, control, dropped, startedMs, now: () => Date.now() }),
    version: VERSION,
    isReady: () => true,
    uptimeMs: () => performance.now() - started,
  });
  const now = () => performance.now();
  const port = new AdminPort({ control: verbs, log, path, insecure: deps.insecure ?? false, now, sleep });
  try {
    (await port.prepare(control.config)).commit();
  } catch (cause) {
    if (!(cause instanceof AdminStartError)) throw cause;
    throw new StartError(`sluice: ${cause.message}`, { cause });
  }
  settings.add(port);
  return port;
}

async function readFirst(path: string, deps: HostDeps): Promise<Evaluation> {
  try {
    return await ControlPlane.read(path, deps.load);
  } catch (cause) {
    if (!(cause instanceof ConfigError)) throw cause;
    throw new StartError(cause.problems.map(formatProblem).join("\n"), { cause });
  }
}

/** Removes what a crash has left of files that were being written. */
async function cleanUp(folders: readonly string[], store: StoreFs, log: Log): Promise<void> {
  for (const folder of folders) {
    try {
      const names = await removeStaleTemps(folder, store);
      if (names.length > 0) log.info("files of an unfinished write were removed", { folder, files: names.join(" ") });
    } catch (error) {
      log.debug("no look for unfinished writes", { folder, error: error instanceof Error ? error : String(error) });
    }
  }
}

/** Only who can change the configuration needs its history. */
function stateFolderOf(path: string, config: MainConfig): string | null {
  return config.admin === undefined ? null : join(dirname(path), ".sluice");
}

function workersOf(config: MainConfig, cores: number): number {
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

async function startControl(
  control: ControlPlane,
  first: Evaluation,
  { history }: Records,
  files: { readonly path: string; readonly load: LoadDeps },
): Promise<void> {
  try {
    control.start(first, history.last);
  } catch (cause) {
    if (!(cause instanceof DataPlaneError)) throw cause;
    const { tenant, listener } = cause.subject;
    const place = tenant === undefined || listener === undefined
      ? null
      : await placeOfListener([files.path], tenant, listener, files.load);
    throw new StartError(`${place ?? "sluice"}: ${cause.message}`, { cause });
  }
}
