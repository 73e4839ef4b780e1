/**
 * Wires that can send a RST, which Deno's own connections cannot: sockets of node:net behind the same face.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import net from "node:net";
import type { End } from "./wire.ts";
import { Wire } from "./wire.ts";
import { within } from "./eventually.ts";

/** A wire with `reset()`. */
export class ResettableWire extends Wire {
  readonly #socket: net.Socket;
  readonly #chunks: Uint8Array[] = [];
  #end: End | Error | undefined;
  #wake: () => void = () => {};

  /** Wraps a paused, half-open capable socket and owns it from now on. */
  constructor(socket: net.Socket) {
    super();
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => {
      this.#chunks.push(new Uint8Array(chunk));
      socket.pause();
      this.#wake();
    });
    socket.on("end", () => this.#finish("eof"));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.#finish(error.code === "ECONNRESET" || error.code === "EPIPE" ? "reset" : error);
    });
    socket.on("close", () => this.#finish("eof"));
    socket.pause();
  }

  #finish(end: End | Error): void {
    this.#end ??= end;
    this.#wake();
  }

  protected override async readSome(buffer: Uint8Array): Promise<number | End> {
    while (this.#chunks.length === 0) {
      if (this.#end instanceof Error) throw this.#end;
      if (this.#end !== undefined) return this.#end;
      const woken = new Promise<void>((resolve) => this.#wake = resolve);
      this.#socket.resume();
      await woken;
    }
    const first = this.#chunks[0]!;
    const length = Math.min(first.length, buffer.length);
    buffer.set(first.subarray(0, length));
    if (length === first.length) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(length);
    return length;
  }

  protected override writeSome(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => error ? reject(error) : resolve(bytes.length));
    });
  }

  override closeWrite(): Promise<void> {
    return new Promise((resolve) => this.#socket.end(() => resolve()));
  }

  override close(): void {
    this.#socket.destroy();
  }

  override reset(): void {
    this.#socket.resetAndDestroy();
  }
}

/** Connects a wire that can reset, from an address of this machine or from the one that the kernel chooses. */
export async function connectResettable(hostname: string, port: number, from?: string): Promise<ResettableWire> {
  const socket = net.connect({
    host: hostname,
    port,
    allowHalfOpen: true,
    ...(from !== undefined && { localAddress: from }),
  });
  await within(
    new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    }),
    `a connection to ${hostname}:${port}`,
  );
  return new ResettableWire(socket);
}

/** Listens for connections that can be reset; `port` 0 lets the kernel choose. */
export async function listenResettable(
  hostname: string,
  port: number,
  onWire: (wire: ResettableWire) => void,
): Promise<{ port: number; close(): Promise<void> }> {
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    onWire(new ResettableWire(socket));
  });
  await within(
    new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, hostname, resolve);
    }),
    `a listener on ${hostname}`,
  );
  const bound = server.address() as net.AddressInfo;
  return { port: bound.port, close: () => new Promise((resolve) => server.close(() => resolve())) };
}
