/**
 * What is kept of a name: the last good answer, until there is a better one. Pure; used by the resolver.
 *
 * @module
 */

import type { Finding, HostFinding, NameTarget } from "./finding.ts";
import type { SrvRecord } from "./message.ts";

/** What is known of a name. */
export interface Kept {
  /** Sorted; null while there was no good answer. */
  readonly targets: readonly NameTarget[] | null;
  /** Why the last look-up gave nothing, or not everything; null when it was good. */
  readonly error: string | null;
  /** Whether `error` is certain: there is nothing. */
  readonly isNone: boolean;
  /** When to look again, from the end of the look-up; null: when it pleases, there was no good answer. */
  readonly ttlMs: number | null;
}

/** Before the first look-up. */
export const UNKNOWN: Kept = { targets: null, error: null, isNone: false, ttlMs: null };

/** After a look-up of a host. What could not be said of one family is as it was. */
export function keepHost(before: Kept, { ipv4, ipv6 }: HostFinding): Kept {
  const found = [ipv4, ipv6].flatMap((finding) => finding.kind === "found" ? [finding] : []);
  if (found.length === 0) return withError(before, [ipv4, ipv6]);
  const failed = [ipv4, ipv6].find((finding) => finding.kind === "failed");
  const old = before.targets ?? [];
  const ofFamily = (finding: Finding<string>, isV6: boolean) => {
    if (finding.kind === "found") return finding.values.map((ip) => ({ ip, port: null, weight: null, tier: 0 }));
    return finding.kind === "failed" ? old.filter(({ ip }) => ip.includes(":") === isV6) : [];
  };
  return {
    targets: sorted([...ofFamily(ipv4, false), ...ofFamily(ipv6, true)]),
    error: failed === undefined ? null : failed.why,
    isNone: false,
    ttlMs: failed === undefined ? Math.min(...found.map(({ ttlMs }) => ttlMs)) : null,
  };
}

/**
 * After a look-up of services, or of one of their hosts; `hosts` has what is known of those, by name. A host of which
 * nothing is known is left out; when nothing is known of any, the targets are as they were.
 */
export function keepServices(before: Kept, finding: Finding<SrvRecord>, hosts: ReadonlyMap<string, Kept>): Kept {
  if (finding.kind !== "found") return withError(before, [finding]);
  // RFC 2782: a target of "." says that the service is not there.
  const services = finding.values.filter(({ target }) => target !== "");
  if (services.length === 0) return withError(before, [{ kind: "none", why: "the service is not there", ttlMs: 0 }]);
  const tiers = [...new Set(services.map(({ priority }) => priority))].sort((one, other) => one - other);
  const targets = services.flatMap(({ target, port, priority, weight }) =>
    (hosts.get(target)?.targets ?? []).map(({ ip }) => ({
      ip,
      port,
      // A weight of 0 is a very small one, not none (RFC 2782).
      weight: Math.max(1, weight),
      tier: tiers.indexOf(priority),
    }))
  );
  const errors = services.flatMap(({ target }) => {
    const error = hosts.get(target)?.error ?? null;
    return error === null ? [] : [`${target}: ${error}`];
  });
  return {
    targets: targets.length === 0 ? before.targets : sorted(targets),
    error: errors[0] ?? null,
    isNone: errors.length > 0 && services.every(({ target }) => hosts.get(target)?.isNone === true),
    ttlMs: finding.ttlMs,
  };
}

/** Whether two lists of targets, sorted, are the same. */
export function isSameTargets(one: readonly NameTarget[] | null, other: readonly NameTarget[] | null): boolean {
  return JSON.stringify(one?.map(keyOf)) === JSON.stringify(other?.map(keyOf));
}

function withError(before: Kept, findings: readonly Finding<unknown>[]): Kept {
  const failed = findings.find((finding) => finding.kind === "failed");
  const none = findings.find((finding) => finding.kind === "none");
  const error = failed?.why ?? none?.why ?? "it has no record of the kind";
  return { ...before, error, isNone: failed === undefined, ttlMs: null };
}

/** In one order, each once: servers change the order from answer to answer. */
function sorted(targets: readonly NameTarget[]): NameTarget[] {
  const byKey = new Map(targets.map((target) => [keyOf(target), target]));
  return [...byKey].sort(([one], [other]) => one < other ? -1 : 1).map(([, target]) => target);
}

function keyOf({ ip, port, weight, tier }: NameTarget): string {
  return [tier, ip, port, weight].join(" ");
}
