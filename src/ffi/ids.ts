/**
 * Names and numbers. The data plane knows objects by number, everybody else by name; this is the only place that knows
 * both. Owned by the engine; used by `encode.ts` (names to numbers) and `decode.ts` (numbers to names).
 *
 * A number stands for one object for as long as the process lives. An object is the same as long as its name is there
 * in each configuration that is applied; a name that goes and comes back is another object with another number,
 * because sessions of the first may still run. An endpoint is its name together with its address: a name that resolves
 * to three addresses is three objects.
 *
 * Sessions outlive what they run on, and their log records come later still. So numbers of objects that are gone keep
 * their names until RETIRED_NAMES later ones have gone; what is older reads as having no name.
 *
 * @module
 */

import { type Address, SHARED_HOLDER, type TenantPlan } from "../config/plan.ts";
import { formatAddress } from "./address.ts";
import type { Health } from "./decode.ts";

/** Names of objects that are gone which are remembered; about 10 MiB at the most. */
export const RETIRED_NAMES = 65_536;

const MOST_IDS = 0xffffffff;

/** Numbers of one backend. */
export interface BackendIds {
  readonly id: number;
  /** By {@linkcode endpointKey}. */
  readonly endpoints: ReadonlyMap<string, number>;
}

/** Numbers of one tenant and of all that is its own. */
export interface TenantIds {
  readonly id: number;
  readonly listeners: ReadonlyMap<string, number>;
  readonly routes: ReadonlyMap<string, number>;
  readonly backends: ReadonlyMap<string, BackendIds>;
}

/** What tells the endpoints of a backend apart: `a 10.0.0.5:5432`. */
export function endpointKey(endpoint: { readonly id: string; readonly address: Address }): string {
  return `${endpoint.id} ${formatAddress(endpoint.address)}`;
}

/** What a number stands for. */
export interface Named {
  readonly kind: "tenant" | "listener" | "route" | "backend" | "endpoint";
  readonly name: string;
  readonly tenant: string;
  /** Of an endpoint: its backend. */
  readonly backend: string | null;
  /** Of an endpoint, as it is written in a configuration. */
  readonly address: string | null;
}

/** Objects by name: a tenant, a backend, an endpoint; what is left out may be any. */
export interface ObjectNames {
  readonly tenant?: string;
  readonly backend?: string;
  readonly endpoint?: string;
  /** Of an endpoint with several addresses this one, as it is written in a configuration. */
  readonly address?: string;
}

/** An endpoint in force; without an address it is meant with all that it has. */
export interface EndpointNames {
  readonly tenant: string;
  readonly backend: string;
  readonly endpoint: string;
  readonly address?: Address;
}

/** Numbers of one kind of object, rising. */
export interface ObjectIds {
  readonly kind: "tenant" | "backend" | "endpoint";
  readonly ids: readonly number[];
}

/** The registry: numbers of what is in force, names of that and of what was. */
export class IdRegistry {
  readonly #tenants = new Map<string, TenantIds>();
  readonly #names = new Map<number, Named>();
  /** Numbers of what is gone, oldest first. */
  readonly #retired = new Set<number>();
  readonly #retiredMost: number;
  /** What was last said of endpoints in force; those that are not here are unknown. */
  readonly #health = new Map<number, Health>();
  #last = 0;

  constructor(retiredMost: number = RETIRED_NAMES) {
    this.#retiredMost = retiredMost;
  }

  /** Numbers of a tenant in force; those of shared listeners are SHARED_HOLDER's. */
  tenant(name: string): TenantIds | undefined {
    return this.#tenants.get(name);
  }

  /** The name behind a number; null for 0 and for what is forgotten. */
  name(id: number): string | null {
    return this.#names.get(id)?.name ?? null;
  }

  /** What a number stands for; null for 0 and for what is forgotten. */
  object(id: number): Named | null {
    return this.#names.get(id) ?? null;
  }

  /** Numbers of an endpoint in force; none when it is not known. */
  endpoints({ tenant, backend, endpoint, address }: EndpointNames): number[] {
    const known = this.#tenants.get(tenant)?.backends.get(backend)?.endpoints ?? new Map<string, number>();
    if (address === undefined) {
      return [...known].filter(([key]) => nameOfKey(key) === endpoint).map(([, id]) => id);
    }
    const id = known.get(endpointKey({ id: endpoint, address }));
    return id === undefined ? [] : [id];
  }

  /** Remembers the health of an endpoint in force. */
  setHealth(id: number, health: Health): void {
    if (health === "unknown") this.#health.delete(id);
    else this.#health.set(id, health);
  }

