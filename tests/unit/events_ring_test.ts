/** Events: ids that grow, what is kept for those who come back, and listeners that nobody waits for. */
import { assertEquals } from "@std/assert";
import { Events } from "../../src/control/mod.ts";

const settled = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

Deno.test("events: new ones, or those after an id; listeners are told later, until they stop", async () => {
  const events = new Events(() => 0);
  const seen: number[] = [];
  events.add("config", null, {});
  const stop = events.subscribe(null, ({ id }) => void seen.push(id));
  events.add("config", "acme", {});
  assertEquals(seen, []);
  await settled();
  assertEquals(seen, [2]);
  events.add("drain", null, {});
  stop();
  await settled();
  assertEquals(seen, [2]);
  const again: number[] = [];
  events.subscribe(1, ({ id }) => void again.push(id));
  events.add("config", null, {});
  await settled();
  assertEquals(again, [2, 3, 4]);
});

Deno.test("events: the last thousand are kept; an id from before a restart means all of them", async () => {
  const events = new Events(() => 0);
  for (let index = 0; index < 1_200; index++) events.add("config", null, {});
  const seen: number[] = [];
  events.subscribe(9_999, ({ id }) => void seen.push(id));
  await settled();
  assertEquals([seen.length, seen[0], seen.at(-1)], [1_000, 201, 1_200]);
});

Deno.test("events: those of limits, which clients bring about, take half of the room at the most", async () => {
  const events = new Events(() => 0);
  for (let index = 0; index < 700; index++) events.add("config", null, {});
  for (let index = 0; index < 2_000; index++) events.add("limit", "acme", {});
  const seen: string[] = [];
  events.subscribe(0, ({ id, kind }) => void seen.push(`${kind} ${id}`));
  await settled();
  const last = (kind: string) => seen.filter((one) => one.startsWith(kind)).at(-1);
  assertEquals([seen.length, seen[0]], [1_000, "config 201"]);
  assertEquals([seen[500], last("config"), last("limit")], ["limit 2201", "config 700", "limit 2700"]);
  for (let index = 0; index < 1_000; index++) events.add("config", null, {});
  events.add("limit", "acme", {});
  const later: string[] = [];
  events.subscribe(0, ({ kind }) => void later.push(kind));
  await settled();
  assertEquals([later.length, later.filter((kind) => kind === "limit").length], [1_000, 1]);
});

Deno.test("events: ids of a later process are larger, so that nobody who comes back misses what is kept", async () => {
  const before = new Events(() => 1_000);
  const seen: number[] = [];
  before.subscribe(null, ({ id }) => void seen.push(id));
  before.add("config", null, {});
  await settled();
  const after = new Events(() => 2_000);
  for (let index = 0; index < 5; index++) after.add("config", null, {});
  const missed: number[] = [];
  after.subscribe(seen[0] ?? null, ({ id }) => void missed.push(id));
  await settled();
  assertEquals(missed.length, 5);
});
