/**
 * From a checked configuration to the plan that the data plane is told. Pure: names have been resolved before.
 *
 * @module
 */

import ipaddr from "ipaddr.js";
import type { EndpointAddress, IpAddress, ListenAddress } from "./address.ts";
import { compileAccess, compileLimits } from "./compile_limits.ts";
import type { Address, BackendPlan, EndpointPlan, ListenerPlan, Plan, ProcessPlan, TenantPlan } from "./plan.ts";
import type { ResolvedNames } from "./resolve.ts";
import type { Config, DeepReadonly, TenantConfig } from "./schema.ts";

type BackendConfig = TenantConfig["backends"][number];
type EndpointConfig = NonNullable<BackendConfig["endpoints"]>[number];

/** What one tenant's sessions may hold for slow readers before they read in small pieces only. */
const BUFFER_BYTES = 64 * 2 ** 20;

/**
 * The plan of a configuration. Both come from one `loadConfig`.
 *
 * @throws {TypeError} when the configuration holds what this version refuses, or a name that `names` lacks: then it
 * did not come from `loadConfig`
 */
export function compilePlan(config: Config, names: ResolvedNames): Plan {
  return {
    process: compileProcess(config),
    tenants: new Map(config.tenants.map((tenant) => [tenant.id, compileTenant(tenant, names)])),
  };
}

/** What of a configuration holds for the whole process. */
export function compileProcess(config: Pick<Config, "log" | "limits">): ProcessPlan {
  const { access } = config.log;
  return {
    maxConnections: config.limits.max_connections ?? null,
    accessLog: access.sink.kind !== "none",
    accessSamplePpm: Math.round(access.sample * 1_000_000),
    accessProgressMs: access.progress,
  };
}

/** The plan of one tenant; throws as {@linkcode compilePlan}. */
export function compileTenant(tenant: TenantConfig, names: ResolvedNames): TenantPlan {
  const { timeouts, tcp } = tenant;
  return {
    id: tenant.id,
    enabled: tenant.enabled,
    limits: compileLimits(tenant.limits),
    access: compileAccess(tenant.access),
    timeouts: {
      connectMs: timeouts.connect,
      firstByteMs: timeouts.first_byte,
      idleMs: timeouts.idle,
      halfCloseMs: timeouts.half_close,
      maxDurationMs: timeouts.max_duration,
      maxDurationJitterPpm: timeouts.max_duration_jitter,
      drainMs: timeouts.drain,
    },
    tcp: {
      keepalive: tcp.keepalive.idle === 0 ? null : {
        idleS: tcp.keepalive.idle,
        intervalS: tcp.keepalive.interval,
        probes: tcp.keepalive.probes,
      },
      userTimeoutMs: tcp.user_timeout,
      resetPropagation: tcp.reset_propagation,
    },
    bufferBytes: BUFFER_BYTES,
    listeners: tenant.listeners.map((listener) => compileListener(listener, names)),
    backends: tenant.backends.map((backend) => compileBackend(backend, names)),
  };
}

function compileListener(listener: TenantConfig["listeners"][number], names: ResolvedNames): ListenerPlan {
  const address: DeepReadonly<ListenAddress> = listener.address;
  return {
    id: listener.id,
    backend: listener.backend,
    address: address.family === "unix" ? address : compileIp(address, names),
    portLast: address.family === "unix" ? 0 : address.portLast,
  };
}

function compileBackend(backend: BackendConfig, names: ResolvedNames): BackendPlan {
  return {
    id: backend.id,
    balance: backend.balance,
    attempts: backend.retry.attempts,
    slowStartMs: backend.slow_start,
    endpoints: (backend.endpoints ?? []).flatMap((endpoint) => compileEndpoint(endpoint, names)),
  };
}

function compileEndpoint(endpoint: EndpointConfig, names: ResolvedNames): EndpointPlan[] {
  return endpointAddresses(endpoint.address, names).map((address) => ({
    id: endpoint.id,
    weight: endpoint.weight,
    maxConnections: endpoint.max_connections ?? null,
    state: endpoint.state,
    tier: endpoint.tier,
    address,
  }));
}

function endpointAddresses(address: EndpointAddress, names: ResolvedNames): Address[] {
  if (address.family === "unix") return [address];
  if (address.family !== "name") return [compileIp(address, names)];
  const found = names.hosts.get(address.name);
  const port = address.port;
  if (found === undefined || port === null) {
    throw new TypeError(`Cannot compile the plan: ${address.name} must be a name that has been resolved`);
  }
  return found.map((ip) => ({ family: ipaddr.IPv4.isValid(ip) ? "ipv4" : "ipv6", ip, port, scopeId: 0 }));
}

function compileIp(address: IpAddress, names: ResolvedNames): Address {
  const scopeId = address.zone === "" ? 0 : names.zones.get(address.zone);
  if (scopeId === undefined) {
    throw new TypeError(`Cannot compile the plan: ${address.zone} must be an interface that has been resolved`);
  }
  return { family: address.family, ip: address.ip, port: address.port, scopeId };
}
