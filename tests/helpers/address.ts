/**
 * Addresses as the configuration and the proxy's output write them, ways to connect to them, and ports from the kernel.
 *
 * @module
 */

/** An address that a test can connect to. */
export type Target =
  | { readonly transport: "tcp"; readonly hostname: string; readonly port: number }
  | { readonly transport: "unix"; readonly path: string };

/**
 * Reads `127.0.0.1:80`, `[::1]:80` or `unix:/path`.
 *
 * @throws {TypeError} for anything else.
 */
export function parseTarget(text: string): Target {
  if (text.startsWith("unix:")) return { transport: "unix", path: text.slice(5) };
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d+)$/.exec(text);
  if (!match) {
    throw new TypeError(`Cannot read an address: it must be HOST:PORT or unix:PATH: current value is ${text}`);
  }
  return { transport: "tcp", hostname: (match[1] ?? match[2])!, port: Number(match[3]) };
}

/** Writes a host and a port as one address. */
export function formatAddress(hostname: string, port: number): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

/** Opens a connection to an address in text form. */
export function dial(address: string): Promise<Deno.Conn> {
  const target = parseTarget(address);
  if (target.transport === "unix") return Deno.connect({ transport: "unix", path: target.path });
  return Deno.connect({ hostname: target.hostname, port: target.port });
}

let nextLoopback = 0;

/**
 * A loopback address of this test alone, so that ports which the kernel gave and that were released again (for a
 * listener that must have a known port, a range, a refusing endpoint) are not taken by another test meanwhile.
 */
export function ownLoopback(): string {
  nextLoopback++;
  const random = crypto.getRandomValues(new Uint8Array(2));
  return `127.${64 + (Deno.pid % 128)}.${random[0]}.${1 + ((random[1]! + nextLoopback) % 250)}`;
}

/** A port that nobody listens on at `hostname`, which should come from `ownLoopback`. */
export function freePort(hostname: string): number {
  using listener = Deno.listen({ hostname, port: 0 });
  return listener.addr.port;
}

/** The first of `count` consecutive ports that nobody listens on at `hostname`, which should come from `ownLoopback`. */
export function freePortRange(hostname: string, count: number): number {
  for (let attempt = 0; attempt < 100; attempt++) {
    const first = freePort(hostname);
    const held: Deno.Listener[] = [];
    try {
      for (let port = first; port < first + count; port++) held.push(Deno.listen({ hostname, port }));
      return first;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse) && !(error instanceof TypeError)) throw error;
    } finally {
      for (const listener of held) listener.close();
    }
  }
  throw new Error(`Cannot find ${count} consecutive free ports on ${hostname}`);
}

/** An address at which connections are refused. */
export function refusingAddress(): string {
  const hostname = ownLoopback();
  return formatAddress(hostname, freePort(hostname));
}