  /** What was last said of an endpoint's health. */
  healthOf(id: number): Health {
    return this.#health.get(id) ?? "unknown";
  }

  /**
   * Numbers of all that has these names: in force, and gone while sessions may still run on it. They are of the
   * narrowest kind that is named: an endpoint's number says its backend and tenant as well. Null when none is named.
   */
  find(names: ObjectNames): ObjectIds | null {
    const { tenant, backend, endpoint, address } = names;
    const kind = endpoint !== undefined ? "endpoint" : backend !== undefined ? "backend" : "tenant";
    const name = endpoint ?? backend ?? tenant;
    if (name === undefined) return null;
    const ids: number[] = [];
    for (const [id, named] of this.#names) {
      if (named.kind !== kind || named.name !== name) continue;
      if (tenant !== undefined && named.tenant !== tenant) continue;
      if (kind === "endpoint" && backend !== undefined && named.backend !== backend) continue;
      if (kind === "endpoint" && address !== undefined && named.address !== address) continue;
      ids.push(id);
    }
    return { kind, ids: ids.sort((left, right) => left - right) };
  }

  /**
   * Numbers for a tenant that is to be applied: those in force for what stays, new ones for the rest. Nothing is in
   * force before {@linkcode commit}; numbers of a configuration that was refused are not used again.
   */
  assign(plan: TenantPlan): TenantIds {
    const current = this.#tenants.get(plan.id);
    const listeners = new Map<string, number>();
    for (const listener of plan.listeners) {
      listeners.set(listener.id, current?.listeners.get(listener.id) ?? this.#next());
    }
    const routes = new Map<string, number>();
    for (const { id } of plan.routes) routes.set(id, current?.routes.get(id) ?? this.#next());
    const backends = new Map<string, BackendIds>();
    for (const backend of plan.backends) {
      const known = current?.backends.get(backend.id);
      const endpoints = new Map<string, number>();
      for (const endpoint of backend.endpoints) {
        const key = endpointKey(endpoint);
        endpoints.set(key, known?.endpoints.get(key) ?? this.#next());
      }
      backends.set(backend.id, { id: known?.id ?? this.#next(), endpoints });
    }
    return { id: current?.id ?? this.#next(), listeners, routes, backends };
  }

  /** Puts in force what the data plane has taken: tenants with their numbers, and names of tenants that are gone. */
  commit(upserts: ReadonlyMap<string, TenantIds>, removals: readonly string[]): void {
    for (const [name, next] of upserts) {
      const before = flatten(name, this.#tenants.get(name));
      const after = flatten(name, next);
      for (const id of before.keys()) if (!after.has(id)) this.#retire(id);
      for (const [id, named] of after) this.#names.set(id, named);
      this.#tenants.set(name, next);
    }
    for (const name of removals) {
      for (const id of flatten(name, this.#tenants.get(name)).keys()) this.#retire(id);
      this.#tenants.delete(name);
    }
  }

  #next(): number {
    if (this.#last >= MOST_IDS) {
      throw new RangeError("Cannot number an object: ids must be at most 2^32 - 1: all are used");
    }
    return ++this.#last;
  }

  #retire(id: number): void {
    this.#health.delete(id);
    this.#retired.add(id);
    if (this.#retired.size <= this.#retiredMost) return;
    const [oldest] = this.#retired;
    if (oldest === undefined) return;
    this.#retired.delete(oldest);
    this.#names.delete(oldest);
  }
}

/** Every number of a tenant with what it stands for. */
function flatten(tenant: string, ids: TenantIds | undefined): Map<number, Named> {
  const names = new Map<number, Named>();
  if (ids === undefined) return names;
  const own = { tenant, backend: null, address: null };
  // Whose listener is shared is nobody: its number has no name.
  if (tenant !== SHARED_HOLDER) names.set(ids.id, { kind: "tenant", name: tenant, ...own });
  for (const [name, id] of ids.listeners) names.set(id, { kind: "listener", name, ...own });
  for (const [name, id] of ids.routes) names.set(id, { kind: "route", name, ...own });
  for (const [backend, of] of ids.backends) {
    names.set(of.id, { kind: "backend", name: backend, ...own });
    for (const [key, id] of of.endpoints) {
      const name = nameOfKey(key);
      names.set(id, { kind: "endpoint", name, tenant, backend, address: key.slice(name.length + 1) });
    }
  }
  return names;
}

/** The name in an endpoint's key: ids hold no spaces. */
function nameOfKey(key: string): string {
  return key.slice(0, key.indexOf(" "));
}
