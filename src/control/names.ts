/**
 * What becomes of tenants when names of their endpoints stand for something else. Pure; called by `control_plane.ts`,
 * in a task of its queue.
 *
 * @module
 */

import { type ListenAddress, type ResolvedNames, sameValue, type ServiceAddress } from "../config/mod.ts";
import type { KnownName, NameTarget, WantedName } from "../resolver/mod.ts";
import { tenantVersion } from "./tenant_version.ts";
import type { Unit } from "./unit_state.ts";

/** Says what is known of a name now. */
export type Known = (name: WantedName) => KnownName;

/**
 * The tenants whose plan is another now that these names have been looked up, with that plan. Nothing else of them is
 * looked at: also a tenant whose file is wrong follows the names of the version that runs.
 */
export function renamed(
  units: Iterable<Unit>,
  names: readonly WantedName[],
  known: Known,
  admin: ListenAddress | undefined,
): Unit[] {
  const keys = new Set(names.map(keyOf));
  return [...units].flatMap((unit): Unit[] => {
    const { running } = unit;
    if (running === null || running.named === null) return [];
    const { config, wanted, resolved } = running.named;
    const moved = wanted.filter((name) => keys.has(keyOf(name)));
    if (moved.length === 0) return [];
    const version = tenantVersion(config, resolvedAnew(resolved, moved, known), admin);
    return sameValue(version.plan, running.plan) ? [] : [{ ...unit, running: { ...running, ...version } }];
  });
}

/** A name of which nothing is known stands for what it stood for. */
function resolvedAnew(before: ResolvedNames, names: readonly WantedName[], known: Known): ResolvedNames {
  const hosts = new Map(before.hosts);
  const services = new Map(before.services);
  for (const name of names) {
    const { answer } = known(name);
    if (answer.kind !== "known") continue;
    if (name.kind === "host") hosts.set(name.name, answer.targets.map(({ ip }) => ip));
    else services.set(name.name, answer.targets.flatMap(serviceOf));
  }
  return { ...before, hosts, services };
}

function serviceOf({ ip, port, weight, tier }: NameTarget): ServiceAddress[] {
  return port === null || weight === null ? [] : [{ ip, port, weight, tier }];
}

function keyOf({ kind, name }: WantedName): string {
  return `${kind} ${name}`;
}
