/**
 * What has to hold within a backend, and between the backends of a tenant. Pure; called by `semantics.ts`.
 *
 * @module
 */

import { parseHostAddress } from "./address.ts";
import { type BackendItem, type EndpointItem, readable, type TenantOutline } from "./outline.ts";
import type { Problem } from "./problem.ts";
import { entriesOf, isMapValue, textOf } from "./raw.ts";
import { problemAt } from "./source.ts";

/** Everything wrong with the backends of a tenant. */
export function checkBackends(tenant: TenantOutline): Problem[] {
  return [
    ...tenant.backends.flatMap((backend) => [
      ...(has(backend, "split") ? checkSplit(backend, tenant) : checkPool(backend)),
      ...checkPreconnect(backend),
      ...checkActive(backend),
      ...checkSourceAddress(backend),
      ...backend.endpoints.flatMap(checkSrv),
    ]),
    ...checkMirror(tenant),
  ];
}

function has({ raw }: { readonly raw: unknown }, key: string): boolean {
  return isMapValue(raw) && raw[key] !== undefined;
}

function checkPool(backend: BackendItem): Problem[] {
  const problems: Problem[] = [];
  if (!has(backend, "endpoints") || isEmptyList(backend.raw, "endpoints")) {
    const remedy = "add endpoints: [{ id: a, address: 127.0.0.1:8080 }]";
    problems.push(problemAt(backend.placeOf(["endpoints"]), "must have at least one endpoint", remedy, "key"));
  }
  if (has(backend, "canary")) {
    const remedy = "add split, or remove canary";
    problems.push(problemAt(backend.placeOf(["canary"]), "must come with split", remedy, "key"));
  }
  return problems;
}

function isEmptyList(value: unknown, key: string): boolean {
  const list = isMapValue(value) ? value[key] : undefined;
  return Array.isArray(list) && list.length === 0;
}

/** Keys of a backend that connects; one that is split leaves that to its parts. */
const OF_POOLS = [
  "balance",
  "send_proxy_protocol",
  "source_address",
  "retry",
  "health",
  "circuit_breaker",
  "slow_start",
  "panic_threshold",
  "preconnect",
];

function checkSplit(backend: BackendItem, tenant: TenantOutline): Problem[] {
  if (has(backend, "endpoints")) {
    const message = "must have endpoints or split, not both";
    return [problemAt(backend.placeOf(["split"]), message, "remove one of the two", "key")];
  }
  const idle = OF_POOLS.filter((key) => has(backend, key)).map((key) => {
    const message = "must not be set beside split: it is its parts that connect";
    return problemAt(backend.placeOf([key]), message, "set it on the backends of the split", "key");
  });
  return [...idle, ...checkParts(backend, tenant), ...checkCanary(backend)];
}

/** A canary takes over from one other backend, step by step, to the end. */
function checkCanary(backend: BackendItem): Problem[] {
  if (!has(backend, "canary")) return [];
  const problems: Problem[] = [];
  const parts = entriesOf(backend.raw, "split");
  if (parts.length > 0 && parts.length !== 2) {
    const message = `must have two parts beside canary, the stable one and the canary: it has ${parts.length}`;
    problems.push(problemAt(backend.placeOf(["split"]), message, "name two backends, or remove canary"));
  }
  const canary = isMapValue(backend.raw) ? backend.raw["canary"] : undefined;
  const steps: unknown = isMapValue(canary) ? canary["steps"] : undefined;
  // What is no list of percentages the schema tells.
  if (!Array.isArray(steps) || !steps.every((step) => Number.isInteger(step) && step >= 1 && step <= 100)) {
    return problems;
  }
  const falling = steps.findIndex((step, index) => index > 0 && step <= steps[index - 1]);
  if (falling > 0) {
    const message = `must be more than the step before it, ${steps[falling - 1]}: current value is ${steps[falling]}`;
    problems.push(problemAt(backend.placeOf(["canary", "steps", falling]), message, "let the steps rise"));
  } else if (steps.length > 0 && steps.at(-1) !== 100) {
    const message = `must end with 100: the last step is ${steps.at(-1)}`;
    const remedy = "add 100 as the last step; for weights that stay, remove canary";
    problems.push(problemAt(backend.placeOf(["canary", "steps"]), message, remedy));
  }
  return problems;
}

