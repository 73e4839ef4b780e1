/**
 * A version of a tenant that may run: its plan, what its endpoints' names stand for in it, and what is checked of them.
 * Pure; called when a configuration is evaluated (`candidate.ts`), and when names stand for something else (`names.ts`).
 *
 * @module
 */

import {
  compileTenant,
  type EndpointPlan,
  type ListenAddress,
  type ResolvedNames,
  type TenantConfig,
  type TenantPlan,
} from "../config/mod.ts";
import { type HealthTarget, targetsOf } from "../health/mod.ts";
import { namesOf, type WantedName } from "../resolver/mod.ts";

/** What a plan with names was made of. */
export interface NamedTenant {
  readonly config: TenantConfig;
  readonly wanted: readonly WantedName[];
  readonly resolved: ResolvedNames;
}

/** The version. */
export interface TenantVersion {
  readonly plan: TenantPlan;
  /** Null when no endpoint is a name; else the plan is made anew when names stand for something else. */
  readonly named: NamedTenant | null;
  /** Active checks of its endpoints. */
  readonly checks: readonly HealthTarget[];
  /** Endpoints, as `backend/endpoint`, whose names lead to the admin API: such addresses are left out. */
  readonly withheld: readonly string[];
}

/**
 * Makes a version. A name never leads to the admin API, whoever has written it: who owns the name could turn it there at
 * any time, and reach under this machine's own address what it keeps to itself.
 */
export function tenantVersion(
  config: TenantConfig,
  resolved: ResolvedNames,
  admin: ListenAddress | undefined,
): TenantVersion {
  const whole = compileTenant(config, resolved);
  const wanted = namesOf(config);
  const { plan, withheld } = wanted.length === 0 || admin === undefined
    ? { plan: whole, withheld: [] }
    : withoutAdmin(whole, config, admin);
  return {
    plan,
    named: wanted.length === 0 ? null : { config, wanted, resolved },
    checks: targetsOf(config, plan),
    withheld,
  };
}

function withoutAdmin(
  plan: TenantPlan,
  config: TenantConfig,
  admin: ListenAddress,
): Pick<TenantVersion, "plan" | "withheld"> {
  const named = new Set(
    config.backends.flatMap(({ id: backend, endpoints = [] }) =>
      endpoints.filter(({ address }) => address.family === "name").map(({ id }) => `${backend}/${id}`)
    ),
  );
  const withheld = new Set<string>();
  const backends = plan.backends.map((backend) => {
    const endpoints = backend.endpoints.filter(({ id, address }) => {
      const key = `${backend.id}/${id}`;
      if (!named.has(key) || !leadsTo(address, admin)) return true;
      withheld.add(key);
      return false;
    });
    return { ...backend, endpoints };
  });
  return withheld.size === 0 ? { plan, withheld: [] } : { plan: { ...plan, backends }, withheld: [...withheld] };
}

/** Whether who connects to an endpoint's address reaches the admin API. */
export function leadsTo(address: EndpointPlan["address"], admin: ListenAddress): boolean {
  if (address.family === "unix" || admin.family === "unix") {
    return address.family === "unix" && admin.family === "unix" && address.path === admin.path;
  }
  if (address.port !== admin.port) return false;
  return address.ip === admin.ip || (isLocal(address.ip) && isLocal(admin.ip));
}

/** Loopback, or all of this machine's: which, to connect to, is loopback. */
function isLocal(ip: string): boolean {
  return ip.startsWith("127.") || ["0.0.0.0", "::", "::1"].includes(ip);
}
