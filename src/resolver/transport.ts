/**
 * The way of a question to a name server and back. `systemTransport` is the machine's own; tests give their own, or run
 * a server on loopback.
 *
 * @module
 */

import { createSocket } from "node:dgram";
import ipaddr from "ipaddr.js";
import type { DnsServer } from "./resolv_conf.ts";

/** How questions travel. Both end when the signal is aborted, with a rejection. */
export interface Transport {
  /** The first thing for which `read` gives a value, of all that comes back; each question from a port of its own. */
  udp<T>(server: DnsServer, bytes: Uint8Array, read: (bytes: Uint8Array) => T | null, signal: AbortSignal): Promise<T>;
  /** What comes back. */
  tcp(server: DnsServer, bytes: Uint8Array, signal: AbortSignal): Promise<Uint8Array>;
}

/** The machine's own sockets. Needs net permission. */
export const systemTransport: Transport = { udp: askOverUdp, tcp: askOverTcp };

function askOverUdp<T>(
  server: DnsServer,
  bytes: Uint8Array,
  read: (bytes: Uint8Array) => T | null,
  signal: AbortSignal,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const isV6 = server.ip.includes(":");
  // The port is the kernel's choice, which nobody can guess from outside (RFC 5452, 9.2).
  const socket = createSocket(isV6 ? "udp6" : "udp4");
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  socket.on("error", reject);
  socket.on("message", (message, { address, port }) => {
    if (port !== server.port || !isSameIp(address, server.ip)) return;
    const value = read(message);
    if (value !== null) resolve(value);
  });
  socket.bind(0, localFor(server.ip), () => {
    if (signal.aborted) return reject(signal.reason);
    socket.send(bytes, server.port, server.ip, (error) => {
      if (error) reject(error);
    });
  });
  return promise.finally(() => {
    signal.removeEventListener("abort", abort);
    socket.close();
  });
}

/** RFC 7766: a length in front of each message. */
async function askOverTcp(server: DnsServer, bytes: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
  using connection = await Deno.connect({ hostname: server.ip, port: server.port, signal });
  const close = () => connection.close();
  signal.addEventListener("abort", close, { once: true });
  try {
    const framed = new Uint8Array(bytes.length + 2);
    framed.set([bytes.length >> 8, bytes.length & 0xff]);
    framed.set(bytes, 2);
    for (let at = 0; at < framed.length;) at += await connection.write(framed.subarray(at));
    const [high = 0, low = 0] = await readFull(connection, 2);
    return await readFull(connection, high * 256 + low);
  } finally {
    signal.removeEventListener("abort", close);
  }
}

async function readFull(connection: Deno.Conn, count: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(count);
  for (let at = 0; at < count;) {
    const more = await connection.read(bytes.subarray(at));
    if (more === null) throw new Error("the connection ended within the answer");
    at += more;
  }
  return bytes;
}

/** From loopback to loopback, so that no packet of another machine is taken. */
function localFor(ip: string): string {
  if (ip.includes(":")) return ip === "::1" ? "::1" : "::";
  return ip.startsWith("127.") ? "127.0.0.1" : "0.0.0.0";
}

function isSameIp(one: string, other: string): boolean {
  const canonical = (ip: string) => ipaddr.process(ip.replace(/%.*$/, "")).toString();
  return canonical(one) === canonical(other);
}