function checkParts(backend: BackendItem, tenant: TenantOutline): Problem[] {
  const parts = entriesOf(backend.raw, "split");
  const seen = new Set<string>();
  const problems = parts.flatMap((part, index) => {
    const id = textOf(part, "backend");
    if (id === undefined) return [];
    const place = backend.placeOf(["split", index, "backend"]);
    const isTwice = seen.has(id);
    seen.add(id);
    const target = tenant.backends.find((one) => one.id === id);
    if (target !== undefined && has(target, "split")) {
      return [problemAt(place, `must be a backend with endpoints: ${id} is split itself`, "name the parts of it here")];
    }
    return isTwice ? [problemAt(place, `must be named once: ${id} is a part already`, "add up the two weights")] : [];
  });
  const weights = parts.map((part) => isMapValue(part) ? part["weight"] : undefined);
  if (weights.length > 0 && weights.every((weight) => weight === 0)) {
    const message = "must have a part whose weight is not 0";
    problems.push(problemAt(backend.placeOf(["split"]), message, "raise one of the weights"));
  }
  return problems;
}

function checkPreconnect(backend: BackendItem): Problem[] {
  const preconnect = isMapValue(backend.raw) ? backend.raw["preconnect"] : undefined;
  const { min, max } = isMapValue(preconnect) ? preconnect : {};
  if (typeof min !== "number" || typeof max !== "number" || min <= max) return [];
  const message = `must be at least min, ${min}: current value is ${max}`;
  return [problemAt(backend.placeOf(["preconnect", "max"]), message, `raise it to ${min} or more, or lower min`)];
}

/** Keys of an active check that belong to some of its types only. */
const KEYS_OF_CHECKS: Readonly<Record<string, readonly string[]>> = {
  send: ["expect"],
  expect: ["expect"],
  path: ["http"],
  status: ["http"],
  host: ["http", "tls"],
  verify: ["tls"],
};

function checkActive(backend: BackendItem): Problem[] {
  const health = isMapValue(backend.raw) ? backend.raw["health"] : undefined;
  const active = isMapValue(health) ? health["active"] : undefined;
  const type = textOf(active, "type");
  if (!isMapValue(active) || type === undefined) return [];
  const placeOf = (key: string) => backend.placeOf(["health", "active", key]);
  const problems = Object.entries(KEYS_OF_CHECKS).flatMap(([key, types]) => {
    if (active[key] === undefined || types.includes(type)) return [];
    const message = `must go with type ${types.join(" or ")}: current type is ${type}`;
    return [problemAt(placeOf(key), message, "remove it, or mend the type", "key")];
  });
  if (type !== "expect" || active["expect"] !== undefined) return problems;
  return [...problems, problemAt(placeOf("expect"), "must say what the answer contains", 'add expect: "+PONG"')];
}

function checkSourceAddress(backend: BackendItem): Problem[] {
  const text = textOf(backend.raw, "source_address");
  const source = text === undefined ? undefined : readable(parseHostAddress, text);
  if (source === undefined) return [];
  return backend.endpoints.flatMap(({ address, placeOf }) => {
    if (address === undefined || address.family === "unix" || address.family === "name") return [];
    if (address.family === source.family) return [];
    const message = `must be of the family of source_address, ${source.ip}: it is ${words(address.family)}`;
    return [problemAt(placeOf(["address"]), message, "use an address of that family, or remove source_address")];
  });
}

function words(family: "ipv4" | "ipv6"): string {
  return family === "ipv4" ? "IPv4" : "IPv6";
}

function checkSrv(endpoint: EndpointItem): Problem[] {
  const { address } = endpoint;
  if (address === undefined) return [];
  const isSrv = isMapValue(endpoint.raw) && endpoint.raw["srv"] === true;
  const lacksPort = address.family === "name" && address.port === null;
  if (isSrv === lacksPort) return [];
  return [
    isSrv
      ? problemAt(endpoint.placeOf(["address"]), "must be the name of a SRV record, without a port", "remove srv: true")
      : problemAt(endpoint.placeOf(["address"]), "must have a port", "add a port, or srv: true for a SRV record"),
  ];
}

/** A copy goes to the endpoints of one backend. */
function checkMirror(tenant: TenantOutline): Problem[] {
  const mirror = isMapValue(tenant.raw) ? tenant.raw["mirror"] : undefined;
  const id = textOf(mirror, "backend");
  const target = tenant.backends.find((backend) => id !== undefined && backend.id === id);
  if (target === undefined || !has(target, "split")) return [];
  const message = `must be a backend with endpoints: ${id} is split`;
  return [problemAt(tenant.placeOf(["mirror", "backend"]), message, "name one of its parts")];
}
