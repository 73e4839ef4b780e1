/** Plans for the tests of the wall: whole, small, with one thing changed. */
import {
  type Address,
  type BackendPlan,
  type EndpointPlan,
  type LimitsPlan,
  type ListenerPlan,
  type ProcessPlan,
  type RoutePlan,
  SHARED_HOLDER,
  type TenantPlan,
} from "../../src/config/mod.ts";

export const PROCESS: ProcessPlan = {
  maxConnections: 100,
  accessLog: true,
  accessSamplePpm: 250_000,
  accessProgressMs: 60_000,
};

/** Limits of a tenant that has none. */
export const NO_LIMITS: LimitsPlan = {
  maxConnections: null,
  connectionRate: null,
  bandwidth: { up: null, down: null },
  perConnection: { up: null, down: null },
  perSource: { maxConnections: null, connectionRate: null, ipv4Bits: 32, ipv6Bits: 64 },
  onLimit: "close",
  queue: null,
  dryRun: false,
};

export function ipv4(ip: string, port: number): Address {
  return { family: "ipv4", ip, port, scopeId: 0 };
}

export function listener(
  id: string,
  address: Address,
  backend: string | null = "pool",
  portLast?: number,
  parts: Partial<ListenerPlan> = {},
): ListenerPlan {
  const last = portLast ?? (address.family === "unix" ? 0 : address.port);
  return { id, backend, address, portLast: last, detect: null, proxyHeader: null, ...parts };
}

export function route(id: string, listener: string, parts: Partial<RoutePlan> = {}): RoutePlan {
  return { id, listener, backend: "pool", names: [], protocols: [], sources: [], isDefault: false, ...parts };
}

/** A backend without endpoints, and with nothing turned on. */
export function backendPlan(id: string, parts: Partial<BackendPlan> = {}): BackendPlan {
  return {
    id,
    balance: "round_robin",
    attempts: 3,
    backoffMs: 0,
    retryBudgetPpm: null,
    endpoints: [],
    split: [],
    sendProxy: "off",
    sourceAddress: null,
    passive: null,
    onDown: "keep",
    breaker: null,
    slowStartMs: 0,
    panicPpm: 0,
    preconnect: null,
    canary: null,
    ...parts,
  };
}

/** Nothing of a tenant's sessions is troubled. */
export const NO_FAULT = { delayMs: 0, delayPpm: 0, resetPpm: 0, refusePpm: 0 } as const;

export function endpoint(id: string, address: Address, parts: Partial<EndpointPlan> = {}): EndpointPlan {
  return { id, weight: 100, maxConnections: null, state: "ready", tier: 0, address, ...parts };
}

export function tenant(id: string, parts: Partial<TenantPlan> = {}): TenantPlan {
  return {
    id,
    enabled: true,
    limits: NO_LIMITS,
    access: { allow: null, deny: [] },
    timeouts: {
      connectMs: 5_000,
      firstByteMs: 0,
      idleMs: 600_000,
      halfCloseMs: 30_000,
      maxDurationMs: 0,
      maxDurationJitterPpm: 0,
      drainMs: 30_000,
    },
    tcp: { keepalive: { idleS: 600, intervalS: 30, probes: 3 }, userTimeoutMs: 0, resetPropagation: "both" },
    bufferBytes: 1_048_576,
    listeners: [listener("in", ipv4("127.0.0.1", 0))],
    routes: [],
    backends: [backendPlan("pool", { endpoints: [endpoint("a", ipv4("127.0.0.1", 9))] })],
    mirror: null,
    fault: NO_FAULT,
    ...parts,
  };
}

/** The holder of shared listeners. */
export function shared(...listeners: ListenerPlan[]): TenantPlan {
  return tenant(SHARED_HOLDER, { listeners, backends: [] });
}
