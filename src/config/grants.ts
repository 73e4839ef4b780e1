/**
 * What a tenant may take by itself: which addresses, which shared listeners. Admins write `grants` into a tenant; a
 * token of the tenant is held against them at each write. Pure.
 *
 * @module
 */

import { formatAddress, type ListenAddress, parseListenAddress } from "./address.ts";
import { sameHost } from "./overlap.ts";
import { Refusal, type Scalar, scalar } from "./scalar.ts";

/** An address, a range of ports, or every port of an address. */
export type AddressGrant =
  | { readonly anyPort: false; readonly address: ListenAddress }
  | { readonly anyPort: true; readonly address: Exclude<ListenAddress, { family: "unix" }> };

/** Reads a grant: an address to listen on, or `HOST:*`. Throws a {@link Refusal}. */
export function parseAddressGrant(text: string): AddressGrant {
  if (!text.startsWith("unix:") && text.endsWith(":*")) {
    const address = parseListenAddress(`${text.slice(0, -1)}0`);
    if (address.family === "unix") throw new Refusal("an address and a port", "write address:*");
    return { anyPort: true, address };
  }
  return { anyPort: false, address: parseListenAddress(text) };
}

/** Whether one of the grants covers an address whole. A grant for 0.0.0.0 or [::] covers each address beneath it. */
export function isGranted(wanted: ListenAddress, grants: readonly AddressGrant[]): boolean {
  return grants.some((grant) => covers(grant, wanted));
}

function covers({ anyPort, address }: AddressGrant, wanted: ListenAddress): boolean {
  if (address.family === "unix" || wanted.family === "unix") {
    return address.family === "unix" && wanted.family === "unix" && address.path === wanted.path;
  }
  const isSame = formatAddress({ ...address, port: 1, portLast: 1 }) ===
    formatAddress({ ...wanted, port: 1, portLast: 1 });
  const isWide = address.family === "ipv6" ? address.ip === "::" : address.ip === "0.0.0.0";
  if (!isSame && !(isWide && sameHost(address, wanted) && !isWider(wanted, address))) return false;
  return anyPort || (wanted.port !== 0 && wanted.port >= address.port && wanted.portLast <= address.portLast);
}

/** `[::]` is bound for IPv6 and IPv4: wider than 0.0.0.0. */
function isWider(
  one: Exclude<ListenAddress, { family: "unix" }>,
  other: Exclude<ListenAddress, { family: "unix" }>,
): boolean {
  return one.family === "ipv6" && one.ip === "::" && other.family === "ipv4";
}

/** A grant of an address, as it is written. */
export function addressGrant(): Scalar<AddressGrant> {
  return scalar({
    json: { type: "string", examples: ["10.0.0.1:5432", "0.0.0.0:7000-7009", "127.0.0.1:*", "unix:/run/pg.sock"] },
    rule: "an address that may be listened on such as 10.0.0.1:5432, 0.0.0.0:7000-7009 or 127.0.0.1:*",
    remedy: "write address:port, a range of ports, address:* or unix:/path",
    parse: (value) => typeof value === "string" ? parseAddressGrant(value) : undefined,
  });
}
