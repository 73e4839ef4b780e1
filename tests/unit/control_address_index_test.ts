/** The index of addresses says the same as the comparison of all with all. */
import { assertEquals } from "@std/assert";
import { AddressIndex, parseListenAddress } from "../../src/config/mod.ts";
import { findCollisions } from "../../src/config/overlap.ts";

const TEXTS = [
  "0.0.0.0:80",
  "127.0.0.1:80",
  "127.0.0.2:80",
  "[::]:80",
  "[::1]:80",
  "127.0.0.1:79-81",
  "127.0.0.1:81",
  "0.0.0.0:81-90",
  "127.0.0.1:0",
  "unix:/a",
  "unix:@a",
  "[fe80::1%eth0]:80",
  "[fe80::1%eth1]:80",
];

Deno.test("address index: each pair collides, or does not, as it does when all are compared", () => {
  for (const one of TEXTS) {
    for (const other of TEXTS) {
      const index = new AddressIndex();
      const held = { address: parseListenAddress(one), owner: "a", who: "a", at: "file" };
      index.add(held);
      const wanted = parseListenAddress(other);
      const expected = findCollisions([held, { address: wanted }]).length > 0;
      assertEquals(index.holderOf(wanted) !== undefined, expected, `${one} and ${other}`);
      assertEquals(index.holderOf(wanted, new Set(["a"])), undefined);
      index.delete("a");
      assertEquals(index.holderOf(wanted), undefined);
    }
  }
});

Deno.test("address index: an owner's addresses are replaced whole", () => {
  const index = new AddressIndex();
  const held = (text: string) => ({ address: parseListenAddress(text), owner: "a", who: "a", at: "file" });
  index.set("a", [held("127.0.0.1:1"), held("unix:/x")]);
  index.set("a", [held("127.0.0.1:2")]);
  assertEquals(index.holderOf(parseListenAddress("127.0.0.1:1")), undefined);
  assertEquals(index.holderOf(parseListenAddress("unix:/x")), undefined);
  assertEquals(index.holderOf(parseListenAddress("0.0.0.0:1-5"))?.owner, "a");
});
