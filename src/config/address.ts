/**
 * Addresses as they are written in a configuration. Reading only: names and zones are turned into numbers by
 * `resolve.ts`.
 *
 * @module
 */

import ipaddr from "ipaddr.js";
import { Refusal, type Scalar, scalar } from "./scalar.ts";

/** A socket of the file system, or an abstract one (`path` starts with `@`). */
export interface UnixAddress {
  readonly family: "unix";
  readonly path: string;
}

/** An IP address with its port; v4-mapped IPv6 is IPv4 here. */
export interface IpAddress {
  readonly family: "ipv4" | "ipv6";
  /** In canonical form. */
  readonly ip: string;
  /** Interface of a link-local IPv6 address: a name or an index; empty without one. */
  readonly zone: string;
  readonly port: number;
}

/** What a listener binds; `portLast` equals `port` unless it is a range. */
export type ListenAddress = UnixAddress | IpAddress & { readonly portLast: number };

/** A name that stands for addresses. `port` is null where a SRV record will give it. */
export interface NameAddress {
  readonly family: "name";
  /** In lower case. A final dot stays: it says that the name is whole, and is not searched for in other domains. */
  readonly name: string;
  readonly port: number | null;
}

/** What an endpoint is connected at. */
export type EndpointAddress = UnixAddress | IpAddress | NameAddress;

/** Bytes of a unix socket's path that the kernel takes, without the final NUL. */
const UNIX_PATH_BYTES = 107;

const LISTEN_RULE = "an address to listen on such as 0.0.0.0:5432, [::]:8443, 127.0.0.1:7000-7009 or unix:/run/pg.sock";
const ENDPOINT_RULE =
  "an address to connect to such as 10.0.0.5:5432, [fd00::5]:5432, db.example:5432 or unix:/run/pg.sock";

/**
 * Reads a listener's address.
 *
 * @throws {Refusal} with rule and remedy
 */
export function parseListenAddress(text: string): ListenAddress {
  const unix = parseUnix(text);
  if (unix !== undefined) return unix;
  const { host, port } = splitPort(text, LISTEN_RULE);
  const ip = parseIp(host);
  if (ip === undefined) {
    throw new Refusal(LISTEN_RULE, listenHostRemedy(host, port));
  }
  const range = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(port);
  const first = Number(range?.[1] ?? Number.NaN);
  const last = Number(range?.[2] ?? first);
  if (!(last <= 65535)) throw new Refusal(LISTEN_RULE, "use a port from 0 to 65535 (0: the kernel chooses)");
  if (range?.[2] !== undefined && (first === 0 || last < first)) {
    throw new Refusal("a range of ports from the lower to the higher", "write the range as 7000-7009");
  }
  return { ...ip, port: first, portLast: last };
}

/**
 * Reads an endpoint's address. A name without a port is taken when it looks like that of a SRV record
 * (`_service._proto.name`).
 *
 * @throws {Refusal} with rule and remedy
 */
export function parseEndpointAddress(text: string): EndpointAddress {
  const unix = parseUnix(text);
  if (unix !== undefined) return unix;
  if (text.startsWith("_") && isName(text)) return { family: "name", name: text.toLowerCase(), port: null };
  const { host, port } = splitPort(text, ENDPOINT_RULE);
  const number = /^\d{1,5}$/.test(port) ? Number(port) : 0;
  if (port.includes("-")) throw new Refusal("an address with one port", "write one endpoint for each port");
  if (number < 1 || number > 65535) throw new Refusal(ENDPOINT_RULE, "use a port from 1 to 65535");
  const ip = parseIp(host);
  if (ip !== undefined) return { ...ip, port: number };
  if (!isName(host)) throw new Refusal(ENDPOINT_RULE, "mend the IP address or the name before the port");
  return { family: "name", name: host.toLowerCase(), port: number };
}

/** An address in the form in which it is written; a listener's range with both ports. */
export function formatAddress(address: ListenAddress | EndpointAddress): string {
  if (address.family === "unix") return `unix:${address.path}`;
  if (address.family === "name") return address.port === null ? address.name : `${address.name}:${address.port}`;
  const zone = address.zone === "" ? "" : `%${address.zone}`;
  const host = address.family === "ipv6" ? `[${address.ip}${zone}]` : address.ip;
  const last = "portLast" in address && address.portLast !== address.port ? `-${address.portLast}` : "";
  return `${host}:${address.port}${last}`;
}

