/**
 * Everything that the admin API may do, as verbs on the control plane: each write goes through its queue, is audited,
 * and tells the events. Made by the host; holds no configuration of its own.
 *
 * @module
 */

import type {
  Actor,
  AdminControl,
  AuditView,
  Edit,
  EventView,
  Fault,
  GenerationView,
  JsonObject,
  ObjectPath,
  Page,
  ReloadSummary,
  SessionFilter,
  SessionView,
  StatusView,
  TenantStatusView,
  Versioned,
  WriteOptions,
  WriteResult,
} from "../admin/control.ts";
import { ControlError } from "../admin/control.ts";
import type { CanaryStatus } from "../canary/mod.ts";
import type { StoreFs } from "../config/mod.ts";
import type { Audit } from "./audit.ts";
import { authorizeTenant } from "./authorize.ts";
import { replaceConfig, rollback, type SentConfig, validateConfig, wholeConfig } from "./config_verbs.ts";
import type { ControlPlane } from "./control_plane.ts";
import type { DataPlane } from "./data_plane.ts";
import { versioned } from "./etag.ts";
import type { Events } from "./events.ts";
import type { History } from "./history.ts";
import { entriesOf, partOf } from "./parts.ts";
import { sessionView, statusView, tenantStatusView } from "./status_view.ts";
import { valueOf } from "./targets.ts";
import { editTenant } from "./tenant_verbs.ts";
import type { WriterDeps } from "./writer.ts";

/** What the verbs work with. */
export interface AdminControlDeps {
  readonly control: ControlPlane;
  readonly dataPlane: DataPlane;
  readonly store: StoreFs;
  /** The main file. */
  readonly path: string;
  readonly history: History;
  readonly audit: Audit;
  readonly events: Events;
  /** Prometheus text. */
  readonly metrics: AdminControl["metrics"];
  /** Counters of one tenant, or of all. */
  readonly stats: AdminControl["stats"];
  /** Where the canary of a split stands; null for a backend without one. */
  canaryOf(tenant: string, backend: string): CanaryStatus | null;
  readonly version: string;
  /** Whether traffic is up. */
  isReady(): boolean;
  /** Since the start, ms. */
  uptimeMs(): number;
}

/** The verbs of the admin API. */
export function createAdminControl(deps: AdminControlDeps): AdminControl {
  return new Verbs(deps);
}

class Verbs implements AdminControl {
  readonly #deps: AdminControlDeps;
  readonly #writer: WriterDeps;

  constructor(deps: AdminControlDeps) {
    this.#deps = deps;
    this.#writer = { control: deps.control, dataPlane: deps.dataPlane, store: deps.store, path: deps.path };
  }

