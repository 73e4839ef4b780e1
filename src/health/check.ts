/**
 * One check, from connect to verdict. Called by the checker, which aborts it when its time is over; the connection is
 * closed when it returns.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { Connection, Dial } from "./connection.ts";
import { explain, isOwnFault } from "./failure.ts";
import { requestBytes, statusOf } from "./http_answer.ts";
import { proxyHeader } from "./proxy_header.ts";
import type { CheckSpec, Trial } from "./target.ts";

/** What came of a check. */
export type Verdict =
  | { readonly kind: "good" }
  | { readonly kind: "bad"; readonly detail: string }
  /** The check could not be made, for want of descriptors perhaps: says nothing of the endpoint. */
  | { readonly kind: "void"; readonly detail: string };

/** Makes a check. Never rejects. */
export type Check = (spec: CheckSpec, signal: AbortSignal) => Promise<Verdict>;

/** How far an answer is looked at. */
const MOST_ANSWER_BYTES = 64 * 1024;
/** The same of an answer whose status is looked for. */
const MOST_HEAD_BYTES = 8 * 1024;

/** Room for a usual answer. */
const LEAST_ANSWER_BYTES = 2 * 1024;

/** Status of an HTTP answer that is good when none is asked for. */
const GOOD_STATUS = { least: 200, most: 399 } as const;

const GOOD: Verdict = { kind: "good" };

/** Checks over connections of `dial`. */
export function checkOver(dial: Dial): Check {
  return async (spec, signal) => {
    const step = { name: "connect" };
    try {
      using connection = await dial(spec.address, { sourceAddress: spec.sourceAddress, signal });
      if (spec.proxyHeader !== "off") {
        step.name = "send the PROXY header";
        await connection.write(proxyHeader(spec.proxyHeader, connection.ends));
      }
      return await tryOut(spec.trial, connection, step);
    } catch (error) {
      if (signal.aborted) return bad(`cannot ${step.name}: no answer within ${spec.timeoutMs}ms`);
      return { kind: isOwnFault(error) ? "void" : "bad", detail: `cannot ${step.name}: ${explain(error)}` };
    }
  };
}

/** `step` is where it stands, for the words of a failure. */
async function tryOut(trial: Trial, connection: Connection, step: { name: string }): Promise<Verdict> {
  switch (trial.type) {
    case "tcp":
      return GOOD;
    case "tls":
      step.name = "make the TLS handshake";
      await connection.secure(trial);
      return GOOD;
    case "expect": {
      step.name = "send";
      if (trial.send !== "") await connection.write(Buffer.from(trial.send, "hex"));
      step.name = "read what is expected";
      return await readExpected(connection, Buffer.from(trial.expect, "hex"));
    }
    case "http":
      step.name = "send the request";
      await connection.write(requestBytes(trial.path, trial.host));
      step.name = "read the answer";
      return await readStatus(connection, trial.status);
  }
}

async function readExpected(connection: Connection, expected: Buffer): Promise<Verdict> {
  for await (const { bytes, seen } of answersOf(connection, MOST_ANSWER_BYTES)) {
    // What was looked at before may hold the beginning.
    if (bytes.includes(expected, Math.max(0, seen - expected.length))) return GOOD;
  }
  return bad("what is expected did not come");
}

async function readStatus(connection: Connection, wanted: number | null): Promise<Verdict> {
  for await (const { bytes } of answersOf(connection, MOST_HEAD_BYTES)) {
    const status = statusOf(bytes.toString("latin1"));
    if (status === null) return bad("the answer is no answer of HTTP/1");
    if (status !== undefined) return judge(status, wanted);
  }
  return bad("the answer ended before its status");
}

function judge(status: number, wanted: number | null): Verdict {
  const isGood = wanted === null ? status >= GOOD_STATUS.least && status <= GOOD_STATUS.most : status === wanted;
  if (isGood) return GOOD;
  return bad(`status ${status} instead of ${wanted ?? `${GOOD_STATUS.least} to ${GOOD_STATUS.most}`}`);
}

/** What has come so far, each time that more has, up to the end or to `mostBytes`; `seen` is what there was before. */
async function* answersOf(
  connection: Connection,
  mostBytes: number,
): AsyncGenerator<{ readonly bytes: Buffer; readonly seen: number }> {
  let bytes = Buffer.alloc(LEAST_ANSWER_BYTES);
  let seen = 0;
  while (seen < mostBytes) {
    const more = await connection.read();
    if (more === null) return;
    const end = Math.min(seen + more.length, mostBytes);
    // Twice the size each time: an answer in tiny pieces costs no more than another.
    if (end > bytes.length) bytes = Buffer.concat([bytes], Math.max(end, 2 * bytes.length));
    bytes.set(more.subarray(0, end - seen), seen);
    yield { bytes: bytes.subarray(0, end), seen };
    seen = end;
  }
}

function bad(detail: string): Verdict {
  return { kind: "bad", detail };
}
