/**
 * A wire: one end of a stream as a test holds it, with a deadline on each wait. The two kinds differ in what they can do
 * to the other side: `DenoWire` is fast, `ResettableWire` (reset_wire.ts) can send a RST.
 *
 * @module
 */
import { PATIENCE_MS, within } from "./eventually.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** How a stream ended as this side saw it: an orderly FIN or a RST. */
export type End = "eof" | "reset";

/** One end of a stream. */
export abstract class Wire implements AsyncDisposable {
  /** Reads some bytes into `buffer`: how many, or how the stream ended. No deadline. */
  protected abstract readSome(buffer: Uint8Array): Promise<number | End>;
  /** Writes some of `bytes`: how many. No deadline. */
  protected abstract writeSome(bytes: Uint8Array): Promise<number>;
  /** Sends FIN; reading goes on. */
  abstract closeWrite(): Promise<void>;
  /** Closes both directions; a second call does nothing. */
  abstract close(): void;
  /** Sends RST. */
  abstract reset(): void;

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  /** Reads some bytes into `buffer`: how many, or how the stream ended. */
  readInto(buffer: Uint8Array, deadlineMs: number = PATIENCE_MS): Promise<number | End> {
    return within(this.readSome(buffer), "bytes from the other side", deadlineMs);
  }

  /** Writes all of `data`; text as UTF-8. */
  async write(data: Uint8Array | string, deadlineMs: number = PATIENCE_MS): Promise<void> {
    let rest = typeof data === "string" ? encoder.encode(data) : data;
    while (rest.length > 0) {
      rest = rest.subarray(await within(this.writeSome(rest), "room for bytes to the other side", deadlineMs));
    }
  }

  /**
   * Reads exactly `length` bytes.
   *
   * @throws {Error} when the stream ends before.
   */
  async readExactly(length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    for (let have = 0; have < length;) {
      const got = await this.readInto(bytes.subarray(have));
      if (got === "eof" || got === "reset") {
        throw new Error(`Stream ended with ${got} after ${have} of ${length} bytes`);
      }
      have += got;
    }
    return bytes;
  }

  /** Reads exactly `length` bytes as text. */
  async readText(length: number): Promise<string> {
    return decoder.decode(await this.readExactly(length));
  }

  /** Reads all that is left, and how it ends. */
  async readToEnd(deadlineMs: number = PATIENCE_MS): Promise<{ bytes: Uint8Array; text: string; end: End }> {
    const parts: Uint8Array[] = [];
    const buffer = new Uint8Array(65_536);
    for (;;) {
      const got = await this.readInto(buffer, deadlineMs);
      if (got === "eof" || got === "reset") {
        const bytes = new Uint8Array(await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer());
        return { bytes, text: decoder.decode(bytes), end: got };
      }
      parts.push(buffer.slice(0, got));
    }
  }

  /**
   * How the stream ends, with nothing before the end.
   *
   * @throws {Error} when bytes come instead.
   */
  async end(deadlineMs: number = PATIENCE_MS): Promise<End> {
    const { bytes, end } = await this.readToEnd(deadlineMs);
    if (bytes.length > 0) throw new Error(`Stream must end here: ${bytes.length} more bytes came`);
    return end;
  }

  /** Sends `data` and expects the same back: the shortest proof that a session lives and its backend echoes. */
  async roundTrip(data = "ping"): Promise<void> {
    await this.write(data);
    const back = await this.readText(data.length);
    if (back !== data) {
      throw new Error(`Echo must be ${JSON.stringify(data)}: current value is ${JSON.stringify(back)}`);
    }
  }
}

/** Codes of node:net for the same; ECANCELED and ERR_STREAM_DESTROYED are writes that this side's own end overtook. */
const NODE_CODES: readonly unknown[] = ["EPIPE", "ECONNRESET", "ECANCELED", "ERR_STREAM_DESTROYED"];

/** Whether an error says that the other side reset or has closed the stream, or that this side was closed meanwhile. */
export function isDisconnect(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.ConnectionAborted || error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted || error instanceof Deno.errors.NotConnected ||
    error instanceof Error && "code" in error && NODE_CODES.includes(error.code);
}

/** A wire on a connection of Deno. */
export class DenoWire extends Wire {
  /** Wraps `conn` and owns it from now on. */
  constructor(readonly conn: Deno.Conn) {
    super();
    if ("setNoDelay" in conn) (conn as Deno.TcpConn).setNoDelay(true);
  }

  protected override async readSome(buffer: Uint8Array): Promise<number | End> {
    try {
      return await this.conn.read(buffer) ?? "eof";
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionReset) return "reset";
      throw error;
    }
  }

  protected override writeSome(bytes: Uint8Array): Promise<number> {
    return this.conn.write(bytes);
  }

  override closeWrite(): Promise<void> {
    return this.conn.closeWrite();
  }

  override close(): void {
    try {
      this.conn.close();
    } catch (error) {
      if (!isDisconnect(error)) throw error;
    }
  }

  override reset(): void {
    throw new TypeError("Cannot reset: the wire must be opened as resettable");
  }
}
