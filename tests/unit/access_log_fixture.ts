/** Records for the tests of the access log, and a stream that is as slow as the test wants. */
import type { SessionRecord } from "../../src/ffi/mod.ts";

export function session(parts: Partial<SessionRecord> = {}): SessionRecord {
  return {
    kind: "session",
    progress: false,
    timeMs: Date.parse("2026-01-31T12:00:00.250Z"),
    session: "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    tenant: "acme",
    listener: "in",
    route: null,
    backend: "pool",
    endpoint: "a",
    client: "192.0.2.7",
    clientPort: 5555,
    serverName: null,
    alpn: null,
    bytesUp: 10,
    bytesDown: 20,
    queueUs: null,
    connectUs: 125,
    firstByteUs: 1500,
    totalUs: 250_000,
    attempts: 1,
    code: "--",
    reason: "ok",
    rttClientUs: 35,
    rttServerUs: null,
    ...parts,
  };
}

/** A stream whose writes end when the test says so. */
export class HeldStream {
  /** What was written. */
  text = "";
  /** Writes that have begun. */
  writes = 0;
  /** Bytes that one write takes at the most. */
  mostBytes = Infinity;
  /** The next writes fail with these, in order; undefined: that one does not. */
  readonly failures: (Error | undefined)[] = [];
  isHeld = false;
  #release: (() => void)[] = [];

  async write(bytes: Uint8Array): Promise<number> {
    this.writes++;
    if (this.isHeld) await new Promise<void>((resolve) => this.#release.push(resolve));
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
    const part = bytes.subarray(0, this.mostBytes);
    this.text += new TextDecoder().decode(part);
    return part.length;
  }

  /** Lets the writes that wait, and all later ones, go on. */
  release(): void {
    this.isHeld = false;
    for (const resolve of this.#release.splice(0)) resolve();
  }
}