  status(): StatusView {
    const { control, version } = this.#deps;
    return statusView(control, { version, uptimeMs: this.#deps.uptimeMs() });
  }

  isReady(): boolean {
    return this.#deps.isReady() && !this.#deps.control.isDraining;
  }

  config(): Versioned {
    return wholeConfig(this.#deps.control);
  }

  configYaml(): string {
    return this.#deps.control.main.text;
  }

  replaceConfig(sent: SentConfig, options: WriteOptions): Promise<WriteResult> {
    return this.#write("replace", "/config", null, options, () => replaceConfig(sent, options, this.#writer));
  }

  validateConfig(sent: SentConfig): Promise<readonly Fault[]> {
    return this.#deps.control.queue.run(() => validateConfig(sent, this.#writer));
  }

  async reload(actor: Actor): Promise<ReloadSummary> {
    if (actor.role !== "admin") throw new ControlError("forbidden", "Only admins reload the configuration");
    const { atMs, ...report } = await this.#deps.control.reload({ by: actor.name });
    const result = report.errors.length === 0 ? "ok" : report.errors.join("; ");
    this.record({ actor: actor.name, verb: "reload", target: "/config", tenant: null, changes: [], result });
    return { at: new Date(atMs).toISOString(), ...report };
  }

  generations(): readonly GenerationView[] {
    return this.#deps.history.list();
  }

  rollback(generation: number, options: WriteOptions): Promise<WriteResult> {
    const { history } = this.#deps;
    return this.#write(
      "rollback",
      `/config/generations/${generation}`,
      null,
      options,
      () => rollback(generation, history, options, this.#writer),
    );
  }

  tenantIds(): readonly string[] {
    return [...this.#deps.control.units.keys()].sort();
  }

  object({ tenant, part }: ObjectPath): Versioned | null {
    const value = this.#tenant(tenant);
    const found = value === null || part === undefined ? value : partOf(value, part);
    return found === null ? null : versioned(found);
  }

  partIds(tenant: string, kind: "listeners" | "routes" | "backends"): readonly string[] | null {
    const value = this.#tenant(tenant);
    return value === null ? null : idsOf(entriesOf(value, kind));
  }

  endpointIds(tenant: string, backend: string): readonly string[] | null {
    const value = this.#tenant(tenant);
    const found = value === null ? null : partOf(value, { kind: "backends", id: backend });
    return found === null ? null : idsOf(entriesOf(found, "endpoints"));
  }

  edit(path: ObjectPath, edit: Edit, options: WriteOptions): Promise<WriteResult> {
    return this.#write(edit.kind, targetOf(path), path.tenant, options, async () => {
      const result = await editTenant(path, edit, options, this.#writer);
      if (edit.kind === "delete" && options.dryRun !== true && result.sessions.drained > 0) {
        this.#tellDrain(path.tenant, result.sessions.drained, edit.drainMs ?? null);
      }
      return result;
    });
  }

  tenantStatus(tenant: string, isTenants = false): TenantStatusView | null {
    const { control, dataPlane, canaryOf } = this.#deps;
    return tenantStatusView(control, tenant, isTenants, dataPlane, canaryOf);
  }

  setEnabled(tenant: string, enabled: boolean, options: WriteOptions): Promise<WriteResult> {
    const path = { tenant };
    const edit = { kind: "patch", patch: { enabled } } as const;
    return this.#write(
      enabled ? "enable" : "disable",
      targetOf(path),
      tenant,
      options,
      () => editTenant(path, edit, options, this.#writer),
    );
  }

  drainTenant(tenant: string, drainMs: number | undefined, options: WriteOptions): Promise<WriteResult> {
    const { control, dataPlane } = this.#deps;
    const path = { tenant };
    return this.#write("drain", targetOf(path), tenant, options, async () => {
      const edit = { kind: "patch", patch: { enabled: false } } as const;
      const result = await editTenant(path, edit, options, this.#writer);
      if (options.dryRun === true) {
        const { kept, drained } = result.sessions;
        return { ...result, sessions: { kept: 0, drained: kept + drained || this.#countOf(tenant) } };
      }
      const graceMs = drainMs ?? control.plan.tenants.get(tenant)?.timeouts.drainMs ?? 0;
      const drained = dataPlane.drainSessions(tenant, graceMs);
      this.#tellDrain(tenant, drained, graceMs);
      return { ...result, sessions: { kept: 0, drained } };
    });
  }

  sessions(filter: SessionFilter, limit: number, cursor: string | null): Page<SessionView> {
    const page = this.#asked(() => this.#deps.dataPlane.sessions(filter, limit, cursor));
    return { items: page.sessions.map(sessionView), next_cursor: page.cursor };
  }

  session(id: string): SessionView | null {
    const found = this.#deps.dataPlane.session(id);
    return found === null ? null : sessionView(found);
  }

  killSessions(filter: SessionFilter, actor: Actor): number {
    this.#mayKill(actor, filter.tenant ?? null);
    const count = this.#asked(() => this.#deps.dataPlane.killSessions(filter));
    const tenant = filter.tenant ?? null;
    const named = Object.entries(filter).filter(([, value]) => value !== undefined);
    const target = `/sessions${named.length === 0 ? "" : `?${named.map((pair) => pair.join("=")).join("&")}`}`;
    this.#recordOf(actor, { verb: "kill", target, tenant, changes: [], result: `ok: ${count} closed` }, count > 0);
    return count;
  }

  killSession(id: string, actor: Actor): boolean {
    const { dataPlane } = this.#deps;
    const session = dataPlane.session(id);
    if (session === null) return false;
    this.#mayKill(actor, session.tenant);
    const isKilled = dataPlane.killSessions({ session: id }) > 0;
    const result = isKilled ? "ok" : "it had ended";
    const target = `/sessions/${id}`;
    this.record({ actor: actor.name, verb: "kill", target, tenant: session.tenant, changes: [], result });
    return isKilled;
  }

  stats(tenant?: string): JsonObject {
    return this.#deps.stats(tenant);
  }

  metrics(filter: { readonly tenant?: string; readonly names?: readonly string[] }): string {
    return this.#deps.metrics(filter);
  }

  audit(tenant: string | null, limit: number, cursor: string | null): Page<AuditView> {
    return this.#deps.audit.page(tenant, limit, cursor);
  }

  record(entry: Omit<AuditView, "at" | "generation">): void {
    this.#deps.audit.add({ ...entry, generation: this.#deps.control.generation });
  }

  subscribe(afterId: number | null, listener: (event: EventView) => void): () => void {
    return this.#deps.events.subscribe(afterId, listener);
  }

  /** Runs a write in its turn, and puts what came of it into the audit. */
  #write(
    verb: string,
    target: string,
    tenant: string | null,
    { actor, dryRun }: WriteOptions,
    task: () => Promise<WriteResult>,
  ): Promise<WriteResult> {
    return this.#deps.control.queue.run(async () => {
      try {
        const result = await task();
        const { changes } = result;
        if (dryRun !== true) this.#recordOf(actor, { verb, target, tenant, changes, result: "ok" });
        return result;
      } catch (error) {
        const result = error instanceof ControlError ? `${error.kind}: ${error.message}` : `failed: ${String(error)}`;
        if (dryRun !== true) this.#recordOf(actor, { verb, target, tenant, changes: [], result });
        throw error;
      }
    });
  }

  /** What had no effect is not recorded each time, unless an admin did it. */
  #recordOf(
    { name: actor, role }: Actor,
    entry: Omit<AuditView, "at" | "generation" | "actor">,
    hadEffect = entry.changes.length > 0,
  ): void {
    const { audit, control } = this.#deps;
    const whole = { actor, ...entry, generation: control.generation };
    if (hadEffect || role === "admin") audit.add(whole);
    else audit.addIdle(whole);
  }

