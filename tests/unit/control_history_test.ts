/** The history over restarts: what is taken up, and where no way leads back. */
import { assertEquals } from "@std/assert";
import { History } from "../../src/control/mod.ts";
import { FakeLog } from "./control_fixture.ts";
import { MemoryFolder } from "./verbs_fixture.ts";

const open = (folder: MemoryFolder | null, files: Record<string, string>) =>
  History.open(new Map(Object.entries(files)), { folder, log: new FakeLog(), now: () => 0 });
const change = (generation: number, before: string | null, after: string | null, path = "/a") => ({
  generation,
  by: "ops",
  changes: [{ op: "replace", path: "/x", from: before, to: after } as const],
  files: [{ path, before, after }],
});

Deno.test("history: a restart with the same files goes on, a way back included", async () => {
  const folder = new MemoryFolder();
  const first = await open(folder, { "/a": "1" });
  assertEquals(first.last, 1);
  first.record(change(2, "1", "2"));
  first.record(change(3, null, "b", "/b"));
  await first.settled();
  const again = await open(folder, { "/a": "2", "/b": "b" });
  assertEquals([again.last, again.list()], [3, first.list()]);
  assertEquals(again.filesAt(1), new Map([["/b", null], ["/a", "1"]]));
  assertEquals(again.filesAt(3), new Map());
});

Deno.test("history: files that were edited meanwhile begin a generation, with no way back across it", async () => {
  const folder = new MemoryFolder();
  const first = await open(folder, { "/a": "1" });
  first.record(change(2, "1", "2"));
  await first.settled();
  const again = await open(folder, { "/a": "by hand" });
  assertEquals(again.list().map(({ generation, actor }) => [generation, actor]), [[1, "start"], [2, "ops"], [
    3,
    "start",
  ]]);
  assertEquals([again.filesAt(2), again.filesAt(3)], [null, new Map()]);
});

Deno.test("history: the last 50 are kept, in memory and in the file", async () => {
  const folder = new MemoryFolder();
  const history = await open(folder, { "/a": "1" });
  for (let generation = 2; generation <= 300; generation++) {
    history.record(change(generation, String(generation - 1), String(generation)));
  }
  await history.settled();
  assertEquals([history.list().length, history.list()[0]?.generation], [50, 251]);
  const lines = (folder.texts.get("generations.jsonl") ?? "").trim().split("\n").length;
  assertEquals(lines <= 100, true, String(lines));
  assertEquals((await open(folder, { "/a": "300" })).list(), history.list());
  assertEquals(history.filesAt(250), null);
});

Deno.test("history: a line that a crash has torn ends what is known", async () => {
  const folder = new MemoryFolder();
  const history = await open(folder, { "/a": "1" });
  history.record(change(2, "1", "2"));
  await history.settled();
  folder.texts.set("generations.jsonl", `${folder.texts.get("generations.jsonl")}{"generation":3,"at`);
  const again = await open(folder, { "/a": "2" });
  assertEquals(again.list().length, 2);
  again.record(change(3, "2", "3"));
  await again.settled();
  assertEquals((await open(folder, { "/a": "3" })).list().length, 3);
});
