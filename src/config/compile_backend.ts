/**
 * Backends of a tenant as the data plane takes them: every default filled in, names as addresses. Pure; called by
 * `compile.ts`.
 *
 * @module
 */

import type { HostAddress } from "./address.ts";
import { compileEndpointAddress, type EndpointTarget } from "./compile_address.ts";
import { compileCanary } from "./compile_canary.ts";
import type { Address, BackendPlan, BreakerPlan, EndpointPlan, PassivePlan } from "./plan.ts";
import type { ResolvedNames } from "./resolve.ts";
import type { TenantConfig } from "./schema.ts";
import { MOST_ENDPOINTS } from "./schema_backend.ts";

type BackendConfig = TenantConfig["backends"][number];
type EndpointConfig = NonNullable<BackendConfig["endpoints"]>[number];

/** What the data plane can tell apart. */
const LAST_TIER = 15;
const MOST_WEIGHT = 65535;

/** A backend of a tenant with these. */
export function compileBackend(
  backend: BackendConfig,
  all: readonly BackendConfig[],
  names: ResolvedNames,
): BackendPlan {
  const { retry, health, source_address: source } = backend;
  return {
    id: backend.id,
    balance: backend.balance,
    attempts: retry.attempts,
    backoffMs: retry.backoff,
    retryBudgetPpm: retry.budget ?? null,
    endpoints: (backend.endpoints ?? []).flatMap((endpoint) => compileEndpoint(endpoint, names, source))
      .slice(0, MOST_ENDPOINTS),
    split: backend.split?.map(({ backend: id, weight }) => ({ backend: id, weight })) ?? [],
    sendProxy: backend.send_proxy_protocol,
    sourceAddress: source === undefined ? null : { ...source, port: 0, scopeId: 0 },
    passive: compilePassive(health?.passive),
    onDown: health?.on_down ?? "keep",
    breaker: compileBreaker(backend.circuit_breaker),
    slowStartMs: backend.slow_start,
    panicPpm: backend.panic_threshold,
    preconnect: compilePreconnect(backend.preconnect),
    canary: compileCanary(backend, all),
  };
}

function compileEndpoint(
  endpoint: EndpointConfig,
  names: ResolvedNames,
  source: HostAddress | undefined,
): EndpointPlan[] {
  const found = compileEndpointAddress(endpoint.address, names);
  // From an IPv4 address only IPv4 can be reached, and the other way round: of a name's addresses those of the other
  // family are none that could be used.
  const isName = endpoint.address.family === "name";
  const usable = isName ? found.filter(({ address }) => source === undefined || isOfFamily(address, source)) : found;
  return eachOnce(usable).map(({ address, weight, tier }) => ({
    id: endpoint.id,
    // Who takes an endpoint out by its weight means all of it.
    weight: endpoint.weight === 0 ? 0 : weight ?? endpoint.weight,
    maxConnections: endpoint.max_connections ?? null,
    state: endpoint.state,
    tier: Math.min(endpoint.tier + tier, LAST_TIER),
    address,
  }));
}

/** One of each address: services may have targets that are the same. The lowest tier counts, and its weights together. */
function eachOnce(targets: readonly EndpointTarget[]): EndpointTarget[] {
  if (targets.length < 2) return [...targets];
  const kept = new Map<string, EndpointTarget>();
  for (const target of targets) {
    const key = JSON.stringify(target.address);
    const before = kept.get(key);
    if (before === undefined || target.tier < before.tier) kept.set(key, target);
    else if (target.tier === before.tier && target.weight !== null && before.weight !== null) {
      kept.set(key, { ...before, weight: Math.min(before.weight + target.weight, MOST_WEIGHT) });
    }
  }
  return [...kept.values()];
}

function isOfFamily(address: Address, source: HostAddress): boolean {
  return address.family === source.family;
}

function compilePassive(passive: NonNullable<BackendConfig["health"]>["passive"]): PassivePlan | null {
  if (passive === undefined) return null;
  return {
    failures: passive.failures,
    windowMs: passive.window,
    ejectMs: passive.eject_for,
    maxEjectedPpm: passive.max_ejected,
  };
}

function compileBreaker(breaker: BackendConfig["circuit_breaker"]): BreakerPlan | null {
  if (breaker === undefined) return null;
  return {
    requests: breaker.requests,
    errorPpm: breaker.error_ratio,
    windowMs: breaker.window,
    openMs: breaker.open_for,
    probes: breaker.probes,
  };
}

function compilePreconnect(preconnect: BackendConfig["preconnect"]): BackendPlan["preconnect"] {
  if (preconnect === undefined) return null;
  const { min, max = min, idle } = preconnect;
  return max === 0 ? null : { min, max, idleMs: idle };
}
