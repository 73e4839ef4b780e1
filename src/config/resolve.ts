/**
 * Names of hosts and of network interfaces to numbers, once, when a configuration is loaded. Called by `load.ts`.
 *
 * @module
 */

import ipaddr from "ipaddr.js";

/** What the names in a configuration stand for. */
export interface ResolvedNames {
  /** Host, as in a `NameAddress`, to all its addresses in canonical form, never none. */
  readonly hosts: ReadonlyMap<string, readonly string[]>;
  /** Zone of a link-local address to the index of its interface. */
  readonly zones: ReadonlyMap<string, number>;
}

/** What resolving needs of the outside. */
export interface ResolveDeps {
  /** All addresses of a host as text; rejects when there is none. Told to stop when nobody waits any more. */
  lookup(name: string, signal: AbortSignal): Promise<readonly string[]>;
  /** Index of a network interface; undefined when there is none of that name. */
  interfaceIndex(name: string): number | undefined;
  /** How long all lookups together may take. */
  readonly lookupTimeoutMs: number;
}

/** What came of it: names that could not be resolved are in `failures`, with a clause that says why. */
export interface Resolution {
  readonly names: ResolvedNames;
  readonly failures: ReadonlyMap<string, string>;
}

/** Resolves hosts and zones, each once, all at the same time. Never rejects. */
export async function resolveNames(
  wanted: { hosts: Iterable<string>; zones: Iterable<string> },
  deps: ResolveDeps,
): Promise<Resolution> {
  const hosts = new Map<string, readonly string[]>();
  const zones = new Map<string, number>();
  const failures = new Map<string, string>();
  for (const zone of new Set(wanted.zones)) {
    const index = /^\d+$/.test(zone) ? Number(zone) : deps.interfaceIndex(zone);
    if (index === undefined) failures.set(zone, "no interface of that name has a link-local address");
    else zones.set(zone, index);
  }
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), deps.lookupTimeoutMs);
  try {
    await Promise.all([...new Set(wanted.hosts)].map(async (name) => {
      try {
        const found = canonical(await beforeAbort(deps.lookup(name, deadline.signal), deadline.signal));
        if (found.length === 0) failures.set(name, "it has no address");
        else hosts.set(name, found);
      } catch (error) {
        failures.set(name, deadline.signal.aborted ? `no answer within ${deps.lookupTimeoutMs}ms` : whyNot(error));
      }
    }));
  } finally {
    clearTimeout(timer);
  }
  return { names: { hosts, zones }, failures };
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
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOTFOUND" || code === "EAI_NONAME") return "no such name";
  if (code === "EAI_AGAIN") return "the name server did not answer";
  return error instanceof Error ? error.message : String(error);
}
