/**
 * What the admin API needs of the control plane. The API depends on this and on nothing behind it; `src/control`
 * implements it, tests give their own.
 *
 * Objects travel as they are written in YAML (durations as "5s", no defaults filled in), so that what is read can be
 * written back. An ETag is a strong validator of one object: it changes when the object does, and only then.
 *
 * @module
 */

/** Any JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
/** A JSON object. */
export interface JsonObject {
  readonly [key: string]: Json;
}

/** Who asks. */
export interface Actor {
  /** Name of the token, or of the way in: `unix`, `insecure`. */
  readonly name: string;
  readonly role: "admin" | "viewer" | "tenant";
  /** The tenant of a token with role tenant. */
  readonly tenant?: string;
}

/** An object and its validator. */
export interface Versioned {
  readonly value: JsonObject;
  /** With the quotes: `"5f3a…"`. */
  readonly etag: string;
}

/** One thing that is wrong; `pointer` is a JSON Pointer (RFC 6901) into what was sent. */
export interface Fault {
  readonly pointer: string;
  readonly detail: string;
  /** In the file (or the YAML that was sent), from 1. */
  readonly line?: number;
  readonly column?: number;
}

/** Why a verb was not carried out. The API maps each kind to one status. */
export type ControlErrorKind =
  | "not_found" // 404
  | "exists" // 409, the object or a part of it stands in the way
  | "conflict" // 409, the file was edited since it was read; nothing is lost, reload first
  | "precondition_failed" // 412
  | "precondition_required" // 428
  | "forbidden" // 403, the actor may not do this to an object that it may see
  | "invalid" // 422, faults say what
  | "refused" // 409, the data plane could not: an address that cannot be bound
  | "stopping"; // 503

/** A verb was not carried out, and nothing has changed. */
export class ControlError extends Error {
  override readonly name = "ControlError";
  readonly kind: ControlErrorKind;
  readonly faults: readonly Fault[];

  constructor(kind: ControlErrorKind, message: string, faults: readonly Fault[] = [], options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
    this.faults = faults;
  }
}

/** How a write is meant. */
export interface WriteOptions {
  readonly actor: Actor;
  /** Value of If-Match; `*` is any that exists. */
  readonly ifMatch?: string;
  /** Value of If-None-Match: only to create. */
  readonly ifNoneMatch?: "*";
  /** Answer what would change, and change nothing. */
  readonly dryRun?: boolean;
}

/** What a write does to an object. Patches are JSON Merge Patch (RFC 7396). */
export type Edit =
  | { readonly kind: "create"; readonly value: JsonObject } // POST on the collection; the id is in the value
  | { readonly kind: "put"; readonly value: JsonObject }
  | { readonly kind: "patch"; readonly patch: JsonObject }
  | { readonly kind: "delete"; readonly drainMs?: number };

/** Where an object is: a tenant, or a part of one. */
export interface ObjectPath {
  readonly tenant: string;
  readonly part?:
    | { readonly kind: "listeners" | "routes" | "backends"; readonly id: string }
    | { readonly kind: "endpoints"; readonly backend: string; readonly id: string };
}

/** One difference; `path` is a JSON Pointer into the whole configuration's written form. */
export interface Change {
  readonly op: "add" | "remove" | "replace";
  readonly path: string;
  readonly from?: Json;
  readonly to?: Json;
}

/** What came of a write. */
export interface WriteResult {
  /** In force now; for a dry run the one in force before. */
  readonly generation: number;
  readonly created: boolean;
  /** The object as it now is; null when it was deleted. */
  readonly object: Versioned | null;
  readonly changes: readonly Change[];
  /** Live sessions of the tenants that the change touches: those that run on, and those that are (would be) drained. */
  readonly sessions: { readonly kept: number; readonly drained: number };
}

/** How a reload went. */
export interface ReloadSummary {
  readonly at: string;
  readonly ok: boolean;
  readonly changed: boolean;
  readonly generation: number;
  readonly errors: readonly string[];
}

/** The process at a glance, as `/v1/status` answers it. */
export interface StatusView {
  readonly version: string;
  readonly generation: number;
  readonly uptime_s: number;
  readonly workers: number;
  readonly last_reload: ReloadSummary | null;
  readonly tenants_in_error: readonly { readonly tenant: string; readonly errors: readonly string[] }[];
}

/** How much of a limit is in use. Of a token bucket the limit is its burst, in tokens: sessions or bytes. */
export interface LimitView {
  /** Null: unlimited. */
  readonly limit: number | null;
  /** Null where nothing is counted. */
  readonly used: number | null;
  /** Null: unlimited. */
  readonly left: number | null;
  /** Only of a token bucket: what it gains a second; null: unlimited. */
  readonly rate?: number | null;
}

/** Where a canary stands. */
export interface CanaryView {
  /** From 1: the one under way, or the last one that was. */
  readonly step: number;
  /** Its share of new sources now, in percent; the rest is the stable part's. */
  readonly weight: number;
  readonly state: "progressing" | "promoted" | "rolled_back";
  /** Since when it has this step and state. */
  readonly since: string;
  /** Why it was rolled back. */
  readonly reason: string | null;
}

