/**
 * What a configuration asks of the machine, as numbers. Pure.
 *
 * @module
 */
import type { Address, BackendPlan, Plan, TenantPlan } from "../config/plan.ts";

/** Sessions towards one endpoint address. */
export interface EndpointDemand {
  /** `tenant/backend/endpoint`. */
  readonly name: string;
  /** Sessions at once at the most; null when nothing limits them. */
  readonly sessions: number | null;
}

/** What a configuration asks for. */
export interface Demand {
  /** The file, or null when there is none and nothing is limited. */
  readonly file: string | null;
  /** Worker threads. */
  readonly workers: number;
  /** Sessions of the whole process at once; null when nothing limits them. */
  readonly sessions: number | null;
  /** The TCP endpoint addresses that may get most sessions first. */
  readonly endpoints: readonly EndpointDemand[];
  /** TCP endpoints that are not on this machine. */
  readonly remoteEndpoints: boolean;
  /** The lowest port that is listened on; null when there is none. */
  readonly lowestPort: number | null;
}

/** The demand where no configuration says anything. */
export function defaultDemand(cores: number): Demand {
  return { file: null, workers: cores, sessions: null, endpoints: [], remoteEndpoints: false, lowestPort: null };
}

/** The demand of a plan. */
export function demandOf(file: string, plan: Plan, workers: number): Demand {
  const tenants = [...plan.tenants.values()];
  const endpoints = tenants.flatMap((tenant) =>
    tenant.backends.flatMap((backend) => endpointDemands(tenant, backend, plan.process.maxConnections))
  );
  const ports = [...plan.shared?.listeners ?? [], ...tenants.flatMap((tenant) => tenant.listeners)].flatMap((
    { address },
  ) => address.family === "unix" || address.port === 0 ? [] : [address.port]);
  return {
    file,
    workers,
    sessions: least(plan.process.maxConnections, sum(tenants.map(({ limits }) => withQueue(limits)))),
    endpoints: endpoints.sort((a, b) => (b.sessions ?? Infinity) - (a.sessions ?? Infinity)),
    remoteEndpoints: tenants.some((tenant) =>
      tenant.backends.some((backend) => backend.endpoints.some((endpoint) => isRemote(endpoint.address)))
    ),
    lowestPort: ports.length === 0 ? null : Math.min(...ports),
  };
}

function endpointDemands(tenant: TenantPlan, backend: BackendPlan, processMax: number | null): EndpointDemand[] {
  const total = least(processMax, tenant.limits.maxConnections);
  const share = backend.endpoints.reduce((weights, endpoint) => weights + endpoint.weight, 0);
  return backend.endpoints.filter((endpoint) => endpoint.address.family !== "unix").map((endpoint) => ({
    name: `${tenant.id}/${backend.id}/${endpoint.id}`,
    sessions: least(
      endpoint.maxConnections,
      // The share that balancing gives it; failures of the others may give it more for a time.
      total === null || share === 0 ? total : Math.ceil(total * endpoint.weight / share),
    ),
  }));
}

function isRemote(address: Address): boolean {
  return address.family !== "unix" && !address.ip.startsWith("127.") && address.ip !== "::1";
}

/** Sessions that a tenant may have, those that wait in its queue too. */
function withQueue({ maxConnections, queue }: TenantPlan["limits"]): number | null {
  return maxConnections === null ? null : maxConnections + (queue?.size ?? 0);
}

/** The smaller of two limits; null is unlimited. */
function least(one: number | null, other: number | null): number | null {
  return one === null ? other : other === null ? one : Math.min(one, other);
}

/** The sum of limits; unlimited as soon as one is, 0 of none. */
function sum(limits: readonly (number | null)[]): number | null {
  return limits.reduce((total, limit) => total === null || limit === null ? null : total + limit, 0);
}
