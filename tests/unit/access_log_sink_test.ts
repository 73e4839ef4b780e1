/** Sinks: files that are appended to, streams that never end, errors that name the key. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { openSink, systemSinkDeps } from "../../src/access_log/mod.ts";
import { HeldStream } from "./access_log_fixture.ts";

const deps = () => systemSinkDeps((error) => Promise.reject(error));

describe("openSink", () => {
  it("appends to a file, which it makes readable by owner and group only", async () => {
    const dir = await Deno.makeTempDir();
    try {
      const path = `${dir}/access.log`;
      for (const line of ["first\n", "second\n"]) {
        await using sink = await openSink({ kind: "file", path }, deps());
        sink.push(line, 1);
      }
      assertEquals(await Deno.readTextFile(path), "first\nsecond\n");
      assertEquals(((await Deno.stat(path)).mode ?? 0) & 0o007, 0);
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  });

  it("says which key is wrong when a file cannot be opened", async () => {
    const error = await assertRejects(
      () => openSink({ kind: "file", path: "/tmp/there/is/no/such/folder/access.log" }, deps()),
      Error,
      "Cannot open the access log: log.access.sink must be a file that can be written",
    );
    assert(error.message.includes("/tmp/there/is/no/such/folder/access.log"));
  });

  it("takes lines for nowhere", async () => {
    await using sink = await openSink({ kind: "none" }, deps());
    sink.push("line\n", 1);
    assertEquals(sink.dropped, 0);
  });

  it("does not wait longer than it is told for a stream that takes nothing", async () => {
    const stdout = new HeldStream();
    stdout.isHeld = true;
    const sink = await openSink({ kind: "stdout" }, { ...deps(), stdout });
    sink.push("line\n", 1);
    await sink.flush(1);
    assertEquals(stdout.text, "");
    stdout.release();
    await sink.flush(10_000);
    assertEquals(stdout.text, "line\n");
    await sink[Symbol.asyncDispose]();
  });

  it("drops and counts when a stream takes nothing for long", async () => {
    const stdout = new HeldStream();
    stdout.isHeld = true;
    const sink = await openSink({ kind: "stdout" }, { ...deps(), stdout });
    const megabyte = `${"x".repeat(1024 * 1024 - 1)}\n`;
    for (let pushed = 0; pushed < 20; pushed++) sink.push(megabyte, 1);
    assertEquals(sink.dropped, 4);
    stdout.release();
    await sink[Symbol.asyncDispose]();
    assertEquals(stdout.text.length, 16 * 1024 * 1024);
  });
});
