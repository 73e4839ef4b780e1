/**
 * The PROXY header that a check sends first, where the backend's sessions send one. Pure.
 *
 * Version 2 has a command for connections that the proxy makes for itself, LOCAL. Version 1 has not: the text
 * (PROXY protocol, 2.1) warns that receivers may refuse `PROXY UNKNOWN`, so the connection's own addresses are written
 * wherever it has any.
 *
 * @module
 */

/** Both ends of a TCP connection. */
export interface Ends {
  readonly family: "ipv4" | "ipv6";
  readonly localIp: string;
  readonly localPort: number;
  readonly remoteIp: string;
  readonly remotePort: number;
}

/** Signature, version 2 with command LOCAL, no family, no addresses (PROXY protocol, 2.2). */
const LOCAL = new Uint8Array([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x20, 0, 0, 0]);

/** The header of a check over a connection; `ends` is null for a unix socket. */
export function proxyHeader(version: "v1" | "v2", ends: Ends | null): Uint8Array {
  if (version === "v2") return LOCAL.slice();
  if (ends === null) return new TextEncoder().encode("PROXY UNKNOWN\r\n");
  const { family, localIp, localPort, remoteIp, remotePort } = ends;
  const protocol = family === "ipv4" ? "TCP4" : "TCP6";
  const [from, to] = [withoutZone(localIp), withoutZone(remoteIp)];
  return new TextEncoder().encode(`PROXY ${protocol} ${from} ${to} ${localPort} ${remotePort}\r\n`);
}

function withoutZone(ip: string): string {
  return ip.replace(/%.*$/, "");
}
