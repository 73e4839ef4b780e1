/**
 * A name server on loopback that does what a test says, over UDP and TCP on one port.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createSocket, type Socket } from "node:dgram";
// @ts-types="../../src/resolver/dns_packet.d.ts"
import { type Answer, decode, encode, RECURSION_AVAILABLE, TRUNCATED_RESPONSE } from "dns-packet";

/** A question that has come. */
export interface Asked {
  readonly name: string;
  readonly type: string;
  readonly over: "udp" | "tcp";
}

/** What comes back. */
export interface Scripted {
  readonly answers?: readonly Answer[];
  readonly authorities?: readonly Answer[];
  /** 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED. */
  readonly rcode?: number;
  readonly isTruncated?: boolean;
  /** Added to the id, and put for the name, of a packet that comes before the answer. */
  readonly forged?: { readonly idStep?: number; readonly name?: string; readonly answers: readonly Answer[] };
  /** These bytes instead. */
  readonly raw?: Uint8Array;
}

/** Null: silence. */
export type Script = (asked: Asked) => Scripted | null;

/** The server. */
export class DnsServer implements AsyncDisposable {
  readonly asked: Asked[] = [];
  /** What it does; may be replaced at any time. */
  script: Script;
  readonly port: number;
  readonly #udp: Socket;
  readonly #tcp: Deno.TcpListener;
  readonly #accepting: Promise<void>;

  private constructor(script: Script, tcp: Deno.TcpListener, udp: Socket) {
    this.script = script;
    this.#tcp = tcp;
    this.#udp = udp;
    this.port = tcp.addr.port;
    udp.on("message", (bytes, { port, address }) => {
      for (const answer of this.#answersTo(bytes, "udp")) udp.send(answer, port, address);
    });
    this.#accepting = this.#accept();
  }

  /** Starts one on a port that is free for both. */
  static async start(script: Script): Promise<DnsServer> {
    for (;;) {
      const tcp = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const udp = createSocket("udp4");
      const bound = await new Promise<boolean>((resolve) => {
        udp.once("error", () => resolve(false));
        udp.bind(tcp.addr.port, "127.0.0.1", () => resolve(true));
      });
      if (bound) return new DnsServer(script, tcp, udp);
      tcp.close();
    }
  }

  /** What has been asked, as `type name`, and forgets it. */
  take(): string[] {
    return this.asked.splice(0).map(({ type, name, over }) => `${type} ${name}${over === "tcp" ? " over TCP" : ""}`);
  }

  #answersTo(bytes: Uint8Array, over: "udp" | "tcp"): Buffer[] {
    const query = decode(Buffer.from(bytes));
    const question = query.questions?.[0];
    if (question === undefined) return [];
    const asked = { name: question.name, type: question.type, over };
    this.asked.push(asked);
    const scripted = this.script(asked);
    if (scripted === null) return [];
    if (scripted.raw !== undefined) return [Buffer.from(scripted.raw)];
    const { answers = [], authorities = [], rcode = 0, isTruncated = false, forged } = scripted;
    const flags = RECURSION_AVAILABLE | rcode | (isTruncated ? TRUNCATED_RESPONSE : 0);
    const packet = { type: "response" as const, flags, questions: [question] };
    const id = query.id ?? 0;
    const before = forged === undefined ? [] : [encode({
      ...packet,
      id: (id + (forged.idStep ?? 0)) & 0xffff,
      questions: [{ ...question, name: forged.name ?? question.name }],
      answers: [...forged.answers],
    })];
    return [...before, encode({ ...packet, id, answers: [...answers], authorities: [...authorities] })];
  }

  async #accept(): Promise<void> {
    const served: Promise<void>[] = [];
    for await (const connection of this.#tcp) served.push(this.#serve(connection));
    await Promise.all(served);
  }

  async #serve(connection: Deno.TcpConn): Promise<void> {
    const bytes = new Uint8Array(2048);
    let count = 0;
    while (count < 2 || count < 2 + bytes[0]! * 256 + bytes[1]!) {
      const more = await connection.read(bytes.subarray(count)).catch(() => null);
      if (more === null) break;
      count += more;
    }
    for (const answer of this.#answersTo(bytes.subarray(2, count), "tcp")) {
      const framed = Buffer.concat([Buffer.from([answer.length >> 8, answer.length & 0xff]), answer]);
      // In two pieces, as TCP may.
      await connection.write(framed.subarray(0, 3)).catch(() => {});
      await connection.write(framed.subarray(3)).catch(() => {});
    }
    connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#tcp.close();
    this.#udp.close();
    await this.#accepting;
  }
}

/** A record. */
export function a(name: string, ip: string, ttl = 60): Answer {
  return { type: ip.includes(":") ? "AAAA" : "A", name, ttl, data: ip };
}

/** A service. */
export function srv(name: string, target: string, port: number, other: Record<string, number> = {}): Answer {
  return { type: "SRV", name, ttl: other["ttl"] ?? 60, data: { target, port, priority: 0, weight: 0, ...other } };
}

/** An alias. */
export function cname(name: string, data: string, ttl = 60): Answer {
  return { type: "CNAME", name, ttl, data };
}

/** What comes with "there is none": how long that holds. */
export function soa(minimum: number): Answer {
  const data = { mname: "ns.example", rname: "root.example", serial: 1, refresh: 1, retry: 1, expire: 1, minimum };
  return { type: "SOA", name: "example", ttl: 3600, data };
}
