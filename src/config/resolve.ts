/**
 * Names of hosts, services and network interfaces to numbers, as far as that is known when a configuration is loaded.
 * Called by `unit.ts`; the control plane follows hosts and services from then on.
 *
 * @module
 */

import ipaddr from "ipaddr.js";

/** One address of a service, as its SRV records have it. */
export interface ServiceAddress {
  /** In canonical form. */
  readonly ip: string;
  readonly port: number;
  /** From 1 to 65535. */
  readonly weight: number;
  /** 0 for the lowest priority, 1 for the next one, and so on. */
  readonly tier: number;
}

/** What the names in a configuration stand for. */
export interface ResolvedNames {
  /** Host, as in a `NameAddress`, to all its addresses in canonical form; none when it cannot be resolved now. */
  readonly hosts: ReadonlyMap<string, readonly string[]>;
  /** The same of services: names without a port. */
  readonly services: ReadonlyMap<string, readonly ServiceAddress[]>;
  /** Zone of a link-local address to the index of its interface. */
  readonly zones: ReadonlyMap<string, number>;
}

/** What resolving needs of the outside. */
export interface ResolveDeps {
  /**
   * All addresses of a host as text; rejects when there is none. Told to stop when nobody waits any more. `asker` is the
   * tenant: look-ups of tenants take turns.
   */
  lookup(name: string, signal: AbortSignal, asker: string): Promise<readonly string[]>;
  /** The same of a service. */
  lookupServices(name: string, signal: AbortSignal, asker: string): Promise<readonly ServiceAddress[]>;
  /** Index of a network interface; undefined when there is none of that name. */
  interfaceIndex(name: string): number | undefined;
  /** How long all lookups together may take. */
  readonly lookupTimeoutMs: number;
}

/** Names to resolve, by kind; of hosts and services with who asks. */
export interface WantedNames {
  readonly hosts: ReadonlyMap<string, string>;
  readonly services: ReadonlyMap<string, string>;
  readonly zones: Iterable<string>;
}

/** What came of it: names that could not be resolved are in `failures`, by kind, with a clause that says why. */
export interface Resolution {
  readonly names: ResolvedNames;
  readonly failures: Readonly<Record<keyof ResolvedNames, ReadonlyMap<string, string>>>;
}

/** Resolves all names, each once, all at the same time. Never rejects. */
export async function resolveNames(wanted: WantedNames, deps: ResolveDeps): Promise<Resolution> {
  const zones = new Map<string, number>();
  const zoneFailures = new Map<string, string>();
  for (const zone of new Set(wanted.zones)) {
    const index = /^\d+$/.test(zone) ? Number(zone) : deps.interfaceIndex(zone);
    if (index === undefined) zoneFailures.set(zone, "no interface of that name has a link-local address");
    else zones.set(zone, index);
  }
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), deps.lookupTimeoutMs);
  const { signal } = deadline;
  try {
    const [hosts, services] = await Promise.all([
      findAll(wanted.hosts, async (name, asker) => canonical(await deps.lookup(name, signal, asker)), deps, signal),
      findAll(wanted.services, (name, asker) => deps.lookupServices(name, signal, asker), deps, signal),
    ]);
    return {
      names: { hosts: hosts.found, services: services.found, zones },
      failures: { hosts: hosts.failures, services: services.failures, zones: zoneFailures },
    };
  } finally {
    clearTimeout(timer);
  }
}

async function findAll<T>(
  wanted: ReadonlyMap<string, string>,
  find: (name: string, asker: string) => Promise<readonly T[]>,
  { lookupTimeoutMs }: ResolveDeps,
  signal: AbortSignal,
): Promise<{ found: Map<string, readonly T[]>; failures: Map<string, string> }> {
  const found = new Map<string, readonly T[]>();
  const failures = new Map<string, string>();
  await Promise.all([...wanted].map(async ([name, asker]) => {
    try {
      const addresses = await beforeAbort(find(name, asker), signal);
      if (addresses.length === 0) failures.set(name, "it has no address");
      found.set(name, addresses);
    } catch (error) {
      failures.set(name, signal.aborted ? `no answer within ${lookupTimeoutMs}ms` : whyNot(error));
      found.set(name, []);
    }
  }));
  return { found, failures };
}

function beforeAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    promise.then(resolve, reject);
  });
}

function canonical(addresses: readonly string[]): string[] {
  // A link-local answer comes with a zone that only the resolver's own interface gives a meaning: left out.
  const usable = addresses.filter((address) => ipaddr.isValid(address) && !address.includes("%"));
  return [...new Set(usable.map((address) => ipaddr.process(address).toString()))];
}

function whyNot(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
