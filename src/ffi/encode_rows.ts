/**
 * From a change of the plan to rows: every record of a blob in the order of its table, with its number and the places
 * of its parts in their tables. Called by `encode.ts`; nothing is written here.
 *
 * @module
 */

import type {
  BackendPlan,
  EndpointPlan,
  ListenerPlan,
  PlanChange,
  PrefixPlan,
  RoutePlan,
  SplitPlan,
  TenantPlan,
} from "../config/plan.ts";
import { SHARED_HOLDER } from "../config/plan.ts";
import type { Health } from "./decode.ts";
import type { ErrorSubject } from "./error.ts";
import { type BackendIds, endpointKey, type IdRegistry, type TenantIds } from "./ids.ts";

/** A tenant, and where its parts begin in their tables. */
export interface TenantRow {
  readonly ids: TenantIds;
  readonly plan: TenantPlan;
  readonly firstListener: number;
  readonly firstBackend: number;
  readonly firstPrefix: number;
  readonly firstRoute: number;
  readonly routeCount: number;
}

/** A listener with the numbers of its tenant. */
export interface ListenerRow {
  readonly tenant: string;
  readonly ids: TenantIds;
  readonly plan: ListenerPlan;
  readonly firstTrusted: number;
}

/** A route with the numbers of its tenant and of its listener. */
export interface RouteRow {
  readonly tenant: string;
  readonly ids: TenantIds;
  readonly plan: RoutePlan;
  readonly listener: number;
  readonly firstName: number;
  readonly firstProtocol: number;
  readonly firstSource: number;
}

/** A backend, and where its parts begin in their tables. */
export interface BackendRow {
  readonly tenant: string;
  readonly ids: BackendIds;
  readonly plan: BackendPlan;
  readonly firstEndpoint: number;
  readonly firstSplit: number;
}

/** An endpoint with its number. */
export interface EndpointRow {
  readonly tenant: string;
  readonly backend: string;
  readonly id: number;
  readonly plan: EndpointPlan;
  /** What is known of it now: a new version of its tenant does not forget it. */
  readonly health: Health;
}

/** A part of a split with the numbers of its tenant. */
export interface SplitRow {
  readonly tenant: string;
  readonly backend: string;
  readonly ids: TenantIds;
  readonly plan: SplitPlan;
}

/** A prefix of an access list, of a listener's trusted, of a route's sources. */
export interface PrefixRow {
  readonly subject: ErrorSubject;
  readonly plan: PrefixPlan;
}

/** A name or a protocol of a route. */
export interface TextRow {
  readonly subject: ErrorSubject;
  readonly text: string;
}

/** All rows of a change. */
export interface Rows {
  readonly tenants: readonly TenantRow[];
  /** What is removed, by name and number. */
  readonly removed: readonly { readonly name: string; readonly id: number }[];
  readonly listeners: readonly ListenerRow[];
  readonly backends: readonly BackendRow[];
  readonly endpoints: readonly EndpointRow[];
  readonly prefixes: readonly PrefixRow[];
  readonly routes: readonly RouteRow[];
  readonly texts: readonly TextRow[];
  readonly splits: readonly SplitRow[];
}

/** The value, which must be there. */
export function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new TypeError(`Cannot encode a change: ${what} must be known: it is not`);
  return value;
}

/** What a record is about, for errors: what is shared is no tenant's. */
export function ofTenant(tenant: string): ErrorSubject {
  return tenant === SHARED_HOLDER ? {} : { tenant };
}

/** Numbers everything of a change, new objects anew. Throws a TypeError where it contradicts what is in force. */
export function rowsOf({ shared, upserts, removals }: PlanChange, registry: IdRegistry): Rows {
  const rows = new RowsDraft(registry);
  if (shared === null) rows.remove(SHARED_HOLDER, "shared listeners");
  else if (shared !== undefined) rows.add(shared);
  for (const plan of upserts) rows.add(plan);
  for (const name of removals) rows.remove(name, `tenant ${name}`);
  return rows;
}

