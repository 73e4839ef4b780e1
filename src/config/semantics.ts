/**
 * What a schema cannot say: ids that are unique, references that lead somewhere, addresses that do not collide.
 * Pure; called by `load.ts`.
 *
 * @module
 */

import { formatAddress, type ListenAddress, parseListenAddress } from "./address.ts";
import { suggest } from "./nearest.ts";
import { type Item, type Outline, readable, type TenantOutline } from "./outline.ts";
import { explainCollision, findCollisions } from "./overlap.ts";
import type { Problem } from "./problem.ts";
import { entriesOf, isMapValue, textOf } from "./raw.ts";
import { RouteIndex } from "./route_index.ts";
import { mustBe } from "./scalar.ts";
import { checkBackends } from "./semantics_backends.ts";
import { checkRoutes, claimsOfRoutes, routeProblem } from "./semantics_routes.ts";
import { formatPlace, type Path, type Place, problemAt } from "./source.ts";

/** Everything wrong between the parts of a configuration. */
export function checkSemantics(outline: Outline): Problem[] {
  return [
    ...uniqueIds("tenant", outline.tenants),
    ...checkSharedListeners(outline),
    ...outline.tenants.flatMap((tenant) => checkTenantSemantics(tenant, outline)),
    ...checkTokens(outline),
    ...checkCollisions(outline),
    ...checkRouteClaims(outline),
  ];
}

/** Everything wrong between the shared listeners. */
export function checkSharedListeners(outline: Outline): Problem[] {
  return [...uniqueIds("shared listener", outline.listeners), ...outline.listeners.flatMap(checkProxyProtocol)];
}

/** Everything wrong between the parts of one tenant; of `outline` the shared listeners are looked at. */
export function checkTenantSemantics(tenant: TenantOutline, outline: Outline): Problem[] {
  return [
    ...uniqueIds("listener", tenant.listeners),
    ...uniqueIds("route", tenant.routes),
    ...uniqueIds("backend", tenant.backends),
    ...tenant.backends.flatMap((backend) => uniqueIds("endpoint", backend.endpoints)),
    ...checkFileName(tenant),
    ...checkReferences(tenant, outline),
    ...checkBackends(tenant),
    ...checkRoutes(tenant, outline.listeners),
    ...tenant.listeners.flatMap(checkProxyProtocol),
  ];
}

/** Ids of one kind that are there twice. */
export function uniqueIds(kind: string, items: readonly Item[]): Problem[] {
  const holders = new Map<string, Item>();
  return items.flatMap((item) => {
    if (item.id === undefined) return [];
    const holder = holders.get(item.id);
    if (holder === undefined) {
      holders.set(item.id, item);
      return [];
    }
    const message = `must be unique: the ${kind} ${item.id} is already at ${formatPlace(holder.placeOf(["id"]))}`;
    return [problemAt(item.placeOf(["id"]), message, "choose another id, or remove one of the two")];
  });
}

function checkFileName({ unit, placeOf }: TenantOutline): Problem[] {
  const written = textOf(unit.own, "id");
  if (unit.fileName === null || written === undefined || written === unit.fileName) return [];
  const rule = `the file's name without .yaml, ${unit.fileName}`;
  return [problemAt(placeOf(["id"]), mustBe(rule, written), "remove the id, or rename the file")];
}

function checkReferences(tenant: TenantOutline, outline: Outline): Problem[] {
  const backends = idsOf(tenant.backends);
  const shared = idsOf(outline.listeners);
  // What is offered instead must be fit for the place: parts and mirrors need endpoints.
  const withEndpoints = idsOf(tenant.backends.filter(({ raw }) => !isMapValue(raw) || raw["split"] === undefined));
  const toBackend = (item: Item, path: Path, offered: readonly string[] = backends) =>
    checkReference(item.placeOf(path), textAt(item.raw, path), "a backend of this tenant", {
      known: backends,
      offered,
    });
  return [
    ...tenant.listeners.flatMap((listener) => toBackend(listener, ["backend"])),
    ...tenant.routes.flatMap((route) => [
      ...toBackend(route, ["backend"]),
      ...checkReference(route.placeOf(["listener"]), textAt(route.raw, ["listener"]), "a shared listener", {
        known: shared,
        own: idsOf(tenant.listeners),
      }).map((problem) => ({ ...problem, remedyToTenant: "use one that the tenant's grants name" })),
    ]),
    ...tenant.backends.flatMap((backend) =>
      entriesOf(backend.raw, "split").flatMap((_, index) =>
        toBackend(backend, ["split", index, "backend"], withEndpoints)
      )
    ),
    ...toBackend(tenant, ["mirror", "backend"], withEndpoints),
  ];
}

/** What a reference may name. */
interface Referable {
  readonly known: readonly string[];
  /** Of them, what the remedy names; left out: all. */
  readonly offered?: readonly string[];
  /** The tenant's own listeners, which somebody may have meant. */
  readonly own?: readonly string[];
}

function checkReference(place: Place, id: string | undefined, rule: string, ids: Referable): Problem[] {
  const { known, offered = known, own = [] } = ids;
  if (id === undefined || known.includes(id)) return [];
  return [problemAt(place, mustBe(rule, id), referenceRemedy(id, offered, own.includes(id)))];
}

