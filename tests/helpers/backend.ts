/**
 * Scripted backends: what stands behind the proxy in a test. With a behaviour each session runs by itself; without one the
 * test takes sessions with `accept()` and plays them by hand.
 *
 * @module
 */
import { formatAddress } from "./address.ts";
import { within } from "./eventually.ts";
import { listenResettable } from "./reset_wire.ts";
import type { Wire } from "./wire.ts";
import { DenoWire, isDisconnect } from "./wire.ts";

/** What a backend does with one session; the wire is closed when it returns. */
export type Behaviour = (wire: Wire, index: number) => Promise<void>;

/** Where and how a backend listens. */
export interface BackendOptions {
  readonly hostname?: string;
  readonly port?: number;
  /** A unix socket instead of a port. */
  readonly path?: string;
  /** Its sessions can be reset by `wire.reset()`. */
  readonly resettable?: boolean;
}

/** A listening peer. */
export class Backend implements AsyncDisposable {
  /** As the configuration writes it. */
  readonly address: string;
  /** Sessions so far. */
  accepted = 0;
  readonly #behaviour: Behaviour | undefined;
  readonly #open = new Set<Wire>();
  readonly #waiting: Wire[] = [];
  readonly #takers: ((wire: Wire) => void)[] = [];
  readonly #failures: unknown[] = [];
  readonly #stop: () => Promise<void>;
  #stopping = false;

  private constructor(address: string, behaviour: Behaviour | undefined, stop: () => Promise<void>) {
    this.address = address;
    this.#behaviour = behaviour;
    this.#stop = stop;
  }

  /** Starts a backend; TCP on 127.0.0.1 and a port from the kernel unless told otherwise. */
  static async listen(behaviour?: Behaviour, options: BackendOptions = {}): Promise<Backend> {
    const hostname = options.hostname ?? "127.0.0.1";
    if (options.resettable) {
      const early: Wire[] = [];
      let take = (wire: Wire): void => void early.push(wire);
      const listener = await listenResettable(hostname, options.port ?? 0, (wire) => take(wire));
      const backend = new Backend(formatAddress(hostname, listener.port), behaviour, () => listener.close());
      take = (wire) => backend.#take(wire);
      early.forEach(take);
      return backend;
    }
    const listener: Deno.Listener<Deno.Conn> = options.path === undefined
      ? Deno.listen({ hostname, port: options.port ?? 0, tcpBacklog: 4096 })
      : Deno.listen({ transport: "unix", path: options.path });
    const address = options.path === undefined
      ? formatAddress(hostname, (listener.addr as Deno.NetAddr).port)
      : `unix:${options.path}`;
    const backend = new Backend(address, behaviour, () => {
      listener.close();
      return Promise.resolve();
    });
    backend.#acceptAll(listener);
    return backend;
  }

  async #acceptAll(listener: Deno.Listener<Deno.Conn>): Promise<void> {
    while (!this.#stopping) {
      try {
        this.#take(new DenoWire(await listener.accept()));
      } catch (error) {
        // A client that is gone before it is accepted says nothing about the listener.
        if (!isDisconnect(error)) {
          this.#failures.push(error);
          return;
        }
      }
    }
  }

  #take(wire: Wire): void {
    const index = this.accepted++;
    this.#open.add(wire);
    if (this.#behaviour) {
      this.#run(wire, index, this.#behaviour);
      return;
    }
    const taker = this.#takers.shift();
    if (taker) taker(wire);
    else this.#waiting.push(wire);
  }

  async #run(wire: Wire, index: number, behaviour: Behaviour): Promise<void> {
    try {
      await behaviour(wire, index);
    } catch (error) {
      if (!isDisconnect(error) && this.#open.has(wire)) this.#failures.push(error);
    } finally {
      wire.close();
      this.#open.delete(wire);
    }
  }

  /** The next session, for a backend without a behaviour. */
  accept(): Promise<Wire> {
    const wire = this.#waiting.shift();
    if (wire) return Promise.resolve(wire);
    return within(new Promise((resolve) => this.#takers.push(resolve)), `a session at ${this.address}`);
  }

  /** Sessions that are open on this side. */
  get open(): number {
    return this.#open.size;
  }

  /**
   * Stops listening and closes what is open.
   *
   * @throws {AggregateError} with what its sessions failed of, disconnects aside.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    const open = [...this.#open];
    this.#open.clear();
    for (const wire of open) wire.close();
    await this.#stop();
    if (this.#failures.length > 0) throw new AggregateError(this.#failures, `A session of ${this.address} failed`);
  }
}

/** A listener whose queue is full, so that the kernel drops each SYN: connects hang until their timeout. */
export class BlackHole implements AsyncDisposable {
  /** As the configuration writes it. */
  readonly address: string;
  readonly #listener: Deno.TcpListener;
  readonly #filler: Deno.TcpConn;
  #wires: DenoWire[] = [];

  private constructor(listener: Deno.TcpListener, filler: Deno.TcpConn) {
    this.#listener = listener;
    this.#filler = filler;
    this.address = formatAddress(listener.addr.hostname, listener.addr.port);
  }

  /** Opens one. */
  static async open(): Promise<BlackHole> {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 0 });
    return new BlackHole(listener, await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }));
  }

  /** Starts to accept: a connect that hangs succeeds with its next SYN. Returns the first session after the filler. */
  async release(): Promise<Wire> {
    this.#wires.push(new DenoWire(await within(this.#listener.accept(), "the filler")));
    const wire = new DenoWire(await within(this.#listener.accept(), "a session at the released listener"));
    this.#wires.push(wire);
    return wire;
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const wire of this.#wires) wire.close();
    this.#filler.close();
    this.#listener.close();
    return Promise.resolve();
  }
}
