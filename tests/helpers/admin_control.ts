/**
 * A control plane that only keeps objects in memory, for tests of the admin API.
 *
 * @module
 */
import { createHash } from "node:crypto";
import {
  type Actor,
  type AdminControl,
  type AuditView,
  type Change,
  ControlError,
  type Edit,
  type EventView,
  type Fault,
  type GenerationView,
  type Json,
  type JsonObject,
  type ObjectPath,
  type Page,
  type ReloadSummary,
  type SessionFilter,
  type SessionView,
  type StatusView,
  type TenantStatusView,
  type Versioned,
  type WriteOptions,
  type WriteResult,
} from "../../src/admin/control.ts";

type Tree = Record<string, Json>;

/** In hexadecimal. */
export const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const etagOf = (value: Json) => `"${sha256(JSON.stringify(value)).slice(0, 16)}"`;

/** A tenant that can be served. */
export function tenantOf(id: string, more: JsonObject = {}): JsonObject {
  return {
    id,
    listeners: [{ id: "in", address: "127.0.0.1:0", backend: "out" }],
    backends: [{ id: "out", endpoints: [{ id: "a", address: "127.0.0.1:9" }, { id: "b", address: "127.0.0.1:10" }] }],
    ...more,
  };
}

/** A control plane without a proxy. */
export class FakeControl implements AdminControl {
  readonly tenants = new Map<string, JsonObject>();
  readonly sessionList: { session: string; tenant: string; client: string }[] = [];
  readonly killed: string[] = [];
  readonly calls: { readonly verb: string; readonly actor: Actor; readonly more: unknown }[] = [];
  readonly events: EventView[] = [];
  readonly listeners = new Set<(event: EventView) => void>();
  auditList: AuditView[] = [];
  generationList: GenerationView[] = [];
  generation = 7;
  ready = true;
  /** What the next write throws. */
  failure: Error | null = null;
  reloadOk = true;
  faults: Fault[] = [];
  /** Sessions that drain with the next delete. */
  draining = 0;
  top: Tree = {
    version: 1,
    admin: { tokens: [{ name: "ops", sha256: sha256("ops-token"), role: "admin" }] },
  };

