/** A control plane on a data plane that only remembers what it was told, and on files that are only in memory. */
import { basename, dirname } from "node:path";
import type { CanaryStatus } from "../../src/canary/mod.ts";
import {
  loadConfig,
  type LoadResult,
  type PlanChange,
  type ServiceAddress,
  type StoreFs,
} from "../../src/config/mod.ts";
import {
  type AppliedChange,
  type BoundAddress,
  type ControlDeps,
  ControlPlane,
  type DataPlane,
  type ReloadReport,
} from "../../src/control/mod.ts";
import type {
  BackendStats,
  EndpointHealth,
  EndpointStats,
  EngineStatus,
  ListenerStats,
  LiveSession,
  SessionFilter,
  SessionPage,
  SourceStats,
  TenantStats,
} from "../../src/ffi/mod.ts";
import type { HealthRow, HealthTarget } from "../../src/health/mod.ts";
import type { KnownName, WantedName } from "../../src/resolver/mod.ts";
import type { Log, LogFields } from "../../src/log.ts";
import { fakeDeps } from "./config_fixture.ts";

/** The main file of the fixtures. */
export const MAIN = "/etc/sluice.yaml";

/** The text of a configuration with these tenants, each with one listener of this address. */
export function configText(addresses: Readonly<Record<string, string>>, rest = ""): string {
  const tenants = Object.entries(addresses).map(([id, address]) =>
    `  - id: ${id}
    listeners: [{ id: in, address: "${address}", backend: pool }]
    backends: [{ id: pool, endpoints: [{ id: a, address: "127.0.0.1:9" }] }]
`
  );
  return `version: 1\n${rest}tenants:\n${tenants.join("")}`;
}

/** The text of a tenant's own file with one listener. */
export function tenantText(address: string, rest = ""): string {
  return `listeners: [{ id: in, address: "${address}", backend: pool }]
backends: [{ id: pool, endpoints: [{ id: a, address: "127.0.0.1:9" }] }]
${rest}`;
}

export function load(text: string): Promise<LoadResult> {
  return loadConfig(MAIN, fakeDeps({ files: { [MAIN]: text } }));
}

export class FakeDataPlane implements DataPlane {
  readonly applied: { readonly change: PlanChange; readonly generation: number }[] = [];
  readonly drained: number[] = [];
  readonly tenantsDrained: { readonly tenant: string; readonly graceMs: number }[] = [];
  readonly killed: SessionFilter[] = [];
  readonly healths: EndpointHealth[] = [];
  stops = 0;
  /** What the next apply throws. */
  refusal: Error | null = null;
  listeners: ListenerStats[] = [];
  stats: TenantStats[] = [];
  sources: SourceStats[] = [];
  backends: BackendStats[] = [];
  endpoints: EndpointStats[] = [];
  live: LiveSession[] = [];
  /** Live sessions beyond those of `live`. */
  sessionCount = 0;

  apply(change: PlanChange, generation: number): void {
    const { refusal } = this;
    this.refusal = null;
    if (refusal !== null) throw refusal;
    this.applied.push({ change, generation });
  }

  status(): EngineStatus {
    return {
      state: "running",
      workers: 1,
      generation: this.applied.length,
      sessionsActive: this.live.length + this.sessionCount,
      tenants: 1,
      listeners: 1,
      snapshotsHeld: 0,
    };
  }

  drain(graceMs: number): void {
    this.drained.push(graceMs);
  }

  stop(): Promise<void> {
    this.stops++;
    return Promise.resolve();
  }

  listenerStats(): readonly ListenerStats[] {
    return this.listeners;
  }

  tenantStats(): readonly TenantStats[] {
    return this.stats;
  }

  tenantStatsOf(name: string | null): TenantStats | null {
    return this.stats.find(({ tenant }) => tenant === name) ?? null;
  }

  sourcesOf(_tenant: string, most: number): readonly SourceStats[] {
    return this.sources.slice(0, most);
  }

  backendStats(): readonly BackendStats[] {
    return this.backends;
  }

  endpointStats(): readonly EndpointStats[] {
    return this.endpoints;
  }

  setHealth(healths: readonly EndpointHealth[]): number {
    return this.healths.push(...healths);
  }

  sessions(filter: SessionFilter, limit: number, cursor: string | null): SessionPage {
    const from = Number(cursor ?? 0);
    const found = this.live.filter(({ tenant }) => filter.tenant === undefined || tenant === filter.tenant);
    const sessions = found.slice(from, from + limit);
    return { sessions, cursor: from + limit < found.length ? String(from + limit) : null };
  }

  session(id: string): LiveSession | null {
    return this.live.find(({ session }) => session === id) ?? null;
  }

