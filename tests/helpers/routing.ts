/**
 * Configurations of shared listeners, and clients of them, for tests of routing.
 *
 * @module
 */
import { type Config, configOf, type RouteConfig, type SharedListenerConfig, type TenantConfig } from "./config.ts";
import { type HelloOptions, makeHello } from "./hello.ts";
import type { Sluice } from "./sluice.ts";
import type { Wire } from "./wire.ts";
import type { World } from "./world.ts";

/** A route as a test writes it: `web` of the listener `edge`, to the backend `out`, unless it says otherwise. */
export type RouteRow = Partial<RouteConfig>;

/** A tenant with routes and one backend `out`, and no listener of its own. */
export function routedTenant(
  id: string,
  endpoint: string,
  routes: readonly RouteRow[],
  rest: Partial<TenantConfig> = {},
): TenantConfig {
  return {
    id,
    listeners: [],
    ...rest,
    routes: routes.map((route) => ({ id: "web", listener: "edge", backend: "out", ...route })),
    backends: [{ id: "out", endpoints: [{ id: "a", address: endpoint }] }, ...(rest.backends ?? [])],
  };
}

/** The shared listener `edge`, which reads hellos. */
export const EDGE: SharedListenerConfig = { id: "edge", address: "127.0.0.1:0", detect: "tls" };

/** A file with the shared listener `edge` and these tenants. */
export function edgeConfig(tenants: readonly TenantConfig[], rest: Partial<Config> = {}): Config {
  return configOf(tenants, { listeners: [EDGE], ...rest });
}

/** Where a shared listener is. */
export function edgeOf(sluice: Sluice, listener = "edge"): string {
  return sluice.address("-", listener);
}

/** A client of `edge` that says a made hello. */
export async function hail(
  world: World,
  sluice: Sluice,
  hello: HelloOptions,
  from?: string,
): Promise<{ client: Wire; hello: Uint8Array }> {
  const address = edgeOf(sluice);
  const client = from === undefined ? await world.connect(address) : await world.connectResettable(address, from);
  const bytes = makeHello(hello);
  await client.write(bytes);
  return { client, hello: bytes };
}
