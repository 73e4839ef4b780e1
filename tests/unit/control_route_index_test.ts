/** The index of routes: a key is somebody's until it is given up, whoever comes and goes beside. */
import { assertEquals } from "@std/assert";
import { RouteIndex, type RouteKey } from "../../src/config/mod.ts";
import { Random } from "../helpers/random.ts";

const key = (value: string, parts: Partial<RouteKey> = {}): RouteKey => ({
  listener: "edge",
  kind: "name",
  value,
  ...parts,
});
const held = (owner: string, of: RouteKey) => ({ key: of, owner, who: owner, at: "file" });

Deno.test("route index: keys of another listener, kind or value are other keys", () => {
  const index = new RouteIndex();
  index.add(held("a", key("x")));
  assertEquals(index.holderOf(key("x"))?.owner, "a");
  const others = [
    key("y"),
    key("x", { listener: "other" }),
    key("x", { kind: "protocol" }),
    key("", { kind: "default" }),
  ];
  for (const other of others) assertEquals(index.holderOf(other), undefined);
  assertEquals(index.holderOf(key("x"), new Set(["a"])), undefined);
});

Deno.test("route index: an owner's keys are replaced whole, also while two exchange theirs", () => {
  const index = new RouteIndex();
  index.set("a", [held("a", key("one")), held("a", key("both"))]);
  index.set("b", [held("b", key("two"))]);
  index.set("a", [held("a", key("two"))]);
  assertEquals(index.holderOf(key("two"), new Set(["b"]))?.owner, "a");
  index.set("b", [held("b", key("one"))]);
  assertEquals(["one", "two", "both"].map((name) => index.holderOf(key(name))?.owner), ["b", "a", undefined]);
  index.delete("a");
  index.delete("nobody");
  assertEquals(["one", "two"].map((name) => index.holderOf(key(name))?.owner), ["b", undefined]);
});

Deno.test("route index: says what a list of all says, over many changes", () => {
  const random = new Random(7);
  const index = new RouteIndex();
  const model = new Map<string, string[]>();
  for (let step = 0; step < 2_000; step++) {
    const owner = `o${random.below(8)}`;
    const names = Array.from({ length: random.below(4) }, () => `n${random.below(12)}`)
      .filter((name) => ![...model].some(([other, theirs]) => other !== owner && theirs.includes(name)));
    const own = [...new Set(names)];
    index.set(owner, own.map((name) => held(owner, key(name))));
    model.set(owner, own);
    const name = `n${random.below(12)}`;
    const expected = [...model].find(([, theirs]) => theirs.includes(name))?.[0];
    assertEquals(index.holderOf(key(name))?.owner, expected, `step ${step}`);
  }
});
