/**
 * Addresses of a configuration as the data plane takes them: names and zones as numbers. Pure; called by the other
 * `compile_*.ts`.
 *
 * @module
 */

import ipaddr from "ipaddr.js";
import type { EndpointAddress, IpAddress, ListenAddress } from "./address.ts";
import type { Address } from "./plan.ts";
import type { ResolvedNames } from "./resolve.ts";
import type { DeepReadonly } from "./schema.ts";

/** An address to listen on: its first port, and the last one of its range (0 for unix). */
export function compileListenAddress(
  address: DeepReadonly<ListenAddress>,
  names: ResolvedNames,
): { readonly address: Address; readonly portLast: number } {
  if (address.family === "unix") return { address, portLast: 0 };
  return { address: compileIp(address, names), portLast: address.portLast };
}

/** One address that an endpoint stands for. */
export interface EndpointTarget {
  readonly address: Address;
  /** Null: the endpoint's own. */
  readonly weight: number | null;
  /** On top of the endpoint's own. */
  readonly tier: number;
}

/** All addresses that an endpoint stands for; none when its name cannot be resolved now. */
export function compileEndpointAddress(address: EndpointAddress, names: ResolvedNames): EndpointTarget[] {
  if (address.family === "unix") return [{ address, weight: null, tier: 0 }];
  if (address.family !== "name") return [{ address: compileIp(address, names), weight: null, tier: 0 }];
  const { name, port } = address;
  const found = port === null
    ? names.services.get(name)
    : names.hosts.get(name)?.map((ip) => ({ ip, port, weight: null, tier: 0 }));
  if (found === undefined) {
    throw new TypeError(`Cannot compile the plan: ${name} must be a name that was looked up`);
  }
  return found.map(({ ip, port, weight, tier }) => ({
    address: { family: ipaddr.IPv4.isValid(ip) ? "ipv4" : "ipv6", ip, port, scopeId: 0 },
    weight,
    tier,
  }));
}

function compileIp(address: IpAddress, names: ResolvedNames): Address {
  const scopeId = address.zone === "" ? 0 : names.zones.get(address.zone);
  if (scopeId === undefined) {
    throw new TypeError(`Cannot compile the plan: ${address.zone} must be an interface that has been resolved`);
  }
  return { family: address.family, ip: address.ip, port: address.port, scopeId };
}