class RowsDraft implements Rows {
  readonly tenants: TenantRow[] = [];
  readonly removed: { readonly name: string; readonly id: number }[] = [];
  readonly listeners: ListenerRow[] = [];
  readonly backends: BackendRow[] = [];
  readonly endpoints: EndpointRow[] = [];
  readonly prefixes: PrefixRow[] = [];
  readonly routes: RouteRow[] = [];
  readonly texts: TextRow[] = [];
  readonly splits: SplitRow[] = [];
  readonly #registry: IdRegistry;
  /** Numbers of shared listeners, as they are when the change is in force. */
  #shared: ReadonlyMap<string, number>;

  constructor(registry: IdRegistry) {
    this.#registry = registry;
    this.#shared = registry.tenant(SHARED_HOLDER)?.listeners ?? new Map<string, number>();
  }

  remove(name: string, what: string): void {
    this.removed.push({ name, id: present(this.#registry.tenant(name), what).id });
    if (name === SHARED_HOLDER) this.#shared = new Map();
  }

  /** A tenant, or the holder of shared listeners, which comes first. */
  add(plan: TenantPlan): void {
    const ids = this.#registry.assign(plan);
    if (plan.id === SHARED_HOLDER) this.#shared = ids.listeners;
    const firsts = {
      firstListener: this.listeners.length,
      firstBackend: this.backends.length,
      firstRoute: this.routes.length,
      firstPrefix: this.#addPrefixes([...plan.access.allow ?? [], ...plan.access.deny], ofTenant(plan.id)),
    };
    for (const listener of plan.listeners) this.#addListener(plan.id, ids, listener);
    for (const backend of plan.backends) this.#addBackend(plan.id, ids, backend);
    for (const route of plan.routes) this.#addRoute(plan.id, ids, route);
    this.tenants.push({ ids, plan, ...firsts, routeCount: this.routes.length - firsts.firstRoute });
  }

  #addListener(tenant: string, ids: TenantIds, plan: ListenerPlan): void {
    const subject = { ...ofTenant(tenant), listener: plan.id };
    const firstTrusted = this.#addPrefixes(plan.proxyHeader?.trusted ?? [], subject);
    this.listeners.push({ tenant, ids, plan, firstTrusted });
  }

  #addBackend(tenant: string, ids: TenantIds, plan: BackendPlan): void {
    const backend = plan.id;
    const own = present(ids.backends.get(backend), `backend ${backend}`);
    const firsts = { firstEndpoint: this.endpoints.length, firstSplit: this.splits.length };
    this.backends.push({ tenant, ids: own, plan, ...firsts });
    for (const endpoint of plan.endpoints) {
      const id = present(own.endpoints.get(endpointKey(endpoint)), `endpoint ${endpoint.id}`);
      this.endpoints.push({ tenant, backend, id, plan: endpoint, health: this.#registry.healthOf(id) });
    }
    for (const part of plan.split) this.splits.push({ tenant, backend, ids, plan: part });
  }

  #addRoute(tenant: string, ids: TenantIds, plan: RoutePlan): void {
    const listener = this.#shared.get(plan.listener);
    // A tenant that is frozen while its listener is away: nobody can come to this route.
    if (listener === undefined) return;
    const subject = { tenant, route: plan.id };
    this.routes.push({
      tenant,
      ids,
      plan,
      listener,
      firstName: this.#addTexts(plan.names, subject),
      firstProtocol: this.#addTexts(plan.protocols, subject),
      firstSource: this.#addPrefixes(plan.sources, subject),
    });
  }

  #addPrefixes(prefixes: readonly PrefixPlan[], subject: ErrorSubject): number {
    const first = this.prefixes.length;
    for (const plan of prefixes) this.prefixes.push({ subject, plan });
    return first;
  }

  #addTexts(texts: readonly string[], subject: ErrorSubject): number {
    const first = this.texts.length;
    for (const text of texts) this.texts.push({ subject, text });
    return first;
  }
}
