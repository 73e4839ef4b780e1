/**
 * `/etc/resolv.conf` as far as it matters here (resolv.conf(5)). Pure.
 *
 * @module
 */

import ipaddr from "ipaddr.js";

/** A name server. */
export interface DnsServer {
  /** An IPv6 address may have a zone. */
  readonly ip: string;
  readonly port: number;
}

/** Whom to ask, and how. */
export interface ResolvConf {
  /** In the order in which they are asked, never none. */
  readonly servers: readonly DnsServer[];
  /** Domains in which a name is looked for that is not whole. */
  readonly search: readonly string[];
  /** A name with so many dots is first looked for as it is. */
  readonly ndots: number;
  /** For an answer of one server. */
  readonly timeoutMs: number;
  /** How often each server is asked. */
  readonly attempts: number;
  /** Ask over TCP at once. */
  readonly isTcpOnly: boolean;
}

const DNS_PORT = 53;
/** What resolvers have always read of a file. */
const MOST_SERVERS = 3;
const DOMAIN = /^[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/;
const LARGEST = { ndots: 15, timeout: 30, attempts: 5 } as const;

/** Reads the file's text; what has no meaning is passed over, as every resolver does. */
export function parseResolvConf(text: string): ResolvConf {
  const servers: DnsServer[] = [];
  const options = { ndots: 1, timeout: 5, attempts: 2 };
  let search: string[] = [];
  let isTcpOnly = false;
  for (const line of text.split("\n")) {
    const [key = "", ...words] = line.replace(/[#;].*$/, "").trim().split(/\s+/);
    if (key === "nameserver" && words[0] !== undefined) {
      const server = parseServer(words[0]);
      if (server !== undefined) servers.push(server);
    } else if (key === "search" || key === "domain") {
      search = words.map((word) => word.toLowerCase().replace(/\.$/, "")).filter((word) => DOMAIN.test(word));
    } else if (key === "options") {
      for (const word of words) {
        if (word === "use-vc") isTcpOnly = true;
        const [, name, value] = /^(ndots|timeout|attempts):(\d+)$/.exec(word) ?? [];
        if (name !== "ndots" && name !== "timeout" && name !== "attempts") continue;
        options[name] = Math.min(Math.max(Number(value), name === "ndots" ? 0 : 1), LARGEST[name]);
      }
    }
  }
  return {
    // Without any, a server of this machine is meant.
    servers: servers.length === 0 ? [{ ip: "127.0.0.1", port: DNS_PORT }] : servers.slice(0, MOST_SERVERS),
    search,
    ndots: options.ndots,
    timeoutMs: options.timeout * 1000,
    attempts: options.attempts,
    isTcpOnly,
  };
}

/** An address, or as in OpenBSD's file one with a port: `[192.0.2.53]:5353`. */
function parseServer(word: string): DnsServer | undefined {
  const [, host, digits] = /^\[(.+)\]:(\d{1,5})$/.exec(word) ?? [];
  const ip = host ?? word;
  const port = digits === undefined ? DNS_PORT : Number(digits);
  const isServer = ipaddr.isValid(ip.replace(/%.*$/, "")) && port >= 1 && port <= 65535;
  return isServer ? { ip, port } : undefined;
}

/** The longest name that DNS has, as text. */
const LONGEST_NAME = 253;

/**
 * The whole names (without a final dot) for which a name may stand, in the order in which they are tried. A name with a
 * final dot is whole.
 */
export function candidatesOf(name: string, { search, ndots }: Pick<ResolvConf, "search" | "ndots">): string[] {
  if (name.endsWith(".")) return [name.slice(0, -1)];
  const inDomains = search.map((domain) => `${name}.${domain}`);
  const dots = name.split(".").length - 1;
  const all = dots >= ndots ? [name, ...inDomains] : [...inDomains, name];
  return all.filter((whole) => whole.length <= LONGEST_NAME);
}
