/**
 * Listeners, routes and the holder of shared listeners as the data plane takes them. Pure; called by `compile.ts` and,
 * for shared listeners, by the control plane.
 *
 * @module
 */

import { compileListenAddress } from "./compile_address.ts";
import { compileLimits, compilePrefix } from "./compile_limits.ts";
import { type ListenerPlan, type RoutePlan, SHARED_HOLDER, type TenantPlan } from "./plan.ts";
import type { ResolvedNames } from "./resolve.ts";
import type { Config, TenantConfig } from "./schema.ts";

type ProxyConfig = TenantConfig["listeners"][number]["proxy_protocol"];

/** How long a client may take for its whole ClientHello. */
const DETECT_TIMEOUT_MS = 5_000;

/** A listener of a tenant's own. */
export function compileListener(listener: TenantConfig["listeners"][number], names: ResolvedNames): ListenerPlan {
  return {
    id: listener.id,
    backend: listener.backend,
    ...compileListenAddress(listener.address, names),
    detect: null,
    proxyHeader: compileProxy(listener.proxy_protocol),
  };
}

function compileProxy(proxy: ProxyConfig): ListenerPlan["proxyHeader"] {
  if (proxy === undefined || proxy.accept === "off") return null;
  return { trusted: proxy.trusted.map(compilePrefix), timeoutMs: proxy.timeout };
}

/** A route. */
export function compileRoute(route: TenantConfig["routes"][number]): RoutePlan {
  return {
    id: route.id,
    listener: route.listener,
    backend: route.backend,
    names: [...new Set(route.sni)],
    protocols: [...new Set(route.alpn)],
    sources: route.sources?.map(compilePrefix) ?? [],
    isDefault: route.default,
  };
}

/** How long clients that have no route yet may take when their listener is removed; the others have a tenant's time. */
const SHARED_DRAIN_MS = 30_000;

/**
 * The holder of shared listeners; null when there are none. It limits nothing: a session that has found its route is
 * held against its tenant's limits.
 */
export function compileShared(config: Pick<Config, "listeners">, names: ResolvedNames): TenantPlan | null {
  if (config.listeners.length === 0) return null;
  return {
    id: SHARED_HOLDER,
    enabled: true,
    limits: compileLimits({ on_limit: "close", dry_run: false }),
    access: { allow: null, deny: [] },
    timeouts: {
      connectMs: 0,
      firstByteMs: 0,
      idleMs: 0,
      halfCloseMs: 0,
      maxDurationMs: 0,
      maxDurationJitterPpm: 0,
      drainMs: SHARED_DRAIN_MS,
    },
    tcp: { keepalive: null, userTimeoutMs: 0, resetPropagation: "both" },
    bufferBytes: 0,
    listeners: config.listeners.map((listener) => ({
      id: listener.id,
      backend: null,
      ...compileListenAddress(listener.address, names),
      detect: listener.detect === "none" ? null : { protocol: listener.detect, timeoutMs: DETECT_TIMEOUT_MS },
      proxyHeader: compileProxy(listener.proxy_protocol),
    })),
    routes: [],
    backends: [],
    mirror: null,
    fault: { delayMs: 0, delayPpm: 0, resetPpm: 0, refusePpm: 0 },
  };
}