  status(): StatusView {
    return {
      version: "1.2.3",
      generation: this.generation,
      uptime_s: 1.5,
      workers: 2,
      last_reload: null,
      tenants_in_error: [{ tenant: "acme", errors: ["broken"] }],
    };
  }
  isReady = () => this.ready;
  config(): Versioned {
    const value = { ...this.top, tenants: [...this.tenants.values()] };
    return { value, etag: etagOf(value) };
  }
  configYaml = () => `# a comment with ${sha256("ops-token")}\n${JSON.stringify(this.config().value)}\n`;
  replaceConfig(config: { value: JsonObject } | { yaml: string }, options: WriteOptions): Promise<WriteResult> {
    return this.#write("replaceConfig", config, options, () => {
      this.#match(this.config(), options);
      if (options.dryRun !== true && "value" in config) {
        this.tenants.clear();
        for (const tenant of (config.value["tenants"] ?? []) as JsonObject[]) {
          this.tenants.set(String(tenant["id"]), tenant);
        }
      }
      return this.#result(this.config());
    });
  }
  validateConfig = () => Promise.resolve(this.faults);
  reload(actor: Actor): Promise<ReloadSummary> {
    this.calls.push({ verb: "reload", actor, more: null });
    const { reloadOk: ok, generation } = this;
    return Promise.resolve({
      at: "2026-01-01T00:00:00.000Z",
      ok,
      changed: ok,
      generation,
      errors: ok ? [] : ["sluice.yaml:3:1: wrong"],
    });
  }
  generations = () => this.generationList;
  rollback(generation: number, options: WriteOptions): Promise<WriteResult> {
    return this.#write("rollback", generation, options, () => {
      if (generation > this.generation) throw new ControlError("not_found", "no such generation");
      return this.#result(this.config());
    });
  }

  tenantIds = () => [...this.tenants.keys()].sort();
  object({ tenant, part }: ObjectPath): Versioned | null {
    const found = this.tenants.get(tenant);
    if (found === undefined) return null;
    const value = part === undefined ? found : this.#list(found, part).find((one) => one["id"] === part.id);
    return value === undefined ? null : { value, etag: etagOf(value) };
  }
  partIds(tenant: string, kind: "listeners" | "routes" | "backends"): readonly string[] | null {
    const found = this.tenants.get(tenant);
    return found === undefined ? null : this.#list(found, { kind, id: "" }).map((one) => String(one["id"]));
  }
  endpointIds(tenant: string, backend: string): readonly string[] | null {
    const found = this.object({ tenant, part: { kind: "backends", id: backend } });
    return found === null ? null : ((found.value["endpoints"] ?? []) as JsonObject[]).map((one) => String(one["id"]));
  }
  edit(path: ObjectPath, edit: Edit, options: WriteOptions): Promise<WriteResult> {
    return this.#write("edit", { path, edit }, options, () => this.#edit(path, edit, options));
  }
  tenantStatus(tenant: string): TenantStatusView | null {
    if (!this.tenants.has(tenant)) return null;
    const sessions = this.sessionList.filter((one) => one.tenant === tenant).length;
    const counted = { address: "127.0.0.1:9", health: "unknown", sessions, ejected: false } as const;
    const addresses = [{ ...counted, since: null, error: null }];
    const endpoint = { id: "a", ...counted, state: "ready", name_error: null, addresses } as const;
    return {
      sessions,
      limits: {
        "max_connections": { limit: null, used: sessions, left: null },
        "bandwidth.up": { limit: 65_536, used: 36, left: 65_500, rate: 1024 },
        "bandwidth.down": { limit: null, used: null, left: null, rate: null },
      },
      sources: [{ source: "203.0.113.7/32", sessions }],
      backends: [{ id: "out", circuit: "closed", endpoints: [endpoint] }],
      errors: [],
    };
  }
  setEnabled(tenant: string, enabled: boolean, options: WriteOptions): Promise<WriteResult> {
    return this.edit({ tenant }, { kind: "patch", patch: { enabled } }, options);
  }
  drainTenant(tenant: string, drainMs: number | undefined, options: WriteOptions): Promise<WriteResult> {
    return this.#write("drainTenant", { tenant, drainMs }, options, () => {
      const object = this.object({ tenant });
      if (object === null) throw new ControlError("not_found", "no such tenant");
      return this.#result(object);
    });
  }

  #matching(filter: SessionFilter) {
    return this.sessionList.filter(({ tenant, client }) =>
      (filter.tenant === undefined || filter.tenant === tenant) &&
      (filter.source === undefined || filter.source === client)
    );
  }
  sessions(filter: SessionFilter, limit: number, cursor: string | null): Page<SessionView> {
    this.calls.push({ verb: "sessions", actor: { name: "", role: "admin" }, more: filter });
    const all = this.#matching(filter);
    const start = Number(cursor ?? 0);
    return {
      items: all.slice(start, start + limit),
      next_cursor: start + limit < all.length ? String(start + limit) : null,
    };
  }
  session = (id: string): SessionView | null => this.sessionList.find((one) => one.session === id) ?? null;
  killSessions(filter: SessionFilter, actor: Actor): number {
    this.calls.push({ verb: "killSessions", actor, more: filter });
    const doomed = this.#matching(filter).map(({ session }) => session);
    return doomed.filter((id) => this.killSession(id)).length;
  }
  killSession(id: string): boolean {
    const index = this.sessionList.findIndex((one) => one.session === id);
    if (index < 0) return false;
    this.killed.push(id);
    this.sessionList.splice(index, 1);
    return true;
  }
  stats = (tenant?: string): JsonObject => ({ sessions_total: tenant === undefined ? 9 : 4, of: tenant ?? "all" });
  metrics({ tenant, names }: { tenant?: string; names?: readonly string[] }): string {
    return `# only ${tenant ?? "all"} ${(names ?? ["all"]).join("+")}\nsluice_build_info 1\n`;
  }
  audit(tenant: string | null, limit: number, cursor: string | null): Page<AuditView> {
    if (cursor !== null) throw new ControlError("invalid", "cursor", [{ pointer: "", detail: "cursor" }]);
    const items = this.auditList.filter((entry) => tenant === null || entry.tenant === tenant).slice(0, limit);
    return { items, next_cursor: null };
  }
  record(entry: Omit<AuditView, "at" | "generation">): void {
    this.auditList.push({ at: "2026-01-01T00:00:00.000Z", generation: this.generation, ...entry });
  }
  subscribe(afterId: number | null, listener: (event: EventView) => void): () => void {
    for (const event of this.events) if (afterId !== null && event.id > afterId) listener(event);
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  emit(event: EventView): void {
    this.events.push(event);
    for (const listener of this.listeners) listener(event);
  }

  #list(tenant: JsonObject, part: NonNullable<ObjectPath["part"]>): JsonObject[] {
    if (part.kind !== "endpoints") return (tenant[part.kind] ?? []) as JsonObject[];
    const backend = this.#list(tenant, { kind: "backends", id: part.backend }).find((one) =>
      one["id"] === part.backend
    );
    return (backend?.["endpoints"] ?? []) as JsonObject[];
  }
  #match(object: Versioned | null, { ifMatch, ifNoneMatch }: WriteOptions): void {
    const isMet = ifMatch === undefined || (object !== null && (ifMatch === "*" || ifMatch === object.etag));
    if (!isMet || (ifNoneMatch === "*" && object !== null)) throw new ControlError("precondition_failed", "not so");
  }
  #write(verb: string, more: unknown, options: WriteOptions, run: () => WriteResult): Promise<WriteResult> {
    this.calls.push({ verb, actor: options.actor, more });
    const { failure } = this;
    this.failure = null;
    if (failure !== null) return Promise.reject(failure);
    return Promise.resolve().then(() => {
      const result = run();
      if (options.dryRun !== true) this.generation++;
      return { ...result, generation: this.generation };
    });
  }
  #result(object: Versioned | null, created = false, drained = 0): WriteResult {
    const changes: Change[] = [{ op: "replace", path: "/admin/tokens/0/sha256", from: "old hash", to: "new hash" }];
    return { generation: this.generation, created, object, changes, sessions: { kept: 1, drained } };
  }
  #edit(path: ObjectPath, edit: Edit, options: WriteOptions): WriteResult {
    const before = this.object(path);
    const isTenantMissing = path.part !== undefined && !this.tenants.has(path.tenant);
    if (isTenantMissing) throw new ControlError("not_found", "Cannot find tenant");
    if (edit.kind === "create" && before !== null) throw new ControlError("exists", "there is one");
    this.#match(before, options);
    if (before === null && (edit.kind === "patch" || edit.kind === "delete")) {
      throw new ControlError("not_found", `Cannot find ${path.tenant}`);
    }
    const value = edit.kind === "delete"
      ? null
      : edit.kind === "patch"
      ? merge(before?.value ?? {}, edit.patch) as JsonObject
      : edit.value;
    if (value !== null && "wrong" in value) {
      throw new ControlError("invalid", "Cannot accept it", [{ pointer: "/wrong", detail: "is not known", line: 2 }]);
    }
    if (options.dryRun !== true) this.#store(path, value);
    const object = value === null ? null : { value, etag: etagOf(value) };
    return this.#result(object, before === null, this.draining);
  }
  #store({ tenant, part }: ObjectPath, value: JsonObject | null): void {
    if (part === undefined) {
      if (value === null) this.tenants.delete(tenant);
      else this.tenants.set(tenant, value);
      return;
    }
    const found = structuredClone(this.tenants.get(tenant) ?? {}) as Tree;
    if (part.kind !== "endpoints") found[part.kind] ??= [];
    const list = this.#list(found, part);
    const index = list.findIndex((one) => one["id"] === part.id);
    if (value === null) list.splice(index, 1);
    else if (index < 0) list.push(value);
    else list[index] = value;
    this.tenants.set(tenant, found);
  }
}

function merge(target: Json, patch: Json): Json {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const result: Tree = typeof target === "object" && target !== null && !Array.isArray(target)
    ? { ...target as JsonObject }
    : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merge(result[key] ?? null, value);
  }
  return result;
}