/** One address of an endpoint. */
export interface EndpointAddressView {
  readonly address: string;
  readonly health: "up" | "down" | "unknown";
  /** Since when it has that health; null: it is not checked. */
  readonly since: string | null;
  /** Why the last check was not good; null: it was, or there was none. */
  readonly error: string | null;
  readonly sessions: number;
  readonly ejected: boolean;
}

/** A tenant's status, as `/v1/tenants/{tenant}/status` answers it. */
export interface TenantStatusView {
  readonly sessions: number;
  /** By their path below `limits` in the configuration: `per_source.max_connections`. */
  readonly limits: Readonly<Record<string, LimitView>>;
  /** Those with most sessions first; none where no limit is per source. */
  readonly sources: readonly { readonly source: string; readonly sessions: number }[];
  readonly backends: readonly {
    readonly id: string;
    readonly circuit: "closed" | "open" | "half_open";
    /** Only of a split with a canary. */
    readonly canary?: CanaryView;
    readonly endpoints: readonly {
      readonly id: string;
      readonly address: string;
      readonly health: "up" | "down" | "unknown";
      readonly state: "ready" | "drain" | "maintenance";
      readonly sessions: number;
      readonly ejected: boolean;
      /** Why its name, or some of it, cannot be resolved; null: it can, or it is no name. */
      readonly name_error: string | null;
      /** Each address that it has now; of a name perhaps several, or none. */
      readonly addresses: readonly EndpointAddressView[];
    }[];
  }[];
  readonly errors: readonly string[];
}

/** A session, with the fields of the access log so far. */
export type SessionView = JsonObject;

/** Which sessions. */
export interface SessionFilter {
  readonly tenant?: string;
  readonly backend?: string;
  readonly endpoint?: string;
  /** An address or a prefix (CIDR). */
  readonly source?: string;
  readonly olderThanMs?: number;
}

/** One page of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Opaque; null at the end. */
  readonly next_cursor: string | null;
}

/** A state of the configuration that was in force. */
export interface GenerationView {
  readonly generation: number;
  readonly at: string;
  readonly actor: string;
  readonly changes: readonly Change[];
}

/** One line of the audit. */
export interface AuditView {
  readonly at: string;
  readonly actor: string;
  readonly verb: string;
  readonly target: string;
  readonly tenant: string | null;
  readonly changes: readonly Change[];
  readonly generation: number;
  readonly result: string;
}

/** Something that happened; `id` grows by one each time. */
export interface EventView {
  readonly id: number;
  readonly at: string;
  readonly kind: "config" | "health" | "breaker" | "limit" | "canary" | "drain";
  /** Whose it is; null: everybody's with role admin or viewer. */
  readonly tenant: string | null;
  readonly data: JsonObject;
}

/** Everything that the admin API may do. */
export interface AdminControl {
  status(): StatusView;
  /** Whether traffic is up. */
  isReady(): boolean;

  config(): Versioned;
  /** The main file as it is written, comments included. */
  configYaml(): string;
  replaceConfig(
    config: { readonly value: JsonObject } | { readonly yaml: string },
    options: WriteOptions,
  ): Promise<WriteResult>;
  validateConfig(config: { readonly value: JsonObject } | { readonly yaml: string }): Promise<readonly Fault[]>;
  reload(actor: Actor): Promise<ReloadSummary>;
  generations(): readonly GenerationView[];
  rollback(generation: number, options: WriteOptions): Promise<WriteResult>;

  /** Ids of tenants in order of id. */
  tenantIds(): readonly string[];
  /** Null when there is none. */
  object(path: ObjectPath): Versioned | null;
  /** Ids of a tenant's parts, in written order; null when there is no such tenant (or backend). */
  partIds(tenant: string, kind: "listeners" | "routes" | "backends"): readonly string[] | null;
  endpointIds(tenant: string, backend: string): readonly string[] | null;
  edit(path: ObjectPath, edit: Edit, options: WriteOptions): Promise<WriteResult>;
  /** @param isTenants whether a tenant's token asks: errors do not name what is not its own */
  tenantStatus(tenant: string, isTenants?: boolean): TenantStatusView | null;
  /** Sets `enabled`; with drainMs, live sessions get so long. */
  setEnabled(tenant: string, enabled: boolean, options: WriteOptions): Promise<WriteResult>;
  /** No new sessions, live ones get drainMs (undefined: the tenant's own); resolves at once. */
  drainTenant(tenant: string, drainMs: number | undefined, options: WriteOptions): Promise<WriteResult>;

  sessions(filter: SessionFilter, limit: number, cursor: string | null): Page<SessionView>;
  session(id: string): SessionView | null;
  /** Returns how many were closed. */
  killSessions(filter: SessionFilter, actor: Actor): number;
  killSession(id: string, actor: Actor): boolean;

  /** Counters of one tenant, or of all. */
  stats(tenant?: string): JsonObject;
  /** Prometheus text. */
  metrics(filter: { readonly tenant?: string; readonly names?: readonly string[] }): string;

  audit(tenant: string | null, limit: number, cursor: string | null): Page<AuditView>;
  /** Records what the API itself refused or did without a verb. */
  record(entry: Omit<AuditView, "at" | "generation">): void;

  /** Events after `afterId` that are still kept, then each new one. Returns how to stop. */
  subscribe(afterId: number | null, listener: (event: EventView) => void): () => void;
}
