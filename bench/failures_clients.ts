/**
 * Clients of the benchmark of failures: what each of them sees, and when. Called by failures.ts.
 *
 * @module
 */
import { GREETING } from "./failures_endpoint.ts";

/** How a client ended: with an answer, or by what it saw instead; `nothing` when its patience ended first. */
export type End = "answer" | "eof" | "reset" | "nothing";

/** A client that came once. */
export interface Visit {
  /** When it came, from the beginning of the failure. */
  readonly atMs: number;
  /** From its connect until its end. */
  readonly tookMs: number;
  readonly end: End;
  /** Of the endpoint that answered; "" when none did. */
  readonly letter: string;
}

/** A session that was live when the failure began. */
export interface LiveSession {
  readonly letter: string;
  /** What it saw until the look at it ended; "nothing" while it lives. */
  readonly end: End;
  /** From the beginning of the failure until then. */
  readonly afterMs: number;
}

/** Connects, greets, waits for the answer, leaves. */
export async function visit(port: number, atMs: number, patienceMs: number): Promise<Visit> {
  const startedAt = performance.now();
  const ended = (end: End, letter = "") => ({ atMs, tookMs: performance.now() - startedAt, end, letter });
  try {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    // A reset that the greeting meets is told only once; of an end that it meets the read tells, too.
    await greet(conn).catch((error) => {
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    });
    const seen = await look(conn, patienceMs);
    return ended(seen.end, seen.letter);
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionReset) return ended("reset");
    throw error;
  }
}

/** A session that has had its answer; it says nothing more. */
export class Guest implements Disposable {
  private constructor(readonly letter: string, readonly conn: Deno.TcpConn) {}

  /** Connects, greets, has an answer within the patience. */
  static async arrive(port: number, patienceMs: number): Promise<Guest> {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    await greet(conn);
    const { end, letter } = await look(conn, patienceMs);
    if (end !== "answer") throw new Error(`Cannot measure: a client must be answered before the failure: ${end}`);
    return new Guest(letter, conn);
  }

  /** What it sees from now on. */
  async stay(patienceMs: number): Promise<LiveSession> {
    const startedAt = performance.now();
    const { end } = await look(this.conn, patienceMs);
    return { letter: this.letter, end, afterMs: performance.now() - startedAt };
  }

  /** Leaves. */
  [Symbol.dispose](): void {
    this.conn.close();
  }
}

async function greet(conn: Deno.TcpConn): Promise<void> {
  await conn.write(new TextEncoder().encode(GREETING));
}

/** Reads once. A read that ends with the connection, because patience has ended, counts as nothing seen. */
async function look(conn: Deno.TcpConn, patienceMs: number): Promise<{ end: End; letter: string }> {
  const buffer = new Uint8Array(16);
  const { promise: patience, resolve } = Promise.withResolvers<"patience">();
  const timer = setTimeout(() => resolve("patience"), patienceMs);
  const reading = conn.read(buffer).catch((error) => {
    if (error instanceof Deno.errors.ConnectionReset) return "reset" as const;
    // Closed here, after the patience.
    if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) {
      return "patience" as const;
    }
    throw error;
  });
  const seen = await Promise.race([reading, patience]);
  clearTimeout(timer);
  if (seen === "patience") return { end: "nothing", letter: "" };
  if (seen === "reset") return { end: "reset", letter: "" };
  if (seen === null) return { end: "eof", letter: "" };
  return { end: "answer", letter: new TextDecoder().decode(buffer.subarray(0, seen)).trim().slice(-1) };
}
