/**
 * The backends of `sluice demo`: an echo service and small web sites, plain Deno servers. Started by the demo command
 * before the proxy; a signal ends them.
 *
 * @module
 */

/** Where the backends listen, and what they are called. Port 0: the kernel chooses. */
export interface DemoPorts {
  readonly echo: readonly { readonly name: string; readonly port: number }[];
  readonly web: readonly { readonly name: string; readonly port: number }[];
}

/** The ports that `config/demo.yaml` has as endpoints. */
export const DEMO_PORTS: DemoPorts = {
  echo: [{ name: "echo-1 of acme", port: 17001 }],
  web: [
    { name: "web-1 of acme", port: 18001 },
    { name: "web-2 of acme", port: 18002 },
    { name: "web-1 of globex", port: 18003 },
  ],
};

/** Backends that run. */
export interface DemoBackends extends AsyncDisposable {
  /** Ports that are really bound, in the order that was asked for. */
  readonly echo: readonly number[];
  readonly web: readonly number[];
}

const HOSTNAME = "127.0.0.1";

/**
 * Starts the backends.
 *
 * @throws {Error} that names the port which cannot be bound; none is left running then
 */
export function startBackends(ports: DemoPorts = DEMO_PORTS): DemoBackends {
  const stop = new AbortController();
  const ended: Promise<void>[] = [];
  try {
    const echo = ports.echo.map(({ name, port }) => binding(name, port, () => startEcho(port, stop.signal, ended)));
    const web = ports.web.map(({ name, port }) => binding(name, port, () => startWeb(name, port, stop.signal, ended)));
    return {
      echo,
      web,
      [Symbol.asyncDispose]: async () => {
        stop.abort();
        await Promise.all(ended);
      },
    };
  } catch (error) {
    stop.abort();
    throw error;
  }
}

function binding(name: string, port: number, start: () => number): number {
  try {
    return start();
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    const remedy = cause instanceof Deno.errors.AddrInUse ? `; see who holds it with: ss -ltnp 'sport = :${port}'` : "";
    throw new Error(`Cannot start the demo's backend ${name} on ${HOSTNAME}:${port}: ${cause.message}${remedy}`, {
      cause,
    });
  }
}

function startEcho(port: number, signal: AbortSignal, ended: Promise<void>[]): number {
  const listener = Deno.listen({ hostname: HOSTNAME, port });
  const open = new Set<Deno.TcpConn>();
  signal.addEventListener("abort", () => {
    listener.close();
    for (const conn of open) conn.close();
  }, { once: true });
  ended.push(acceptAll(listener, open));
  return listener.addr.port;
}

async function acceptAll(listener: Deno.TcpListener, open: Set<Deno.TcpConn>): Promise<void> {
  for (;;) {
    let conn;
    try {
      conn = await listener.accept();
    } catch (error) {
      // A client that has reset before it was accepted says nothing about the listener.
      if (error instanceof Deno.errors.NotConnected || error instanceof Deno.errors.ConnectionAborted) continue;
      // Closed, which is the demo's end.
      if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) return;
      throw error;
    }
    open.add(conn);
    // A client that resets, or the demo's end, is a way to end like any other.
    echo(conn).catch(() => {}).finally(() => {
      open.delete(conn);
      try {
        conn.close();
      } catch (error) {
        if (!(error instanceof Deno.errors.BadResource)) throw error;
      }
    });
  }
}

/** Sends back what comes, and passes the end on. */
async function echo(conn: Deno.TcpConn): Promise<void> {
  await conn.readable.pipeTo(conn.writable, { preventClose: true });
  await conn.closeWrite();
}

/** Answers of this path are so many MiB of zeros: something to wait for where bandwidth is limited. */
const LARGE = /^\/([1-9])MiB$/;

function startWeb(name: string, port: number, signal: AbortSignal, ended: Promise<void>[]): number {
  const headers = { "content-type": "text/plain; charset=utf-8", "x-endpoint": name };
  const server = Deno.serve({ hostname: HOSTNAME, port, signal, onListen: () => {} }, (request) => {
    const { pathname } = new URL(request.url);
    const size = Number(LARGE.exec(pathname)?.[1] ?? 0) * 2 ** 20;
    if (size > 0) return new Response(new Uint8Array(size), { headers: { "x-endpoint": name } });
    return new Response(`Hello from ${name}: ${request.method} ${pathname}\n`, { headers });
  });
  ended.push(server.finished);
  return server.addr.port;
}