function parseUnix(text: string): UnixAddress | undefined {
  if (!text.startsWith("unix:")) return undefined;
  const path = text.slice("unix:".length);
  const bytes = new TextEncoder().encode(path).length;
  if (!/^(?:\/|@.)/.test(path) || path.includes("\0") || path.endsWith("/")) {
    throw new Refusal("unix: and an absolute path, or unix:@ and a name", "write unix:/run/name.sock or unix:@name");
  }
  if (bytes > UNIX_PATH_BYTES) {
    throw new Refusal(`a path of ${UNIX_PATH_BYTES} bytes at the most, it has ${bytes}`, "use a shorter path");
  }
  return { family: "unix", path };
}

function splitPort(text: string, rule: string): { host: string; port: string } {
  const found = /^(?:\[([^\]]*)\]|([^:[\]]*)):([^:]*)$/.exec(text);
  if (found !== null) {
    const [, bracketed, plain, port = ""] = found;
    if (bracketed !== undefined && !bracketed.includes(":")) {
      throw new Refusal(rule, "put only IPv6 addresses in brackets");
    }
    return { host: bracketed ?? plain ?? "", port };
  }
  const scheme = /^[a-z]+:\/\//i.exec(text)?.[0];
  if (scheme !== undefined) throw new Refusal(rule, `leave ${scheme} out`);
  if (ipaddr.IPv6.isValid(text) || (text.split(":").length > 2 && !text.startsWith("["))) {
    throw new Refusal(rule, "put the IPv6 address in brackets and the port behind them: [::1]:80");
  }
  if (/^\d+$/.test(text)) throw new Refusal(rule, `write the address before the port: 0.0.0.0:${text}`);
  throw new Refusal(rule, "add a port: address:port");
}

function parseIp(host: string): Omit<IpAddress, "port"> | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(host)) return { family: "ipv4", ip: host, zone: "" };
  const [bare = "", zone, more] = host.split("%");
  if (!bare.includes(":") || !ipaddr.IPv6.isValid(bare)) return undefined;
  const parsed = ipaddr.IPv6.parse(bare);
  if (zone !== undefined) {
    if (zone === "" || more !== undefined || /[\s/]/.test(zone) || parsed.range() !== "linkLocal") {
      throw new Refusal(
        "an IPv6 address with a zone only when it is link-local",
        "write [fe80::1%eth0]:80, or leave the zone out",
      );
    }
    return { family: "ipv6", ip: parsed.toRFC5952String(), zone };
  }
  if (parsed.isIPv4MappedAddress()) return { family: "ipv4", ip: parsed.toIPv4Address().toString(), zone: "" };
  return { family: "ipv6", ip: parsed.toRFC5952String(), zone: "" };
}

function isName(host: string): boolean {
  const labels = host.replace(/\.$/, "").split(".");
  // A last label of digits is an IP address with a slip in it, never a name (RFC 1123, 2.1).
  if (host.length > 253 || /^\d+$/.test(labels.at(-1) ?? "")) return false;
  return labels.every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label));
}

function listenHostRemedy(host: string, port: string): string {
  if (host === "" || host === "*") return `write 0.0.0.0:${port} for IPv4, or [::]:${port} for IPv6 and IPv4`;
  if (isName(host)) return "write the IP address of this machine; names are for endpoints";
  return "mend the IP address before the port";
}

/** A listener's address. */
export function listenAddress(): Scalar<ListenAddress> {
  return scalar({
    json: { type: "string", examples: ["0.0.0.0:5432", "[::]:8443", "0.0.0.0:7000-7009", "unix:/run/pg.sock"] },
    rule: LISTEN_RULE,
    remedy: "write address:port, or unix:/path",
    parse: (value) => typeof value === "string" ? parseListenAddress(value) : undefined,
  });
}

