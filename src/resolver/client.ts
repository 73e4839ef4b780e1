/**
 * One question, put to the name servers until one of them answers. Called by `lookup.ts`.
 *
 * @module
 */

import { type Clock, timed } from "../schedule/timed.ts";
import { type Question, questionBytes, readReply, type Reply } from "./message.ts";
import type { DnsServer, ResolvConf } from "./resolv_conf.ts";
import type { Transport } from "./transport.ts";

/** What the client works with. */
export interface ClientDeps extends Clock {
  readonly transport: Transport;
  /** A number that nobody can guess, from 0 to 65535. */
  randomId(): number;
}

/** What the servers say to a question. */
export type ServersReply =
  | Exclude<Reply, { kind: "truncated" | "failed" }>
  /** None of them could say. `isSilent`: none has said anything. */
  | { readonly kind: "failed"; readonly why: string; readonly isSilent: boolean };

/** Asks the servers in turn. Rejects only when the signal is aborted. */
export async function askServers(
  question: Question,
  conf: ResolvConf,
  deps: ClientDeps,
  signal: AbortSignal,
): Promise<ServersReply> {
  let why = "";
  let isSilent = true;
  for (let attempt = 0; attempt < conf.attempts; attempt++) {
    for (const server of conf.servers) {
      const reply = await askOne(question, server, conf, deps, signal);
      if (reply.kind !== "failed") return reply;
      why = `${reply.why} from ${server.ip}`;
      isSilent &&= reply.isSilent;
    }
  }
  return { kind: "failed", why, isSilent };
}

async function askOne(
  question: Question,
  server: DnsServer,
  conf: ResolvConf,
  deps: ClientDeps,
  signal: AbortSignal,
): Promise<ServersReply> {
  const { transport } = deps;
  const id = deps.randomId();
  const bytes = questionBytes(id, question);
  const read = (answer: Uint8Array) => readReply(answer, id, question);
  try {
    const reply = conf.isTcpOnly
      ? null
      : await within(conf, deps, signal, (own) => transport.udp(server, bytes, read, own));
    if (reply !== null && reply.kind !== "truncated") return final(reply);
    const whole = read(await within(conf, deps, signal, (own) => transport.tcp(server, bytes, own)));
    if (whole === null || whole.kind === "truncated") return failed("no answer to the question", false);
    return final(whole);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Silence) return failed(error.message, true);
    // A server that is not there is as silent as one that is dead.
    return failed(error instanceof Error ? error.message : String(error), true);
  }
}

class Silence extends Error {}

async function within<T>(
  { timeoutMs }: ResolvConf,
  deps: ClientDeps,
  signal: AbortSignal,
  task: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const abort = () => stop.abort(signal.reason);
  signal.throwIfAborted();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await timed(task, timeoutMs, stop, deps);
  } catch (error) {
    if (stop.signal.aborted && !signal.aborted) throw new Silence("no answer");
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function final(reply: Exclude<Reply, { kind: "truncated" }>): ServersReply {
  return reply.kind === "failed" ? failed(reply.why, false) : reply;
}

function failed(why: string, isSilent: boolean): ServersReply {
  return { kind: "failed", why, isSilent };
}