  #tenant(id: string): JsonObject | null {
    const unit = this.#deps.control.units.get(id);
    return unit === undefined ? null : valueOf(unit);
  }

  #countOf(tenant: string): number {
    return this.#deps.dataPlane.tenantStatsOf(tenant)?.sessionsActive ?? 0;
  }

  #mayKill(actor: Actor, tenant: string | null): void {
    if (actor.role === "admin") return;
    if (tenant === null) throw new ControlError("forbidden", "Only admins close sessions of all tenants");
    authorizeTenant(actor, tenant);
  }

  #tellDrain(tenant: string, sessions: number, graceMs: number | null): void {
    this.#deps.events.add("drain", tenant, { sessions, grace_ms: graceMs });
  }

  /** A filter or cursor that the data plane cannot read is the asker's. */
  #asked<T>(ask: () => T): T {
    try {
      return ask();
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      throw new ControlError("invalid", error.message, [{ pointer: "", detail: error.message }], { cause: error });
    }
  }
}

function targetOf({ tenant, part }: ObjectPath): string {
  if (part === undefined) return `/tenants/${tenant}`;
  if (part.kind === "endpoints") return `/tenants/${tenant}/backends/${part.backend}/endpoints/${part.id}`;
  return `/tenants/${tenant}/${part.kind}/${part.id}`;
}

function idsOf(entries: readonly JsonObject[]): string[] {
  return entries.flatMap(({ id }) => typeof id === "string" ? [id] : []);
}
