/**
 * What is checked: endpoints of tenants, and the checks that they ask for. Pure. Whoever applies a configuration makes
 * the targets of a tenant with `targetsOf` and gives them to the checker.
 *
 * @module
 */

import type { Address, TenantConfig, TenantPlan } from "../config/mod.ts";
import type { Thresholds } from "./check_state.ts";

type BackendConfig = TenantConfig["backends"][number];
type EndpointConfig = NonNullable<BackendConfig["endpoints"]>[number];
type ActiveConfig = NonNullable<NonNullable<BackendConfig["health"]>["active"]>;

/** What is tried over a connection. Bytes are in hexadecimal. */
export type Trial =
  /** The connect is all. */
  | { readonly type: "tcp" }
  /** `send` is sent when it is not empty; `expect` must come, anywhere in the first 64 KiB. */
  | { readonly type: "expect"; readonly send: string; readonly expect: string }
  /** A GET; `status` is the one good status, null for 200 to 399. */
  | { readonly type: "http"; readonly path: string; readonly host: string; readonly status: number | null }
  /** A whole handshake. Certificates are looked at only with `verify`; without `serverName` none is sent. */
  | { readonly type: "tls"; readonly serverName: string | null; readonly verify: boolean };

/** All that makes one check the same as another. Endpoints that ask for the same share one. */
export interface CheckSpec {
  readonly address: Address;
  /** Local address; null: the kernel's choice. */
  readonly sourceAddress: string | null;
  readonly proxyHeader: "off" | "v1" | "v2";
  readonly trial: Trial;
  /** From the start of one check to the start of the next. */
  readonly intervalMs: number;
  /** The interval varies by this share, to both sides. */
  readonly jitterPpm: number;
  /** For the whole check, from connect to verdict. */
  readonly timeoutMs: number;
}

/** One address of an endpoint, with its check. */
export interface HealthTarget extends Thresholds {
  readonly tenant: string;
  readonly backend: string;
  readonly endpoint: string;
  readonly spec: CheckSpec;
}

/**
 * The targets of a tenant: every address of every endpoint whose backend has an active check. Endpoints in maintenance
 * and disabled tenants have none; endpoints that drain are checked on. `plan` is that of `config`.
 */
export function targetsOf(config: TenantConfig, plan: Pick<TenantPlan, "backends">): HealthTarget[] {
  if (!config.enabled) return [];
  const plans = new Map(plan.backends.map((backend) => [backend.id, backend]));
  return config.backends.flatMap((backend) => {
    const active = backend.health?.active;
    if (active === undefined) return [];
    const written = new Map((backend.endpoints ?? []).map((endpoint) => [endpoint.id, endpoint]));
    return (plans.get(backend.id)?.endpoints ?? []).flatMap(({ id, address }): HealthTarget[] => {
      const endpoint = written.get(id);
      if (endpoint === undefined || endpoint.state === "maintenance") return [];
      const { rise, fall } = active;
      const spec = specOf(backend, active, endpoint, address);
      return [{ tenant: config.id, backend: backend.id, endpoint: id, rise, fall, spec }];
    });
  });
}

/** Equal for checks that are the same. */
export function keyOf(spec: CheckSpec): string {
  const { trial, proxyHeader, intervalMs, jitterPpm, timeoutMs } = spec;
  // Written out, since the order of an object's keys is not a part of its type.
  return JSON.stringify([
    addressText(spec.address),
    spec.sourceAddress,
    proxyHeader,
    intervalMs,
    jitterPpm,
    timeoutMs,
    ...Object.entries(trial).sort(([one], [other]) => one < other ? -1 : 1).flat(),
  ]);
}

/** As it is written in a configuration, the zone of a link-local address as a number. */
export function addressText(address: Address): string {
  if (address.family === "unix") return `unix:${address.path}`;
  return `${hostText(address)}:${address.port}`;
}

function specOf(
  backend: BackendConfig,
  active: ActiveConfig,
  endpoint: EndpointConfig,
  address: Address,
): CheckSpec {
  return {
    address,
    sourceAddress: backend.source_address?.ip ?? null,
    proxyHeader: backend.send_proxy_protocol,
    trial: trialOf(active, endpoint, address),
    intervalMs: active.interval,
    jitterPpm: active.jitter,
    timeoutMs: active.timeout,
  };
}

function trialOf(active: ActiveConfig, endpoint: EndpointConfig, address: Address): Trial {
  switch (active.type) {
    case "tcp":
      return { type: "tcp" };
    case "expect":
      return { type: "expect", send: active.send ?? "", expect: active.expect ?? "" };
    case "http": {
      const host = active.host ?? hostHeader(endpoint, address);
      return { type: "http", path: active.path ?? "/", host, status: active.status ?? null };
    }
    case "tls": {
      const name = active.host?.replace(/:\d+$/, "") ?? nameOf(endpoint);
      return { type: "tls", serverName: name, verify: active.verify };
    }
  }
}

/** What a client that was given the endpoint's address would send (RFC 9110, 7.2). */
function hostHeader(endpoint: EndpointConfig, address: Address): string {
  if (address.family === "unix") return "localhost";
  const host = nameOf(endpoint) ?? hostText({ ...address, scopeId: 0 });
  return address.port === 80 ? host : `${host}:${address.port}`;
}

/** Without the final dot, which neither HTTP nor TLS have (RFC 6066, 3). */
function nameOf({ address }: EndpointConfig): string | null {
  return address.family === "name" && address.port !== null ? address.name.replace(/\.$/, "") : null;
}

function hostText(address: Extract<Address, { family: "ipv4" | "ipv6" }>): string {
  if (address.family === "ipv4") return address.ip;
  return address.scopeId === 0 ? `[${address.ip}]` : `[${address.ip}%${address.scopeId}]`;
}
