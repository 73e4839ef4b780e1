/**
 * What a token may change. Admins may everything, viewers nothing; a tenant's token may change its own tenant, within
 * what admins have given it: no limit may rise, `grants` stay, and new addresses and routes must be granted. Pure.
 *
 * @module
 */

import {
  type AddressGrant,
  canonicalJson,
  isGranted,
  isMapValue,
  type ListenAddress,
  mergeOver,
  parseAddressGrant,
  parseByteRatePerS,
  parseDurationMs,
  parseListenAddress,
  parseRatePerS,
  parseSizeBytes,
  sameValue,
} from "../config/mod.ts";
import { type Actor, ControlError, type Fault, type Json, type JsonObject } from "../admin/control.ts";
import { entriesOf } from "./parts.ts";
import { leadsTo, type TenantVersion } from "./tenant_version.ts";

/** Throws unless the actor may write to a tenant at all: another's tenant is none to a tenant's token. */
export function authorizeTenant(actor: Actor, tenant: string): void {
  if (actor.role === "viewer") throw new ControlError("forbidden", "A token with role viewer changes nothing");
  if (actor.role === "tenant" && actor.tenant !== tenant) {
    throw new ControlError("not_found", `Cannot find tenant ${tenant}`);
  }
}

/** Throws unless the actor may write what belongs to no tenant. */
export function authorizeProcess(actor: Actor): void {
  if (actor.role !== "admin") {
    throw new ControlError("forbidden", `A token with role ${actor.role} does not change the whole configuration`);
  }
}

/**
 * Throws unless the actor may bring its tenant from `before` to `after` (null: not there).
 *
 * @param defaults of the main file, which lie beneath both
 */
export function authorizeChange(
  actor: Actor,
  before: JsonObject | null,
  after: JsonObject | null,
  defaults: unknown,
): void {
  if (actor.role === "admin") return;
  if (before === null || after === null) {
    throw new ControlError("forbidden", "Only admins create and delete tenants");
  }
  const faults: Fault[] = [];
  if (!sameValue(before["grants"], after["grants"])) {
    faults.push({ pointer: "/grants", detail: "only admins change grants" });
  }
  faults.push(...raisedLimits(limitsOf(before, defaults), limitsOf(after, defaults), "/limits"));
  const grants = grantsOf(before);
  faults.push(...ungrantedListeners(before, after, grants.addresses));
  faults.push(...ungrantedRoutes(before, after, grants.listeners));
  faults.push(...ungrantedSockets(before, after, grants.addresses));
  faults.push(...ungrantedSources(before, after, grants.addresses));
  if (faults.length > 0) throw new ControlError("forbidden", "A tenant's token may not change this", faults);
}

function limitsOf(tenant: JsonObject, defaults: unknown): Json | undefined {
  const merged = mergeOver(defaults, tenant);
  return isMapValue(merged) ? merged["limits"] as Json | undefined : undefined;
}

/** What parts of `limits` are when they are left out. A burst that is left out follows its rate. */
const LEFT_OUT: Readonly<Record<string, Json>> = {
  "/limits/queue": { size: 1000, timeout: "5s" },
  "/limits/queue/size": 1000,
  "/limits/queue/timeout": "5s",
  "/limits/per_source/ipv4_prefix": 32,
  "/limits/per_source/ipv6_prefix": 64,
};

/** Limits that would be higher, or not there any more; what is no amount must stay as it is. */
function raisedLimits(before: Json | undefined, after: Json | undefined, pointer: string): Fault[] {
  if (sameValue(before, after) || before === undefined && isAmount(after)) return [];
  if (isMapValue(before ?? {}) && isMapValue(after ?? {})) {
    const [from, to] = [before ?? {}, after ?? {}] as [JsonObject, JsonObject];
    return [...new Set([...Object.keys(from), ...Object.keys(to)])].flatMap((key) => {
      const part = `${pointer}/${key}`;
      if (before !== undefined && from[key] === undefined && key === "burst") {
        return [{ pointer: part, detail: "a tenant's token does not raise limits: only admins add it" }];
      }
      // A map that is not there limits nothing; in one that is there, each part has a value.
      const valueIn = (map: Json | undefined, own: Json | undefined) => map === undefined ? own : own ?? LEFT_OUT[part];
      return raisedLimits(valueIn(before, from[key]), valueIn(after, to[key]), part);
    });
  }
  if (pointer === "/limits/on_limit" && [after ?? "close", before ?? "close"].every((word) => word !== "queue")) {
    return [];
  }
  if (pointer === "/limits/dry_run" && after !== true) return [];
  const [from, to] = [before, after].map((value) => amountOf(value, pointer));
  if (from !== undefined && to !== undefined && to <= from) return [];
  const why = to === undefined || from === undefined ? "only admins change it" : `it must be at most ${String(before)}`;
  return [{ pointer, detail: `a tenant's token does not raise limits: ${why}` }];
}

function isAmount(value: Json | undefined): boolean {
  return amountOf(value, "") !== undefined;
}

function amountOf(value: Json | undefined, pointer: string): number | undefined {
  const amount = typeof value === "number"
    ? value
    : parseRatePerS(value) ?? parseByteRatePerS(value) ?? parseSizeBytes(value) ?? parseDurationMs(value);
  return amount === 0 && pointer === "/limits/queue/timeout" ? Infinity : amount;
}

