/**
 * From a name to what is found of it, once: the machine's files first, then the name servers, in the order that
 * programs of this machine have come to expect. Made and called by the resolver, which keeps what is found.
 *
 * @module
 */

import { askServers, type ClientDeps, type ServersReply } from "./client.ts";
import type { Finding, HostFinding } from "./finding.ts";
import { localAddresses } from "./hosts_file.ts";
import type { Question, SrvRecord } from "./message.ts";
import { type FileDeps, NameFiles } from "./name_files.ts";
import { candidatesOf, type ResolvConf } from "./resolv_conf.ts";
import type { Turns } from "./turns.ts";

/** Whose look-up it is, and until when. */
export interface LookupFor {
  readonly owner: string;
  readonly signal: AbortSignal;
}

/** Looks names up. Both reject only when the signal is aborted. */
export interface Lookup {
  host(name: string, by: LookupFor): Promise<HostFinding>;
  services(name: string, by: LookupFor): Promise<Finding<SrvRecord>>;
}

/** How long an answer of this machine's files holds. */
const FILES_TTL_MS = 30_000;
/** How long "there is none" holds when the server does not say. */
const NONE_TTL_MS = 30_000;

/** Looks names up as this machine is set up; questions wait for their turn in `turns`. */
export function lookupWith(deps: ClientDeps & FileDeps, turns: Turns): Lookup {
  const files = new NameFiles(deps);
  const ask = (question: Question, conf: ResolvConf, { owner, signal }: LookupFor) =>
    turns.run(owner, () => askServers(question, conf, deps, signal));
  return {
    async host(name, by) {
      const local = localAddresses(name, await files.hosts());
      if (local !== undefined) return fromFiles(local);
      const conf = await files.conf();
      return await firstOf(name, conf, async (whole) => {
        const [ipv4, ipv6] = await Promise.all([
          ask({ name: whole, type: "A" }, conf, by),
          ask({ name: whole, type: "AAAA" }, conf, by),
        ]);
        const finding = { ipv4: addressesOf(ipv4), ipv6: addressesOf(ipv6) };
        return { finding, replies: [ipv4, ipv6] };
      }, (nothing) => ({ ipv4: nothing, ipv6: nothing }));
    },
    async services(name, by) {
      const conf = await files.conf();
      return await firstOf(name, conf, async (whole) => {
        const reply = await ask({ name: whole, type: "SRV" }, conf, by);
        return { finding: servicesOf(reply), replies: [reply] };
      }, (nothing) => nothing);
    },
  };
}

/**
 * The finding of the first candidate of which there is something. A server's trouble with one candidate does not keep
 * from trying the next one (as in the C library), silence of all servers does.
 */
async function firstOf<F>(
  name: string,
  conf: ResolvConf,
  ask: (whole: string) => Promise<{ readonly finding: F; readonly replies: readonly ServersReply[] }>,
  nothingOf: (nothing: Exclude<Finding<never>, { kind: "found" }>) => F,
): Promise<F> {
  let trouble: string | null = null;
  let isName = false;
  let ttlMs = Number.POSITIVE_INFINITY;
  for (const whole of candidatesOf(name, conf)) {
    const { finding, replies } = await ask(whole);
    if (replies.some(({ kind }) => kind === "addresses" || kind === "services")) return finding;
    for (const reply of replies) {
      if (reply.kind === "failed") trouble ??= reply.why;
      else if (reply.kind === "none") {
        isName ||= reply.isName;
        ttlMs = Math.min(ttlMs, reply.ttlS === null ? NONE_TTL_MS : reply.ttlS * 1000);
      }
    }
    if (replies.some((reply) => reply.kind === "failed" && reply.isSilent)) break;
  }
  if (trouble !== null) return nothingOf({ kind: "failed", why: trouble });
  const why = isName ? "it has no record of the kind" : "no such name";
  return nothingOf({ kind: "none", why, ttlMs: Math.min(ttlMs, NONE_TTL_MS) });
}

function addressesOf(reply: ServersReply): Finding<string> {
  if (reply.kind === "addresses") return { kind: "found", values: reply.addresses, ttlMs: reply.ttlS * 1000 };
  return nothingOf(reply);
}

function servicesOf(reply: ServersReply): Finding<SrvRecord> {
  if (reply.kind === "services") return { kind: "found", values: reply.services, ttlMs: reply.ttlS * 1000 };
  return nothingOf(reply);
}

function nothingOf(reply: ServersReply): Finding<never> {
  if (reply.kind === "failed") return { kind: "failed", why: reply.why };
  return { kind: "none", why: "it has no record of the kind", ttlMs: NONE_TTL_MS };
}

function fromFiles(addresses: readonly string[]): HostFinding {
  const ofFamily = (isV6: boolean): Finding<string> => {
    const values = addresses.filter((address) => address.includes(":") === isV6);
    if (values.length === 0) return { kind: "none", why: "it has no record of the kind", ttlMs: FILES_TTL_MS };
    return { kind: "found", values, ttlMs: FILES_TTL_MS };
  };
  return { ipv4: ofFamily(false), ipv6: ofFamily(true) };
}
