/**
 * The names that a tenant's endpoints are written with. Pure.
 *
 * @module
 */

import type { TenantConfig } from "../config/mod.ts";
import type { WantedName } from "./finding.ts";

/** Each name once, in the order of the configuration. A name without a port is that of services. */
export function namesOf(config: Pick<TenantConfig, "backends">): WantedName[] {
  const names = new Map<string, WantedName>();
  for (const { endpoints = [] } of config.backends) {
    for (const { address } of endpoints) {
      if (address.family !== "name") continue;
      const wanted: WantedName = { kind: address.port === null ? "srv" : "host", name: address.name };
      names.set(`${wanted.kind} ${wanted.name}`, wanted);
    }
  }
  return [...names.values()];
}
