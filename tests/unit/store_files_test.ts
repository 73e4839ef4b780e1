/** Writing configuration files: a crash or a failure at any step leaves the old text or the new one. */
import { assertEquals, assertRejects } from "@std/assert";
import { FileChangedError, removeStaleTemps, StagedFiles, systemStoreFs, tempPathOf } from "../../src/config/mod.ts";
import { MemoryFiles } from "./control_fixture.ts";

const A = "/etc/t/a.yaml";
const B = "/etc/t/b.yaml";

function files(): MemoryFiles {
  const files = new MemoryFiles();
  files.texts.set(A, "old a");
  files.texts.set(B, "old b");
  return files;
}

Deno.test("store: text, fsync, rename, fsync of the folder, in that order", async () => {
  const fs = files();
  const staged = await StagedFiles.stage([{ path: A, text: "new a" }], fs);
  assertEquals(fs.texts.get(A), "old a");
  await staged.commit();
  assertEquals(fs.texts.get(A), "new a");
  assertEquals(fs.steps, [`write ${tempPathOf(A)}`, `rename ${A}`, "sync /etc/t"]);
  assertEquals(tempPathOf(A), "/etc/t/.a.yaml.sluice-tmp");
});

Deno.test("store: what is discarded leaves nothing", async () => {
  const fs = files();
  await (await StagedFiles.stage([{ path: A, text: "new a" }], fs)).discard();
  assertEquals([...fs.texts], [[A, "old a"], [B, "old b"]]);
});

Deno.test("store: a text that cannot be written leaves nothing of the others", async () => {
  const fs = files();
  fs.failAt = `write ${tempPathOf(B)}`;
  await assertRejects(() => StagedFiles.stage([{ path: A, text: "1" }, { path: B, text: "2" }], fs), Error, "cannot");
  assertEquals([...fs.texts], [[A, "old a"], [B, "old b"]]);
});

Deno.test("store: when one of several files fails, those that were done are put back", async () => {
  for (const failAt of [`rename ${B}`, "sync"]) {
    const fs = files();
    const staged = await StagedFiles.stage([{ path: A, text: "1" }, { path: "/etc/t/c.yaml", text: "3" }, {
      path: B,
      text: "2",
    }], fs);
    fs.failAt = failAt;
    await assertRejects(() => staged.commit(), Error, "cannot");
    assertEquals([...fs.texts].sort(), [[A, "old a"], [B, "old b"]], failAt);
  }
});

Deno.test("store: a file that goes, and that comes back when another fails", async () => {
  const fs = files();
  await (await StagedFiles.stage([{ path: A, text: null }], fs)).commit();
  assertEquals(fs.texts.has(A), false);
  const other = files();
  const staged = await StagedFiles.stage([{ path: A, text: null }, { path: B, text: "2" }], other);
  other.failAt = `rename ${B}`;
  await assertRejects(() => staged.commit());
  assertEquals(other.texts.get(A), "old a");
});

Deno.test("store: an edit between the look and the rename is not overwritten", async () => {
  const fs = files();
  const staged = await StagedFiles.stage([{ path: A, text: "new a" }], fs);
  fs.texts.set(A, "by hand");
  await assertRejects(() => staged.commit(), FileChangedError);
  assertEquals([...fs.texts], [[A, "by hand"], [B, "old b"]]);
});

Deno.test("store: files that a crash has left are removed, and no others", async () => {
  const fs = files();
  for (const name of [".a.yaml.sluice-tmp", ".hidden", "x.sluice-tmp"]) fs.texts.set(`/etc/t/${name}`, "");
  assertEquals(await removeStaleTemps("/etc/t", fs), [".a.yaml.sluice-tmp"]);
  assertEquals(fs.texts.has("/etc/t/.hidden"), true);
});

Deno.test("store: on a real disk, with the mode of what was there", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/a.yaml`, "old", { mode: 0o640 });
    const writes = [{ path: `${folder}/a.yaml`, text: "new" }, { path: `${folder}/b.yaml`, text: "b" }];
    await (await StagedFiles.stage(writes, systemStoreFs())).commit();
    assertEquals(await Deno.readTextFile(`${folder}/a.yaml`), "new");
    assertEquals(((await Deno.stat(`${folder}/a.yaml`)).mode ?? 0) & 0o777, 0o640);
    assertEquals(((await Deno.stat(`${folder}/b.yaml`)).mode ?? 0) & 0o777, 0o600);
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), ["a.yaml", "b.yaml"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("store: what lies where the temporary file shall be is not written into", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/other`, "untouched");
    await Deno.link(`${folder}/other`, tempPathOf(`${folder}/a.yaml`));
    await (await StagedFiles.stage([{ path: `${folder}/a.yaml`, text: "new" }], systemStoreFs())).commit();
    assertEquals(await Deno.readTextFile(`${folder}/other`), "untouched");
    assertEquals(await Deno.readTextFile(`${folder}/a.yaml`), "new");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
