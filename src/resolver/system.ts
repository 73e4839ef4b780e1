/**
 * The resolver on this machine's own files, sockets and clock.
 *
 * @module
 */

import { lookupWith } from "./lookup.ts";
import type { ResolverDeps } from "./resolver_deps.ts";
import { systemTransport } from "./transport.ts";
import { Turns } from "./turns.ts";

/** Questions under way at the most, and of one owner. */
const QUESTIONS = { most: 256, mostOfOne: 32 } as const;

/**
 * What a resolver needs, but for those it tells. Needs net permission, and may read the two files; `resolvConf` is a path
 * instead of /etc/resolv.conf.
 */
export function systemResolverDeps(
  { sleep, resolvConf }: Pick<ResolverDeps, "sleep"> & { readonly resolvConf?: string | undefined },
): Omit<ResolverDeps, "onChange" | "onError"> {
  const now = () => performance.now();
  const lookup = lookupWith({
    readTextFile: (path) => Deno.readTextFile(path),
    transport: systemTransport,
    randomId: () => crypto.getRandomValues(new Uint16Array(1))[0] ?? 0,
    now,
    sleep,
    ...resolvConf === undefined ? {} : { resolvConf },
  }, new Turns(QUESTIONS));
  return { lookup, now, sleep, unixMs: () => Date.now(), random: Math.random };
}
