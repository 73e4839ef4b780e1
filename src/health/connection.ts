/**
 * Connections as checks see them, and the machine's own, over `node:net` and `node:tls`: unlike `Deno.connect` they can
 * bind a local address and make a handshake without looking at the certificate.
 *
 * @module
 */

import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Address } from "../config/mod.ts";
import type { Ends } from "./proxy_header.ts";

/** A connection to an endpoint. Calls come one after the other; each rejects when the connection fails or is closed. */
export interface Connection extends Disposable {
  /** Null for a unix socket. */
  readonly ends: Ends | null;
  /** Resolves when the kernel has taken the bytes. */
  write(bytes: Uint8Array): Promise<void>;
  /** The next bytes, never none; null when the endpoint has ended. */
  read(): Promise<Uint8Array | null>;
  /** Makes a TLS handshake; only before the first read. */
  secure(options: { readonly serverName: string | null; readonly verify: boolean }): Promise<void>;
  /** Closes at once; twice is as good as once. */
  close(): void;
}

/** Opens a connection; closes it when the signal is aborted, before or after it is there. */
export type Dial = (
  address: Address,
  options: { readonly sourceAddress: string | null; readonly signal: AbortSignal },
) => Promise<Connection>;

/**
 * Dials with the machine's own sockets. Needs net permission, for unix sockets too. A source address of the other
 * family, and that of a unix socket, is left out.
 */
export const dialSystem: Dial = async (address, { sourceAddress, signal }) => {
  signal.throwIfAborted();
  const socket = connect(optionsOf(address, sourceAddress));
  const connection = new SocketConnection(socket);
  const close = () => connection.close();
  signal.addEventListener("abort", close, { once: true });
  socket.once("close", () => signal.removeEventListener("abort", close));
  await connection.settled("connect");
  return connection;
};

function optionsOf(address: Address, sourceAddress: string | null) {
  // A path with a leading NUL is an abstract socket, for the kernel and for Deno.
  if (address.family === "unix") return { path: address.path.replace(/^@/, "\0") };
  const { family, ip, port, scopeId } = address;
  const host = scopeId === 0 ? ip : `${ip}%${scopeId}`;
  const isSame = sourceAddress !== null && sourceAddress.includes(":") === (family === "ipv6");
  return isSame ? { host, port, localAddress: sourceAddress } : { host, port };
}

class SocketConnection implements Connection {
  #socket: Socket;
  #failure: Error | null = null;
  #isEnded = false;
  #isReading = false;
  #wake: (() => void) | null = null;
  readonly #chunks: Uint8Array[] = [];

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#follow(socket);
  }

  get ends(): Ends | null {
    const { localAddress, localPort, remoteAddress, remotePort } = this.#socket;
    if (localAddress === undefined || localPort === undefined) return null;
    if (remoteAddress === undefined || remotePort === undefined) return null;
    const family = localAddress.includes(":") ? "ipv6" : "ipv4";
    return { family, localIp: localAddress, localPort, remoteIp: remoteAddress, remotePort };
  }

  /** Resolves at an event of the socket, rejects when the socket fails first. */
  settled(event: "connect" | "secureConnect"): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#socket.once(event, resolve);
    this.#whenFailed(reject);
    return promise;
  }

  write(bytes: Uint8Array): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#whenFailed(reject);
    this.#socket.write(bytes, (error) => error ? reject(error) : resolve());
    return promise;
  }

  async read(): Promise<Uint8Array | null> {
    if (!this.#isReading) this.#startReading();
    while (this.#chunks.length === 0) {
      if (this.#failure !== null) throw this.#failure;
      if (this.#isEnded) return null;
      this.#socket.resume();
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return this.#chunks.shift() ?? null;
  }

  async secure({ serverName, verify }: { serverName: string | null; verify: boolean }): Promise<void> {
    const socket = connectTls({
      socket: this.#socket,
      rejectUnauthorized: verify,
      ...serverName === null ? {} : { servername: serverName },
    });
    this.#socket = socket;
    this.#follow(socket);
    await this.settled("secureConnect");
  }

  close(): void {
    this.#socket.destroy();
    this.#fail(new Error("closed"));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #follow(socket: Socket): void {
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("closed")));
  }

  /** Nothing listens before: a socket that is read from cannot be given to TLS. */
  #startReading(): void {
    this.#isReading = true;
    this.#socket.on("data", (chunk: Uint8Array) => {
      this.#chunks.push(chunk);
      // One chunk at a time: what nobody reads stays in the kernel.
      this.#socket.pause();
      this.#wake?.();
    });
    this.#socket.on("end", () => {
      this.#isEnded = true;
      this.#wake?.();
    });
  }

  /** The first failure is the one that counts. */
  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake?.();
    for (const reject of this.#waiting.splice(0)) reject(this.#failure);
  }

  readonly #waiting: ((error: Error) => void)[] = [];

  #whenFailed(reject: (error: Error) => void): void {
    if (this.#failure !== null) reject(this.#failure);
    else this.#waiting.push(reject);
  }
}
