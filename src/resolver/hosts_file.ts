/**
 * `/etc/hosts` (hosts(5)), and the names of this machine that need no file. Pure.
 *
 * @module
 */

import ipaddr from "ipaddr.js";

/** Addresses in canonical form, by name in lower case. */
export type Hosts = ReadonlyMap<string, readonly string[]>;

/** Reads the file's text; lines without a meaning are passed over. */
export function parseHosts(text: string): Hosts {
  const hosts = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const [address = "", ...names] = line.replace(/#.*$/, "").trim().split(/\s+/);
    if (!ipaddr.isValid(address) || address.includes("%")) continue;
    const ip = ipaddr.process(address).toString();
    for (const name of names.map(withoutDot)) {
      const known = hosts.get(name);
      if (known === undefined) hosts.set(name, [ip]);
      else if (!known.includes(ip)) known.push(ip);
    }
  }
  return hosts;
}

/** Addresses that need no name server; undefined when one has to be asked. */
export function localAddresses(name: string, hosts: Hosts): readonly string[] | undefined {
  const plain = withoutDot(name);
  const found = hosts.get(plain);
  if (found !== undefined) return found;
  // RFC 6761, 6.3.
  return plain === "localhost" || plain.endsWith(".localhost") ? ["127.0.0.1", "::1"] : undefined;
}

function withoutDot(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}
