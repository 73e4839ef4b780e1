/**
 * What readers are told of the running system, made from the plan in force and the data plane's counters. Pure; used by
 * `serve` for its lines, and by everything else that only looks.
 *
 * @module
 */

import { type ListenerPlan, type Plan, SHARED_HOLDER, type TenantPlan } from "../config/mod.ts";
import { formatAddress, type ListenerStats } from "../ffi/mod.ts";

/** An address that is listened on. */
export interface BoundAddress {
  /** Null: the listener is shared. */
  readonly tenant: string | null;
  readonly listener: string;
  /** As it is written in a configuration, with the port that is really bound. */
  readonly address: string;
}

/** Every bound address, in the order of the plan; each port of a range is one. */
export function boundAddresses(plan: Plan, stats: readonly ListenerStats[]): BoundAddress[] {
  return boundOf([...plan.shared === null ? [] : [plan.shared], ...plan.tenants.values()], () => stats);
}

/** Bound addresses of some tenants, or of the holder of shared listeners; `stats` is asked only where the kernel has chosen a port. */
export function boundOf(tenants: readonly TenantPlan[], stats: () => readonly ListenerStats[]): BoundAddress[] {
  const isOpen = ({ address }: ListenerPlan) => address.family !== "unix" && address.port === 0;
  const asked = tenants.some(({ listeners }) => listeners.some(isOpen)) ? stats() : [];
  const counters = new Map(asked.map((one) => [`${one.tenant ?? SHARED_HOLDER}/${one.listener}`, one]));
  return tenants.flatMap(({ id, listeners }) =>
    listeners.flatMap((listener) =>
      addressesOf(listener, counters.get(`${id}/${listener.id}`))
        .map((address) => ({ tenant: id === SHARED_HOLDER ? null : id, listener: listener.id, address }))
    )
  );
}

function addressesOf(plan: ListenerPlan, stats: ListenerStats | undefined): string[] {
  const { address, portLast } = plan;
  if (address.family === "unix") return [formatAddress(address)];
  if (address.port === 0) {
    const bound = stats?.bound ?? null;
    return [formatAddress(address, bound === null || bound.family === "unix" ? 0 : bound.port)];
  }
  return Array.from(
    { length: portLast - address.port + 1 },
    (_, index) => formatAddress(address, address.port + index),
  );
}

/** What is in `now` and was not in `before`. */
export function newlyBound(before: readonly BoundAddress[], now: readonly BoundAddress[]): BoundAddress[] {
  const known = new Set(before.map(keyOf));
  return now.filter((bound) => !known.has(keyOf(bound)));
}

function keyOf({ tenant, listener, address }: BoundAddress): string {
  return `${tenant ?? SHARED_HOLDER} ${listener} ${address}`;
}

/** The line that says so: `listening tenant=acme listener=pg address=0.0.0.0:5432`; `tenant=-` where it is shared. */
export function listeningLine({ tenant, listener, address }: BoundAddress): string {
  return `listening tenant=${tenant ?? "-"} listener=${listener} address=${address}`;
}

/** Configured listeners of a plan, shared ones too; a range of ports is one. */
export function countListeners(plan: Plan): number {
  const own = [...plan.tenants.values()].reduce((sum, tenant) => sum + tenant.listeners.length, 0);
  return own + (plan.shared?.listeners.length ?? 0);
}