/** A listener's address that stands for one socket: no range of ports. */
export function singleListenAddress(): Scalar<ListenAddress> {
  return scalar({
    json: { type: "string", examples: ["127.0.0.1:9900", "[::1]:9900", "unix:/run/sluice/admin.sock"] },
    rule: "address:port with one port, or unix:/path",
    remedy: "write address:port, or unix:/path",
    parse: (value) => {
      const address = typeof value === "string" ? parseListenAddress(value) : undefined;
      return address !== undefined && "portLast" in address && address.portLast !== address.port ? undefined : address;
    },
  });
}

/** An endpoint's address. */
export function endpointAddress(): Scalar<EndpointAddress> {
  return scalar({
    json: { type: "string", examples: ["10.0.0.5:5432", "[fd00::5]:5432", "db.example:5432", "unix:/run/pg.sock"] },
    rule: ENDPOINT_RULE,
    remedy: "write address:port, name:port, or unix:/path",
    parse: (value) => typeof value === "string" ? parseEndpointAddress(value) : undefined,
  });
}

/** An IP address without a port. */
export type HostAddress = Pick<IpAddress, "family" | "ip">;

/**
 * Reads an IP address without a port; undefined for anything else.
 *
 * @throws {Refusal} with rule and remedy, for an address with a zone
 */
export function parseHostAddress(text: string): HostAddress | undefined {
  const parsed = parseIp(text);
  if (parsed === undefined) return undefined;
  const { family, ip, zone } = parsed;
  if (zone !== "") throw new Refusal("an IP address without a zone", "use an address that is not link-local");
  return { family, ip };
}

/** An IP address without a port. */
export function hostAddress(): Scalar<HostAddress> {
  return scalar({
    json: { type: "string", examples: ["127.0.0.1", "fd00::1"] },
    rule: "an IP address without a port",
    remedy: "write an address such as 127.0.0.1 or fd00::1",
    parse: (value) => typeof value === "string" ? parseHostAddress(value) : undefined,
  });
}

/** A set of addresses with a common prefix. */
export interface AddressRange {
  readonly family: "ipv4" | "ipv6";
  /** First address, in canonical form, all bits beyond the prefix zero. */
  readonly ip: string;
  readonly prefix: number;
}

/** A v4-mapped prefix at least so long is one of IPv4: clients are told by their IPv4 address. */
const MAPPED_BITS = 96;

const RANGE_RULE = "a range of addresses such as 10.0.0.0/8 or fd00::/8";

/** A range such as `10.0.0.0/8`; an address alone is the range of it alone; v4-mapped IPv6 is IPv4 here. */
export function addressRange(): Scalar<AddressRange> {
  return scalar({
    json: { type: "string", examples: ["10.0.0.0/8", "fd00::/8", "192.0.2.7"] },
    rule: RANGE_RULE,
    remedy: "write address/prefix",
    parse: (value) => typeof value === "string" ? parseAddressRange(value) : undefined,
  });
}

/**
 * Reads a range of addresses; undefined for anything else.
 *
 * @throws {Refusal} with rule and remedy
 */
export function parseAddressRange(text: string): AddressRange | undefined {
  const found = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text);
  const host = found?.[1] ?? "";
  const isV4 = ipaddr.IPv4.isValidFourPartDecimal(host);
  if (!isV4 && !(host.includes(":") && !host.includes("%") && ipaddr.IPv6.isValid(host))) return undefined;
  const bits = isV4 ? 32 : 128;
  const prefix = Number(found?.[2] ?? bits);
  if (prefix > bits) throw new Refusal(RANGE_RULE, `use a prefix from 0 to ${bits}`);
  const network = isV4
    ? ipaddr.IPv4.networkAddressFromCIDR(`${host}/${prefix}`).toString()
    : ipaddr.IPv6.networkAddressFromCIDR(`${host}/${prefix}`).toRFC5952String();
  const written = isV4 ? host : ipaddr.IPv6.parse(host).toRFC5952String();
  if (network !== written) {
    throw new Refusal(
      "a range whose address has no bits beyond its prefix",
      `write ${network}/${prefix}, or ${written} alone`,
    );
  }
  if (isV4) return { family: "ipv4", ip: network, prefix };
  const first = ipaddr.IPv6.parse(network);
  if (prefix < MAPPED_BITS || !first.isIPv4MappedAddress()) return { family: "ipv6", ip: network, prefix };
  return { family: "ipv4", ip: first.toIPv4Address().toString(), prefix: prefix - MAPPED_BITS };
}
