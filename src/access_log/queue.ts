/**
 * The way from lines to a stream that may be slow: a bounded queue and one writer. Whoever has a line never waits; what
 * does not fit is dropped and counted. Owned by a sink.
 *
 * @module
 */

/** Where bytes go. A write may take as long as it likes, and may take a part. */
export interface ByteWriter {
  write(bytes: Uint8Array): Promise<number>;
}

/** Bytes of one write at the most: one turn of the writer. */
const BATCH_BYTES = 256 * 1024;

const encoder = new TextEncoder();
const NEWLINE = encoder.encode("\n");

/** A bounded queue of lines in front of a writer. */
export class LineQueue {
  readonly #writer: ByteWriter;
  readonly #mostBytes: number;
  readonly #onError: (error: unknown) => void;
  #waiting: Uint8Array[] = [];
  #waitingLines: number[] = [];
  #waitingBytes = 0;
  #dropped = 0;
  #linesInWrite = 0;
  #writing: Promise<void> | null = null;
  /** A failed write left a part of a line behind. */
  #torn = false;

  /**
   * @param mostBytes what may wait
   * @param onError told of each failed write; its lines are dropped and counted
   */
  constructor(writer: ByteWriter, mostBytes: number, onError: (error: unknown) => void) {
    this.#writer = writer;
    this.#mostBytes = mostBytes;
    this.#onError = onError;
  }

  /** Lines that were dropped so far: because the queue was full, or a write failed. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes whole lines, `count` of them, all or none. Never waits. */
  push(text: string, count: number): void {
    const bytes = encoder.encode(text);
    if (this.#waitingBytes + bytes.length > this.#mostBytes) {
      this.#dropped += count;
      return;
    }
    this.#waiting.push(bytes);
    this.#waitingLines.push(count);
    this.#waitingBytes += bytes.length;
    this.#writing ??= this.#run();
  }

  /** Waits until all that was pushed so far is written or dropped. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  /** Gives up on what is not written yet, the write under way included: it counts as dropped. Nothing may follow. */
  abandon(): void {
    this.#dropped += this.#waitingLines.reduce((sum, count) => sum + count, this.#linesInWrite);
    this.#linesInWrite = 0;
    this.#waiting = [];
    this.#waitingLines = [];
  }

  async #run(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const bytes = this.#take();
        try {
          await this.#writeAll(bytes);
        } catch (error) {
          this.#dropped += this.#linesInWrite;
          this.#onError(error);
        }
        this.#linesInWrite = 0;
        this.#waitingBytes -= bytes.length;
      }
    } finally {
      this.#writing = null;
    }
  }

  /** The next batch; its bytes count as waiting until they are written. */
  #take(): Uint8Array {
    let size = 0;
    let parts = 0;
    while (parts < this.#waiting.length) {
      const next = this.#waiting[parts]?.length ?? 0;
      if (parts > 0 && size + next > BATCH_BYTES) break;
      size += next;
      parts++;
    }
    const bytes = new Uint8Array(size);
    let at = 0;
    for (const part of this.#waiting.splice(0, parts)) {
      bytes.set(part, at);
      at += part.length;
    }
    this.#linesInWrite = this.#waitingLines.splice(0, parts).reduce((sum, count) => sum + count, 0);
    return bytes;
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    const writer = this.#writer;
    if (this.#torn) {
      await writer.write(NEWLINE);
      this.#torn = false;
    }
    for (let at = 0; at < bytes.length;) {
      const written = await writer.write(bytes.subarray(at));
      at += written;
      this.#torn = bytes[at - 1] !== NEWLINE[0];
    }
  }
}
