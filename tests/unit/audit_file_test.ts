/** The audit: pages, the file that is put aside, what a start takes up, and disks that are full. */
import { assert, assertEquals } from "@std/assert";
import { Audit } from "../../src/control/mod.ts";
import { FakeLog } from "./control_fixture.ts";
import { MemoryFolder } from "./verbs_fixture.ts";

const deps = (folder: MemoryFolder | null, log = new FakeLog()) => ({ folder, log, now: () => 0 });
const entry = (target: string, tenant: string | null = null) => ({
  actor: "ops",
  verb: "put",
  target,
  tenant,
  changes: [],
  generation: 1,
  result: "ok",
});

Deno.test("audit: newest first, in pages, of one tenant or all; new entries do not shift a page", async () => {
  const audit = await Audit.open(deps(null));
  for (let index = 1; index <= 5; index++) audit.add(entry(`/${index}`, index % 2 === 0 ? "acme" : null));
  const first = audit.page(null, 2, null);
  assertEquals(first.items.map(({ target }) => target), ["/5", "/4"]);
  audit.add(entry("/6"));
  const second = audit.page(null, 2, first.next_cursor);
  assertEquals(second.items.map(({ target }) => target), ["/3", "/2"]);
  const last = audit.page(null, 2, second.next_cursor);
  assertEquals([last.items.map(({ target }) => target), last.next_cursor], [["/1"], null]);
  assertEquals(audit.page("acme", 5, null).items.map(({ target }) => target), ["/4", "/2"]);
});

Deno.test("audit: a line each, without control characters; a start takes them up, torn ones left out", async () => {
  const folder = new MemoryFolder();
  const audit = await Audit.open(deps(folder));
  audit.add(entry("/a\u001b[2J\u0085\u202e\n/b"));
  await audit.settled();
  const text = folder.texts.get("audit.jsonl") ?? "";
  // deno-lint-ignore no-control-regex
  assert(!/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/.test(text) && text.split("\n").length === 2, text);
  folder.texts.set("audit.jsonl", `${text}{"at":"torn`);
  const again = await Audit.open(deps(folder));
  assertEquals(again.page(null, 9, null).items, audit.page(null, 9, null).items);
  again.add(entry("/after"));
  await again.settled();
  assertEquals((await Audit.open(deps(folder))).page(null, 9, null).items.length, 2);
});

Deno.test("audit: a full file is put aside, a long change is cut", async () => {
  const folder = new MemoryFolder();
  const audit = await Audit.open(deps(folder));
  const changes = [{ op: "add", path: "/x", to: "y".repeat(20_000) } as const];
  audit.add({ ...entry("/long"), changes });
  assertEquals(audit.page(null, 1, null).items[0]?.changes, [{ op: "add", path: "/x" }]);
  for (let index = 0; index < 450; index++) audit.add(entry(`/${"z".repeat(10_000)}`));
  await audit.settled();
  const [now, before] = [folder.texts.get("audit.jsonl") ?? "", folder.texts.get("audit.1.jsonl") ?? ""];
  assert(before.length > 4_000_000 && before.length <= 4 * 2 ** 20, String(before.length));
  assertEquals((now + before).split("\n").length - 1, 451);
});

Deno.test("audit: a disk that takes nothing is told of, and the entry is there all the same", async () => {
  const folder = new MemoryFolder();
  const log = new FakeLog();
  const audit = await Audit.open(deps(folder, log));
  folder.failing = true;
  audit.add(entry("/x"));
  await audit.settled();
  assertEquals(log.messages("warn"), ["the audit cannot be written"]);
  assertEquals(audit.page(null, 1, null).items.length, 1);
});