  killSessions(filter: SessionFilter): number {
    this.killed.push(filter);
    return this.sessions(filter, this.live.length, null).sessions.length;
  }

  drainSessions(tenant: string, graceMs: number): number {
    this.tenantsDrained.push({ tenant, graceMs });
    return this.sessions({ tenant }, this.live.length, null).sessions.length;
  }

  /** Ids that the last apply put in force. */
  lastUpserts(): string[] {
    return this.applied.at(-1)?.change.upserts.map(({ id }) => id) ?? [];
  }
}

/** A live session of a tenant. */
export function liveSession(tenant: string, listener = "in", backend = "pool"): LiveSession {
  return {
    kind: "session",
    progress: true,
    timeMs: 0,
    session: "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    tenant,
    listener,
    route: null,
    backend,
    endpoint: "a",
    client: "192.0.2.1",
    clientPort: 1,
    serverName: null,
    alpn: null,
    bytesUp: 0,
    bytesDown: 0,
    queueUs: null,
    connectUs: 1_500,
    firstByteUs: null,
    totalUs: 10,
    attempts: 1,
    code: null,
    reason: null,
    rttClientUs: null,
    rttServerUs: null,
    state: "relaying",
    drainInMs: null,
  };
}

/** Files in memory; what was done to them, step by step, is in `steps`. */
export class MemoryFiles implements StoreFs {
  readonly texts = new Map<string, string>();
  readonly steps: string[] = [];
  /** Fails the next step that starts with this. */
  failAt: string | null = null;

  readTextFile(path: string): Promise<string> {
    const text = this.texts.get(path);
    return text === undefined ? Promise.reject(new Deno.errors.NotFound(path)) : Promise.resolve(text);
  }

  listFiles(folder: string): Promise<readonly string[]> {
    return Promise.resolve(
      [...this.texts.keys()].filter((path) => dirname(path) === folder).map((path) => basename(path)),
    );
  }

  writeSynced(path: string, text: string): Promise<void> {
    return this.#step(`write ${path}`, () => void this.texts.set(path, text));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#step(`rename ${to}`, () => {
      this.texts.set(to, this.texts.get(from) ?? "");
      this.texts.delete(from);
    });
  }

  remove(path: string): Promise<void> {
    return this.#step(`remove ${path}`, () => void this.texts.delete(path));
  }

  syncFolder(folder: string): Promise<void> {
    return this.#step(`sync ${folder}`, () => {});
  }

  realPath(path: string): Promise<string> {
    return Promise.resolve(path);
  }

  #step(name: string, act: () => void): Promise<void> {
    if (this.failAt !== null && name.startsWith(this.failAt)) {
      this.failAt = null;
      return Promise.reject(new Error(`cannot ${name}`));
    }
    this.steps.push(name);
    act();
    return Promise.resolve();
  }
}

/** A log that keeps its lines. */
export class FakeLog implements Log {
  readonly lines: { readonly level: string; readonly message: string; readonly fields: LogFields }[] = [];
  debug = (message: string, fields: LogFields = {}) => void this.lines.push({ level: "debug", message, fields });
  info = (message: string, fields: LogFields = {}) => void this.lines.push({ level: "info", message, fields });
  warn = (message: string, fields: LogFields = {}) => void this.lines.push({ level: "warn", message, fields });
  error = (message: string, fields: LogFields = {}) => void this.lines.push({ level: "error", message, fields });

  messages(level: string): string[] {
    return this.lines.filter((line) => line.level === level).map((line) => line.message);
  }
}

/** Knows what it was told, and the rows that a test gives it. */
export class FakeChecks {
  readonly targets = new Map<string, readonly HealthTarget[]>();
  rows: HealthRow[] = [];

  setTargets(tenant: string, targets: readonly HealthTarget[]): void {
    if (targets.length === 0) this.targets.delete(tenant);
    else this.targets.set(tenant, targets);
  }

  rowsOf(tenant: string): HealthRow[] {
    return this.rows.filter((row) => row.tenant === tenant);
  }
}

/** Knows of names what the bench says. */
export class FakeNames {
  readonly wanted = new Map<string, readonly string[]>();
  refreshes = 0;
  readonly #bench: Pick<ControlBench, "hosts" | "services">;

  constructor(bench: Pick<ControlBench, "hosts" | "services">) {
    this.#bench = bench;
  }

  setNames(owner: string, names: readonly WantedName[]): void {
    if (names.length === 0) this.wanted.delete(owner);
    else this.wanted.set(owner, names.map(({ kind, name }) => `${kind} ${name}`));
  }

