/**
 * Where access records go: standard output, a file, or nowhere. Opened by `serve` at the start and at each reload, so
 * that a rotated file is left for the new one.
 *
 * @module
 */

import { type ByteWriter, LineQueue } from "./queue.ts";

/** What a sink is told by the configuration. */
export type SinkTarget =
  | { readonly kind: "stdout" }
  | { readonly kind: "none" }
  | { readonly kind: "file"; readonly path: string };

/** A place for lines. */
export interface Sink extends AsyncDisposable {
  /** Takes whole lines; never waits. */
  push(text: string, count: number): void;
  /** Lines that could not be written so far. */
  readonly dropped: number;
  /** Waits until what was pushed is written or dropped, `withinMs` at the most. */
  flush(withinMs: number): Promise<void>;
}

/** Lines that wait for a slow stream, in bytes: half a minute's worth at 1,000 sessions a second. */
export const QUEUE_BYTES = 16 * 1024 * 1024;

/** How long an end waits for a stream that does not take what is left. */
export const FLUSH_MS = 2_000;

/** What a sink needs of the outside; tests give their own. */
export interface SinkDeps {
  /** A file to append to, made when it is not there. */
  openFile(path: string): Promise<ByteWriter & Disposable>;
  readonly stdout: ByteWriter;
  /** Told of each failed write. */
  onError(error: unknown): void;
}

/** The machine's own streams. A file of the access log is readable by its owner and group only. */
export function systemSinkDeps(onError: (error: unknown) => void): SinkDeps {
  return {
    openFile: (path) => Deno.open(path, { append: true, create: true, mode: 0o640 }),
    stdout: { write: (bytes) => Deno.stdout.write(bytes) },
    onError,
  };
}

/**
 * Opens the place that the configuration names.
 *
 * @throws {Error} when a file cannot be opened; the message says which and why
 */
export async function openSink(target: SinkTarget, deps: SinkDeps): Promise<Sink> {
  switch (target.kind) {
    case "none":
      return new NoSink();
    case "stdout":
      return new StreamSink(deps.stdout, () => {}, deps.onError);
    case "file": {
      const file = await openFile(target.path, deps);
      return new StreamSink(file, () => file[Symbol.dispose](), deps.onError);
    }
  }
}

async function openFile(path: string, deps: SinkDeps): Promise<ByteWriter & Disposable> {
  try {
    return await deps.openFile(path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Cannot open the access log: log.access.sink must be a file that can be written: ${why}`, {
      cause,
    });
  }
}

class NoSink implements Sink {
  readonly dropped = 0;
  push(): void {}
  async flush(): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}
}

class StreamSink implements Sink {
  readonly #queue: LineQueue;
  readonly #close: () => void;

  constructor(writer: ByteWriter, close: () => void, onError: (error: unknown) => void) {
    this.#queue = new LineQueue(writer, QUEUE_BYTES, onError);
    this.#close = close;
  }

  get dropped(): number {
    return this.#queue.dropped;
  }

  push(text: string, count: number): void {
    this.#queue.push(text, count);
  }

  async flush(withinMs: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, withinMs));
    await Promise.race([this.#queue.flush(), late]);
    clearTimeout(timer);
  }

  /** Writes what is left, as long as the stream takes it, drops the rest, and closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.flush(FLUSH_MS);
    this.#queue.abandon();
    this.#close();
  }
}
