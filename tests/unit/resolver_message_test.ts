/** Bytes of answers, right ones changed at random: whatever a server sends is an answer or none, and never a throw. */
import { assert, assertEquals } from "@std/assert";
// @ts-types="../../src/resolver/dns_packet.d.ts"
import { encode, TRUNCATED_RESPONSE } from "dns-packet";
import { type Question, questionBytes, readReply } from "../../src/resolver/message.ts";
import { a, cname, soa, srv } from "./dns_server.ts";

const ID = 0x1234;

function answerBytes(question: Question, flags = 0): Uint8Array {
  return encode({
    type: "response",
    id: ID,
    flags,
    questions: [{ ...question, class: "IN" }],
    answers: [
      cname("x.example", "y.example"),
      a("y.example", "192.0.2.1"),
      a("y.example", "2001:db8::1"),
      srv("y.example", "z.example", 80),
    ],
    authorities: [soa(5)],
  });
}

Deno.test("resolver message: only an answer to the question counts", () => {
  const question: Question = { name: "x.example", type: "A" };
  const bytes = answerBytes(question);
  assertEquals(readReply(bytes, ID, question)?.kind, "addresses");
  assertEquals(readReply(bytes, ID, { name: "X.EXAMPLE", type: "A" })?.kind, "addresses");
  assertEquals(readReply(bytes, ID + 1, question), null);
  assertEquals(readReply(bytes, ID, { name: "x.example", type: "AAAA" }), null);
  assertEquals(readReply(bytes, ID, { name: "y.example", type: "A" }), null);
  assertEquals(readReply(questionBytes(ID, question), ID, question), null);
  assertEquals(readReply(bytes.subarray(0, 11), ID, question), null);
  assertEquals(readReply(bytes.subarray(0, 40), ID, question), null);
  const cut = answerBytes(question, TRUNCATED_RESPONSE);
  assertEquals(readReply(cut, ID, question), { kind: "truncated" });
  assertEquals(readReply(cut.subarray(0, 40), ID, question), { kind: "truncated" });
});

Deno.test("resolver message: a server that cannot read the question need not repeat it", () => {
  const question: Question = { name: "x.example", type: "A" };
  const bytes = encode({ type: "response", id: ID, flags: 1 });
  assertEquals(readReply(bytes, ID, question), { kind: "failed", why: "FORMERR" });
  assertEquals(readReply(encode({ type: "response", id: ID, flags: 0 }), ID, question), null);
  assertEquals(readReply(encode({ type: "response", id: ID, flags: 9 }), ID, question), {
    kind: "failed",
    why: "answer code 9",
  });
});

Deno.test("resolver message: TTLs that cannot be", () => {
  const question: Question = { name: "y.example", type: "A" };
  const bytes = encode({
    type: "response",
    id: ID,
    questions: [{ ...question, class: "IN" }],
    answers: [a("y.example", "192.0.2.1", 0xffff_ffff)],
  });
  assertEquals(readReply(bytes, ID, question), { kind: "addresses", addresses: ["192.0.2.1"], ttlS: 0 });
});

Deno.test("resolver message: 10,000 answers changed at random", () => {
  let seed = 20_240_607;
  const random = (below: number) => (seed = seed * 48271 % 2147483647) % below;
  const kinds = new Map<string, number>();
  for (let round = 0; round < 10_000; round++) {
    const question: Question = { name: "x.example", type: (["A", "AAAA", "SRV"] as const)[round % 3]! };
    const bytes = new Uint8Array(answerBytes(question, round % 7 === 0 ? TRUNCATED_RESPONSE : 0));
    for (let change = random(4); change >= 0; change--) bytes[random(bytes.length)] = random(256);
    const part = round % 5 === 0 ? bytes.subarray(0, random(bytes.length)) : bytes;
    const kind = readReply(part, ID, question)?.kind ?? "no answer";
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  for (const kind of ["addresses", "services", "none", "no answer", "truncated", "failed"]) {
    assert(kinds.has(kind), kind);
  }
});
