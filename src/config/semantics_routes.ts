/**
 * What has to hold between the routes of a tenant, and between those of different tenants: a route says what it takes,
 * and no client could take two. Pure; called by `semantics.ts`, and by the control plane tenant by tenant.
 *
 * @module
 */

import { type AddressRange, parseAddressRange } from "./address.ts";
import { type Item, readable, type TenantOutline } from "./outline.ts";
import type { Problem } from "./problem.ts";
import { entriesOf, isMapValue, textOf } from "./raw.ts";
import { type HeldRoute, keyText, type RouteKey } from "./route_index.ts";
import { parseServerName } from "./server_name.ts";
import { type Path, type Place, problemAt } from "./source.ts";

/** A key that a tenant wants. */
export interface RouteClaim {
  readonly key: RouteKey;
  /** Of the key in the files. */
  readonly place: Place;
  /** For messages. */
  readonly who: string;
}

/** A route's part that can be read, and where it is. */
interface Part<T> {
  readonly value: T;
  readonly path: Path;
}

/** A route as it is written, read as far as it can be; the schema refuses the rest. */
interface ReadRoute {
  readonly item: Item;
  readonly listener: string | undefined;
  readonly names: readonly Part<string>[];
  readonly protocols: readonly Part<string>[];
  readonly sources: readonly Part<string>[];
  readonly isDefault: boolean;
}

/** Everything wrong with the routes of one tenant; `listeners` are the shared ones. */
export function checkRoutes(tenant: TenantOutline, listeners: readonly Item[]): Problem[] {
  const routes = tenant.routes.map(readRoute);
  return [...routes.flatMap((route) => [...checkSays(route), ...checkDetect(route, listeners)]), ...checkApart(routes)];
}

function readRoute(item: Item): ReadRoute {
  const texts = <T>(key: string, parse: (text: string) => T | undefined): Part<T>[] =>
    entriesOf(item.raw, key).flatMap((entry, index) => {
      const value = typeof entry === "string" ? readable(parse, entry) : undefined;
      return value === undefined ? [] : [{ value, path: [key, index] }];
    });
  return {
    item,
    listener: textOf(item.raw, "listener"),
    names: texts("sni", parseServerName),
    protocols: texts("alpn", (text) => text),
    sources: texts("sources", (text) => rangeText(parseAddressRange(text))),
    isDefault: isMapValue(item.raw) && item.raw["default"] === true,
  };
}

function rangeText(range: AddressRange | undefined): string | undefined {
  return range === undefined ? undefined : `${range.ip}/${range.prefix}`;
}

function checkSays({ item, isDefault }: ReadRoute): Problem[] {
  const says = (key: string) => entriesOf(item.raw, key).length > 0;
  if (isDefault || ["sni", "alpn", "sources"].some(says)) return [];
  return [problemAt(item.placeOf([]), "must say what it takes", "add sni, alpn or sources, or default: true")];
}

/** Only a listener that reads the ClientHello knows names and protocols. */
function checkDetect({ item, listener }: ReadRoute, listeners: readonly Item[]): Problem[] {
  const shared = listeners.find(({ id }) => id === listener);
  if (shared === undefined || textOf(shared.raw, "detect") === "tls") return [];
  return ["sni", "alpn"].filter((key) => entriesOf(item.raw, key).length > 0).map((key) => {
    const message = `must not be set: listener ${listener} has detect: none, and reads no ${key.toUpperCase()}`;
    return problemAt(item.placeOf([key]), message, `set detect: tls on the listener, or remove ${key}`, "key");
  });
}

/** What of a route a look-up begins with; the rest narrows it down. */
function keysOf({ listener, names, protocols, sources, isDefault }: ReadRoute): Part<RouteKey>[] {
  if (listener === undefined) return [];
  const keys = (kind: RouteKey["kind"], parts: readonly Part<string>[]) =>
    parts.map(({ value, path }) => ({ value: { listener, kind, value } as const, path }));
  const named = keys("name", names);
  if (names.length > 0 && !isDefault) return named;
  const unnamed = sources.length > 0
    ? keys("source", sources)
    : protocols.length > 0
    ? keys("protocol", protocols)
    : keys("default", isDefault ? [{ value: "", path: ["default"] }] : []);
  return [...named, ...unnamed];
}

/** Two routes of one tenant may share a key when no client meets both in the same way. */
function checkApart(routes: readonly ReadRoute[]): Problem[] {
  const byKey = new Map<string, ReadRoute[]>();
  return routes.flatMap((route) => {
    const found = new Set<ReadRoute>();
    return keysOf(route).flatMap(({ value: key, path }) => {
      const text = keyText(key);
      const before = byKey.get(text) ?? [];
      byKey.set(text, [...before, route]);
      const rival = before.find((one) => one !== route && !found.has(one) && areAlike(one, route));
      if (rival === undefined) return [];
      found.add(rival);
      const message = `must be told apart from route ${rival.item.id ?? ""}: both take ${wordsOf(key)}`;
      return [problemAt(route.item.placeOf(path), message, "give one of them other alpn or sources, or remove it")];
    });
  });
}

/** Whether some client meets both, and nothing says which comes first: a longer prefix, or that there are protocols. */
function areAlike(one: ReadRoute, other: ReadRoute): boolean {
  return overlap(one.sources, other.sources) && overlap(one.protocols, other.protocols);
}

function overlap(ones: readonly Part<string>[], others: readonly Part<string>[]): boolean {
  if (ones.length === 0 || others.length === 0) return ones.length === others.length;
  const known = new Set(ones.map(({ value }) => value));
  return others.some(({ value }) => known.has(value));
}

/** What a tenant wants of shared listeners, each key once. */
export function claimsOfRoutes(tenant: TenantOutline): RouteClaim[] {
  const claims = new Map<string, RouteClaim>();
  for (const route of tenant.routes.map(readRoute)) {
    for (const { value: key, path } of keysOf(route)) {
      const text = keyText(key);
      if (claims.has(text)) continue;
      const who = `route ${route.item.id ?? ""} of tenant ${tenant.id ?? ""}`;
      claims.set(text, { key, place: route.item.placeOf(path), who });
    }
  }
  return [...claims.values()];
}

/** The problem of a claim that comes too late. */
export function routeProblem(later: RouteClaim, earlier: Pick<HeldRoute, "who" | "at">): Problem {
  const { key } = later;
  const message = `must be free on listener ${key.listener}: ${
    wordsOf(key)
  } is taken, by ${earlier.who} at ${earlier.at}`;
  const toTenant = `must be free on listener ${key.listener}: ${wordsOf(key)} is not`;
  return { ...problemAt(later.place, message, REMEDIES[key.kind]), toTenant };
}

const REMEDIES: Readonly<Record<RouteKey["kind"], string>> = {
  name: "use another name or another listener",
  source: "use another range or another listener",
  protocol: "use another protocol, add sni or sources, or use another listener",
  default: "add sni, alpn or sources in place of default, or use another listener",
};

function wordsOf({ kind, value }: RouteKey): string {
  switch (kind) {
    case "name":
      return value;
    case "source":
      return `source ${value}`;
    case "protocol":
      return `protocol ${value} without a name`;
    case "default":
      return "the default";
  }
}
