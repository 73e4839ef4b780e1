/**
 * From a checked configuration to the plan that the data plane is told. Pure: names have been resolved before.
 *
 * @module
 */

import { compileBackend } from "./compile_backend.ts";
import { compileAccess, compileLimits } from "./compile_limits.ts";
import { compileListener, compileRoute, compileShared } from "./compile_routing.ts";
import type { FaultPlan, Plan, ProcessPlan, TenantPlan } from "./plan.ts";
import type { ResolvedNames } from "./resolve.ts";
import type { Config, TenantConfig } from "./schema.ts";

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
    shared: compileShared(config, names),
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
    routes: tenant.routes.map(compileRoute),
    backends: tenant.backends.map((backend) => compileBackend(backend, tenant.backends, names)),
    mirror: tenant.mirror === undefined ? null : { backend: tenant.mirror.backend, sharePpm: tenant.mirror.share },
    fault: compileFault(tenant.fault),
  };
}

function compileFault(fault: TenantConfig["fault"]): FaultPlan {
  return {
    delayMs: fault?.delay ?? 0,
    delayPpm: fault?.delay_share ?? 0,
    resetPpm: fault?.reset_share ?? 0,
    refusePpm: fault?.refuse_share ?? 0,
  };
}