  known({ kind, name }: WantedName): KnownName {
    const targets = kind === "srv"
      ? this.#bench.services[name]
      : this.#bench.hosts[name]?.map((ip) => ({ ip, port: null, weight: null, tier: 0 }));
    if (targets !== undefined) return { answer: { kind: "known", targets }, error: null };
    return { answer: { kind: "none", why: "no such name" }, error: "no such name" };
  }

  refresh(): void {
    this.refreshes++;
  }
}

/** A control plane with all that it touches. */
export class ControlBench {
  readonly dataPlane = new FakeDataPlane();
  readonly files = new MemoryFiles();
  readonly log = new FakeLog();
  readonly bound: BoundAddress[] = [];
  readonly changes: AppliedChange[] = [];
  readonly reports: ReloadReport[] = [];
  /** What settings were asked: `prepare`, `commit`, `discard`. */
  readonly settings: string[] = [];
  /** What the next prepare throws. */
  settingsFailure: Error | null = null;
  /** Held back while it is there. */
  gate: Promise<void> | null = null;
  /** How often the main file was read. */
  loads = 0;
  /** What is asked for weights, and told what is in force. */
  weights: Required<Pick<ControlDeps, "weigh" | "onInForce">> = { weigh: (plan) => plan, onInForce: () => {} };
  canaryOf: (tenant: string, backend: string) => CanaryStatus | null = () => null;
  /** Addresses by name. */
  hosts: Record<string, string[]> = {};
  /** Services by name. */
  services: Record<string, ServiceAddress[]> = {};
  /** Tenants whose names stand for something else, with the generation. */
  readonly moved: [readonly string[], number][] = [];
  readonly checks = new FakeChecks();
  readonly names = new FakeNames(this);
  readonly control: ControlPlane;

  constructor(text: string, tenants: Readonly<Record<string, string>> = {}) {
    this.text = text;
    for (const [id, own] of Object.entries(tenants)) this.files.texts.set(`/etc/t/${id}.yaml`, own);
    this.control = new ControlPlane({
      path: MAIN,
      dataPlane: this.dataPlane,
      load: this.loadDeps,
      store: this.files,
      settings: {
        prepare: () => {
          this.settings.push("prepare");
          const failure = this.settingsFailure;
          this.settingsFailure = null;
          if (failure !== null) return Promise.reject(failure);
          return Promise.resolve({
            commit: () => void this.settings.push("commit"),
            discard: () => void this.settings.push("discard"),
          });
        },
      },
      log: this.log,
      checks: this.checks,
      names: this.names,
      onMoved: (tenants, generation) => void this.moved.push([tenants, generation]),
      weigh: (plan) => this.weights.weigh(plan),
      onInForce: (change) => this.weights.onInForce(change),
      onBound: (bound) => void this.bound.push(...bound),
      onChange: (change) => void this.changes.push(change),
      onReload: (report) => void this.reports.push(report),
      now: () => 1_000,
    });
  }

  get loadDeps() {
    return {
      ...fakeDeps({}),
      lookup: (name: string) => {
        const found = this.hosts[name];
        return found === undefined ? Promise.reject(new Error("no such name")) : Promise.resolve(found);
      },
      lookupServices: (name: string) => {
        const found = this.services[name];
        return found === undefined ? Promise.reject(new Error("no such name")) : Promise.resolve(found);
      },
      listFiles: (folder: string) => this.files.listFiles(folder),
      readTextFile: async (path: string) => {
        if (path === MAIN) {
          this.loads++;
          await this.gate;
        }
        return await this.files.readTextFile(path);
      },
    };
  }

  get text(): string {
    return this.files.texts.get(MAIN) ?? "";
  }

  set text(text: string) {
    this.files.texts.set(MAIN, text);
  }

  /** The text of a tenant's file; undefined: there is none. */
  tenantFile(id: string): string | undefined {
    return this.files.texts.get(`/etc/t/${id}.yaml`);
  }

  /** Writes a tenant's file by hand; null deletes it. */
  editTenant(id: string, text: string | null): void {
    if (text === null) this.files.texts.delete(`/etc/t/${id}.yaml`);
    else this.files.texts.set(`/etc/t/${id}.yaml`, text);
  }

  async start(): Promise<void> {
    this.control.start(await ControlPlane.read(MAIN, this.loadDeps));
  }

  /** A bench that has been started; with tenants' files, the main file must have `tenants_dir: t`. */
  static async started(text: string, tenants: Readonly<Record<string, string>> = {}): Promise<ControlBench> {
    const bench = new ControlBench(text, tenants);
    await bench.start();
    bench.loads = 0;
    return bench;
  }
}
