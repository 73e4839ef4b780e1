/**
 * Ports that nobody has at this moment. Called by everything that starts a proxy.
 *
 * @module
 */

/** Below the ports that the kernel gives to clients. */
const FIRST_PORTS = [10_000, 20_000, 12_000, 14_000, 16_000, 18_000];

/** A port that nobody has at this moment. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** The first of so many ports in a row that nobody has at this moment. */
export function freePorts(count: number): number {
  for (const first of FIRST_PORTS) {
    const held: Deno.Listener[] = [];
    try {
      for (let port = first; port < first + count; port++) held.push(Deno.listen({ hostname: "127.0.0.1", port }));
      return first;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    } finally {
      for (const listener of held) listener.close();
    }
  }
  throw new Error(`Cannot measure: ${count} ports in a row must be free on 127.0.0.1: they are not`);
}
