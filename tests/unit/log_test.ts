/** The program's log: formats, levels, fields, and characters that must not reach a terminal. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { FakeTime } from "@std/testing/time";
import { createLog, escapeControls, type Level, type LogFormat } from "../../src/log.ts";

function capture(level: Level, format: LogFormat) {
  const lines: string[] = [];
  return { lines, log: createLog({ level, format, write: (line) => lines.push(line) }) };
}

describe("log", () => {
  it("writes text lines with time, level, message and fields in order", () => {
    using _time = new FakeTime("2026-01-31T12:00:00.250Z");
    const { lines, log } = capture("info", "text");
    log.info("listening", { tenant: "acme", address: "[::1]:8080", sessions: 0, tls: false });
    assertEquals(lines, [
      "2026-01-31T12:00:00.250Z INFO  listening tenant=acme address=[::1]:8080 sessions=0 tls=false\n",
    ]);
  });

  it("writes JSON objects that parse, with the fields beside ts, level and msg", () => {
    using _time = new FakeTime("2026-01-31T12:00:00.250Z");
    const { lines, log } = capture("info", "json");
    log.warn("cannot reload", { file: "a b.yaml", line: 3, msg: "mine", none: null, left_out: undefined });
    assertEquals(lines.map((line) => JSON.parse(line)), [{
      ts: "2026-01-31T12:00:00.250Z",
      level: "warn",
      msg: "cannot reload",
      file: "a b.yaml",
      line: 3,
      field_msg: "mine",
      none: null,
    }]);
  });

  it("drops what is below the level", () => {
    for (const [level, expected] of [["debug", 4], ["info", 3], ["warn", 2], ["error", 1]] as const) {
      const { lines, log } = capture(level, "text");
      log.debug("a");
      log.info("b");
      log.warn("c");
      log.error("d");
      assertEquals(lines.length, expected, level);
    }
  });

  it("changes level and format while it runs", () => {
    const { lines, log } = capture("error", "text");
    log.info("before");
    log.configure({ level: "debug", format: "json" });
    log.debug("after");
    assertEquals(lines.map((line) => JSON.parse(line).msg), ["after"]);
  });

  it("quotes values that could be taken for something else", () => {
    const { lines, log } = capture("info", "text");
    log.info("x", { empty: "", space: "a b", equals: "a=b", quote: 'a"b', plain: "a-b_c/d.e" });
    assertStringIncludes(lines[0]!, ' empty="" space="a b" equals="a=b" quote="a\\"b" plain=a-b_c/d.e\n');
  });

  it("keeps one message on one line whatever it holds", () => {
    const hostile = "a\n2026 ERROR forged\r\u001b[31mred\u0085\u2028\u202ebidi\u007f";
    for (const format of ["text", "json"] as const) {
      const { lines, log } = capture("info", format);
      log.info(hostile, { value: hostile });
      assertEquals(lines.length, 1);
      // deno-lint-ignore no-control-regex
      assertEquals(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e]/.test(lines[0]!.slice(0, -1)), false, lines[0]);
    }
    const { lines, log } = capture("info", "json");
    log.info(hostile);
    assertEquals(JSON.parse(lines[0]!).msg, hostile);
  });

  it("writes an error as its message and those of its causes, also when they go in a circle", () => {
    const { lines, log } = capture("info", "text");
    const inner = new Error("connection refused");
    log.error("cannot start", { error: new Error("cannot bind", { cause: inner }) });
    assertStringIncludes(lines[0]!, 'error="cannot bind: connection refused"');
    inner.cause = inner;
    log.error("again", { error: inner });
    assertEquals(lines.length, 2);
  });

  it("escapes as JSON does", () => {
    assertEquals(escapeControls("a\u001bb\u009bc"), "a\\u001bb\\u009bc");
    assertEquals(escapeControls("grüße 世界 🎉"), "grüße 世界 🎉");
  });
});
