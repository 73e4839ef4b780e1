/** Numbers as people read them, tables, and the lines of a progress bar without a terminal. */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { formatBytes, formatShare, formatSpan } from "../../src/ctl/format.ts";
import { Progress } from "../../src/ctl/progress.ts";
import { renderTable } from "../../src/ctl/tables.ts";

describe("formatBytes", () => {
  for (
    const [bytes, text] of [
      [0, "0 B"],
      [1023, "1023 B"],
      [1024, "1.0 KiB"],
      [1536, "1.5 KiB"],
      [2 ** 20 - 1, "1.0 MiB"],
      [2 ** 40, "1.0 TiB"],
      [2 ** 60, "1024.0 PiB"],
    ] as const
  ) it(`of ${bytes} is ${text}`, () => assertEquals(formatBytes(bytes), text));
});

describe("formatSpan", () => {
  for (
    const [ms, text] of [
      [0, "0ms"],
      [999.9, "999ms"],
      [1000, "1.0s"],
      [59_999, "59.9s"],
      [60_000, "1m 00s"],
      [3_599_999, "59m 59s"],
      [3_600_000, "1h 00m"],
      [86_400_000 * 3 + 3_600_000 * 4, "3d 04h"],
    ] as const
  ) it(`of ${ms} is ${text}`, () => assertEquals(formatSpan(ms), text));
});

describe("formatShare", () => {
  it("knows that nothing of nothing is no share", () => {
    assertEquals([formatShare(1, 3), formatShare(0, 0), formatShare(5, 4)], ["33%", "-", "125%"]);
  });
});

describe("renderTable", () => {
  it("aligns by columns of the terminal, and leaves no blanks at the end", () => {
    const columns = [{ title: "NAME" }, { title: "N", align: "right" as const }, { title: "LAST" }];
    assertEquals(
      renderTable(columns, [["日本", "7", "x"], ["a", "100", ""]], false),
      "NAME    N  LAST\n日本    7  x\na     100\n",
    );
  });
});

describe("Progress without a terminal", () => {
  it("writes the first line, one every five seconds, and the last", () => {
    let now = 0;
    let out = "";
    const screen = { write: (text: string) => void (out += text), isTerminal: false, columns: 80, now: () => now };
    using progress = new Progress("acme", screen);
    for (const [at, left] of [[0, 9], [1000, 8], [5000, 7], [6000, 6], [7000, 0], [7001, 0]] as const) {
      now = at;
      progress.update(left);
    }
    assertEquals(
      out,
      "acme: 9 sessions left after 0ms\nacme: 7 sessions left after 5.0s\nacme: 0 sessions left after 7.0s\n",
    );
  });
});
