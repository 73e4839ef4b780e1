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
import type { Canaries } from "../canary/mod.ts";
import {
  type LoadDeps,
  type MainConfig,
  type StoreFs,
  systemLoadDeps,
  systemStoreFs,
  type WatchDeps,
} from "../config/mod.ts";
import {
  ControlPlane,
  countListeners,
  createAdminControl,
  Events,
  listeningLine,
  processSignals,
  runUntilStopped,
  type SignalSource,
} from "../control/mod.ts";
import { DataPlaneError, type Engine } from "../ffi/mod.ts";
import { checkOver, type Dial, dialSystem, HealthChecker } from "../health/mod.ts";
import { createLog, type Log } from "../log.ts";
import { VERSION } from "../version.ts";
import { AdminPort } from "./admin_port.ts";
import { startCanaries } from "./canaries.ts";
import { countersOf } from "./counters.ts";
import { Following, type NameDeps, type NameLookups, systemNameDeps } from "./names.ts";
import { Logs } from "./logs.ts";
import { openRecords, type Records } from "./records.ts";
import { Refusals } from "./refusals.ts";
import { SettingsList } from "./settings.ts";
import { sleep } from "./sleep.ts";
import { cleanUp, readFirst, startControl, startEngine, StartError, workersOf } from "./start.ts";
import { Upstreams } from "./upstreams.ts";
import { Watching } from "./watching.ts";

/** How long a change waits for names of which nothing is known yet: others wait for it. They are followed later. */
const CHANGE_WAITS_MS = 1_000;

/** What the host needs of the outside. */
export interface HostDeps {
  readonly load: Omit<LoadDeps, keyof NameLookups>;
  readonly names: NameDeps;
  /** Makes a connection to an endpoint that is checked. */
  readonly dial: Dial;
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
  library: string,
): HostDeps {
  return {
    load: systemLoadDeps(),
    names: systemNameDeps(),
    dial: dialSystem,
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
  await using names = new Following(deps.names);
  const load = { ...deps.load, ...names.lookups };
  const first = await readFirst(path, load);
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
  const upstreams = new Upstreams({
    engine,
    log,
    plan: () => control.plan,
    onEvent: (kind, tenant, data) => events.add(kind, tenant, data),
    now: () => performance.now(),
  });
  await using checks = new HealthChecker({
    check: checkOver(deps.dial),
    onTransitions: (transitions) => upstreams.takeHealth(transitions),
    onError: (error) => tellUnset(log, error),
    now: () => performance.now(),
    unixMs: () => Date.now(),
    random: Math.random,
    sleep,
  });
  const openLogs = Logs.open(config, {
    engine,
    log,
    sinkDeps: systemSinkDeps,
    onRefusing: (tenant) => refusals.mark(tenant),
    onUpstream: (notice) => upstreams.take(notice),
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
  await using canaries = startCanaries({ engine, log, audit: records.audit, events, control: () => control });
  const control: ControlPlane = new ControlPlane({
    path,
    dataPlane: engine,
    load: { ...load, lookupTimeoutMs: CHANGE_WAITS_MS },
    store: deps.store,
    settings,
    log,
    checks,
    names: names.resolver,
    weigh: (plan) => canaries.weigh(plan),
    onInForce: (change) => canaries.follow(change),
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
    onMoved: (tenants, generation) => events.tellMoved(tenants, generation),
    onReload: (report, by) => events.tellReload(report, by),
    now: () => Date.now(),
  });
  await using watching = new Watching({ control, path, load, watch: deps.watch, log });
  names.begin(control, log);
  await startControl(control, first, records, { path, load });
  await using admin = await openAdmin({
    path,
    deps,
    engine,
    logs,
    control,
    records,
    canaries,
    events,
    log,
    settings,
  });

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
  checks.begin();
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
  readonly canaries: Canaries;
  readonly events: Events;
  readonly log: Log;
  readonly settings: SettingsList;
}): Promise<AdminPort> {
  const { path, deps, engine, logs, control, records, canaries, events, log, settings } = parts;
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
    canaryOf: (tenant, backend) => canaries.statusOf(tenant, backend),
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

function tellUnset(log: Log, error: unknown): void {
  // While the workers end there is nobody to be told of an endpoint's health.
  const level = error instanceof DataPlaneError && error.code === "E_STATE" ? "debug" : "error";
  log[level]("the health of endpoints could not be set", { error: error instanceof Error ? error : String(error) });
}

/** Only who can change the configuration needs its history. */
function stateFolderOf(path: string, config: MainConfig): string | null {
  return config.admin === undefined ? null : join(dirname(path), ".sluice");
}
