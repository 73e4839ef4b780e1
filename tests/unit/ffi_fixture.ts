/** Plans for the tests of the wall: whole, small, with one thing changed. */
import type { Address, EndpointPlan, LimitsPlan, ListenerPlan, ProcessPlan, TenantPlan } from "../../src/config/mod.ts";

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

export function listener(id: string, address: Address, backend = "pool", portLast?: number): ListenerPlan {
  return { id, backend, address, portLast: portLast ?? (address.family === "unix" ? 0 : address.port) };
}

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
    backends: [{
      id: "pool",
      balance: "round_robin",
      attempts: 3,
      slowStartMs: 0,
      endpoints: [endpoint("a", ipv4("127.0.0.1", 9))],
    }],
    ...parts,
  };
}