function grantsOf(tenant: JsonObject): { addresses: AddressGrant[]; listeners: readonly Json[] } {
  const grants = isMapValue(tenant["grants"]) ? tenant["grants"] as JsonObject : {};
  const listOf = (key: string) => Array.isArray(grants[key]) ? grants[key] as readonly Json[] : [];
  return {
    addresses: listOf("addresses").flatMap((text) => typeof text === "string" ? readGrant(text) : []),
    listeners: listOf("listeners"),
  };
}

function readGrant(text: string): AddressGrant[] {
  try {
    return [parseAddressGrant(text)];
  } catch {
    // The schema has refused it: the tenant is in error, and grants nothing by it.
    return [];
  }
}

function ungrantedListeners(before: JsonObject, after: JsonObject, grants: readonly AddressGrant[]): Fault[] {
  const had = new Set(entriesOf(before, "listeners").map((listener) => canonicalJson(listener["address"])));
  return entriesOf(after, "listeners").flatMap((listener, index) => {
    const { address } = listener;
    if (had.has(canonicalJson(address)) || typeof address !== "string" || mayListen(address, grants)) return [];
    return [{ pointer: `/listeners/${index}/address`, detail: `${address} is not among the tenant's grants` }];
  });
}

/** What cannot be read is the schema's to refuse. */
function mayListen(address: string, grants: readonly AddressGrant[]): boolean {
  let wanted;
  try {
    wanted = parseListenAddress(address);
  } catch {
    return true;
  }
  return isGranted(wanted, grants);
}

/** What a route takes already stays allowed; where it leads is the tenant's to say. */
function ungrantedRoutes(before: JsonObject, after: JsonObject, listeners: readonly Json[]): Fault[] {
  const had = new Set(entriesOf(before, "routes").map(takenBy));
  return entriesOf(after, "routes").flatMap((route, index) => {
    const { listener } = route;
    if (listener === undefined || listeners.includes(listener) || had.has(takenBy(route))) return [];
    return [{ pointer: `/routes/${index}/listener`, detail: "the listener is not among the tenant's grants" }];
  });
}

function takenBy({ id: _id, backend: _backend, ...taken }: JsonObject): string {
  return canonicalJson(taken);
}

/** Who may use an address of this machine may also connect from it: others may be told apart by it. */
function ungrantedSources(before: JsonObject, after: JsonObject, grants: readonly AddressGrant[]): Fault[] {
  const had = new Set(entriesOf(before, "backends").map((backend) => backend["source_address"]));
  return entriesOf(after, "backends").flatMap(({ source_address: source }, index) => {
    if (typeof source !== "string" || had.has(source)) return [];
    const host = source.includes(":") ? `[${source}]` : source;
    if (mayListen(`${host}:0`, grants)) return [];
    const pointer = `/backends/${index}/source_address`;
    return [{ pointer, detail: `${source} is not among the tenant's grants: ${host}:* would be needed` }];
  });
}

/** Sockets of this machine's file system are not a tenant's to reach into, unless they were granted. */
function ungrantedSockets(before: JsonObject, after: JsonObject, grants: readonly AddressGrant[]): Fault[] {
  const socketsOf = (tenant: JsonObject) =>
    entriesOf(tenant, "backends").flatMap((backend, at) =>
      entriesOf(backend, "endpoints").flatMap(({ address }, index) =>
        typeof address === "string" && address.startsWith("unix:")
          ? [{ address, pointer: `/backends/${at}/endpoints/${index}/address` }]
          : []
      )
    );
  const had = new Set(socketsOf(before).map(({ address }) => address));
  return socketsOf(after).flatMap(({ address, pointer }) =>
    had.has(address) || mayListen(address, grants)
      ? []
      : [{ pointer, detail: `${address} is not among the tenant's grants` }]
  );
}

/**
 * Throws when a tenant's endpoint is the admin API itself: its clients would reach from outside what this machine may
 * keep to itself, under this machine's own address.
 *
 * @param before what runs: what an admin has written stays
 */
export function authorizeEndpoints(
  before: TenantVersion | null,
  after: TenantVersion,
  admin: ListenAddress | undefined,
): void {
  if (admin === undefined) return;
  const had = new Set(before === null ? [] : leadingTo(before, admin));
  const faults = leadingTo(after, admin).filter((key) => !had.has(key)).map((key) => {
    const [backend, endpoint] = key.split("/");
    const index = after.plan.backends.findIndex(({ id }) => id === backend);
    return {
      pointer: `/backends/${index}/endpoints`,
      detail: `endpoint ${endpoint} must lead elsewhere: only admins write this address`,
    };
  });
  if (faults.length > 0) throw new ControlError("forbidden", "A tenant's token may not change this", faults);
}

/** Endpoints whose address or name is that of the admin API. */
function leadingTo({ plan, withheld }: TenantVersion, admin: ListenAddress): string[] {
  const written = plan.backends.flatMap(({ id: backend, endpoints }) =>
    endpoints.filter(({ address }) => leadsTo(address, admin)).map(({ id }) => `${backend}/${id}`)
  );
  return [...new Set([...written, ...withheld])];
}