function referenceRemedy(id: string, offered: readonly string[], isOwn: boolean): string {
  const some = `${offered.slice(0, 10).join(", ")}${offered.length > 10 ? ", …" : ""}`;
  if (isOwn) {
    const remove = `remove the route: ${id} is the tenant's own, and its backend gets all its sessions`;
    return offered.length === 0 ? remove : `${remove}; or use one of ${some}`;
  }
  const nearest = suggest(id, offered);
  if (nearest !== undefined) return `did you mean ${nearest}?`;
  return offered.length === 0 ? "declare it, or remove what names it" : `use one of ${some}`;
}

function checkProxyProtocol(listener: Item): Problem[] {
  const settings = isMapValue(listener.raw) ? listener.raw["proxy_protocol"] : undefined;
  if (!isMapValue(settings)) return [];
  // Somebody who names the trusted means to require it; "off" by default would take any header for the client's bytes.
  if (settings["accept"] === undefined && entriesOf(settings, "trusted").length > 0) {
    const message = "must be off or required where trusted is set: it is missing";
    return [problemAt(listener.placeOf(["proxy_protocol", "accept"]), message, "add accept: required")];
  }
  if (settings["accept"] !== "required" || entriesOf(settings, "trusted").length > 0) return [];
  const message = "must name who may send a PROXY header";
  return [problemAt(listener.placeOf(["proxy_protocol", "trusted"]), message, "add trusted: [10.0.0.0/8]")];
}

function checkTokens(outline: Outline): Problem[] {
  const { main } = outline;
  return entriesOf(main.value["admin"], "tokens").flatMap((token, index) => {
    const place = { source: main, path: ["admin", "tokens", index, "tenant"] };
    const tenant = textOf(token, "tenant");
    if (textOf(token, "role") !== "tenant") {
      if (tenant === undefined) return [];
      return [problemAt(place, "must not be set: only role tenant has one", "remove it, or use role: tenant", "key")];
    }
    if (tenant === undefined) return [problemAt(place, "must name the tenant of the token", "add tenant: NAME")];
    return checkReference(place, tenant, "a tenant", { known: idsOf(outline.tenants) });
  });
}

/** Something that wants to listen. */
export interface ListenClaim {
  readonly address: ListenAddress;
  /** Of the address in the files. */
  readonly place: Place;
  /** For messages. */
  readonly who: string;
}

/** What the main file without its tenants wants to listen on. */
export function claimsOfMain(outline: Pick<Outline, "main" | "listeners">): ListenClaim[] {
  const { main } = outline;
  const admin = readable(parseListenAddress, textOf(main.value["admin"], "listen"));
  const claims: ListenClaim[] = admin === undefined
    ? []
    : [{ address: admin, place: { source: main, path: ["admin", "listen"] }, who: "the admin API" }];
  for (const { id, address, placeOf } of outline.listeners) {
    if (address !== undefined) claims.push({ address, place: placeOf(["address"]), who: `listener ${id}` });
  }
  return claims;
}

/** What a tenant wants to listen on. */
export function claimsOfTenant(tenant: TenantOutline): ListenClaim[] {
  return tenant.listeners.flatMap(({ id, address, placeOf }) =>
    address === undefined
      ? []
      : [{ address, place: placeOf(["address"]), who: `listener ${id} of tenant ${tenant.id}` }]
  );
}

/** The problem of a claim that comes too late. */
export function collisionProblem(
  later: ListenClaim,
  earlier: { readonly address: ListenAddress; readonly who: string; readonly at: string },
): Problem {
  const why = explainCollision(later.address, earlier.address);
  const message = `must be an address of its own: ${why}, by ${earlier.who} at ${earlier.at}`;
  const toTenant = `must be an address that is free: current value is ${formatAddress(later.address)}`;
  return { ...problemAt(later.place, message, "use another port or address"), toTenant };
}

function checkCollisions(outline: Outline): Problem[] {
  const claims = [...claimsOfMain(outline), ...outline.tenants.flatMap(claimsOfTenant)];
  return findCollisions(claims).map(({ later, earlier }) =>
    collisionProblem(later, { ...earlier, at: formatPlace(earlier.place) })
  );
}

/** Of two tenants that want the same of a shared listener, the later one has the problem. */
function checkRouteClaims(outline: Outline): Problem[] {
  const taken = new RouteIndex();
  return outline.tenants.flatMap((tenant, index) => {
    const owner = String(index);
    return claimsOfRoutes(tenant).flatMap((claim) => {
      const holder = taken.holderOf(claim.key);
      if (holder !== undefined) return [routeProblem(claim, holder)];
      taken.add({ key: claim.key, owner, who: claim.who, at: formatPlace(claim.place) });
      return [];
    });
  });
}

function textAt(value: unknown, path: Path): string | undefined {
  const found = path.reduce<unknown>((part, step) => {
    if (typeof step === "number") return Array.isArray(part) ? part[step] : undefined;
    return isMapValue(part) ? part[step] : undefined;
  }, value);
  return typeof found === "string" ? found : undefined;
}

function idsOf(items: readonly Item[]): string[] {
  return items.flatMap((item) => item.id === undefined ? [] : [item.id]);
}
