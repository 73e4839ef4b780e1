import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { readArgs } from "./failures_args.ts";
import type { Visit } from "./failures_clients.ts";
import { CANDIDATES } from "./failures_contestants.ts";
import { backMs, figuresOf, scenarioTable, secondsOf } from "./failures_figures.ts";
import { SCENARIOS } from "./failures_scenarios.ts";

const STAGES = [{ id: "dies", listen: 7, endpoints: [8, 9] }];
const JOB = { listen: 5, backend: 6, dir: "/tmp", sessions: 4 };

function answered(atMs: number, tookMs: number, letter = "A"): Visit {
  return { atMs, tookMs, end: "answer", letter };
}

function failed(atMs: number, tookMs: number, end: "eof" | "reset" | "nothing"): Visit {
  return { atMs, tookMs, end, letter: "" };
}

describe("failures", () => {
  it("tells clients that noticed nothing from those that waited and those that failed", () => {
    const visits = [answered(0, 2), answered(10, 5000), failed(20, 3000, "eof"), failed(30, 3100, "eof")];
    assertEquals(figuresOf({ visits, live: [] }), {
      clients: 4,
      atOnce: 1,
      late: { end: "answer", count: 1, medianMs: 5000, worstMs: 5000 },
      failed: [{ end: "eof", count: 2, medianMs: 3050, worstMs: 3100 }],
      troubleMs: 30,
      live: [],
    });
    assertEquals(figuresOf({ visits: [answered(0, 2)], live: [] }).troubleMs, null);
  });

  it("keeps kinds of ends apart, of live sessions too", () => {
    const visits = [failed(0, 1, "reset"), failed(1, 1, "eof")];
    const live = [{ letter: "A", end: "eof" as const, afterMs: 3 }, {
      letter: "A",
      end: "nothing" as const,
      afterMs: 9,
    }];
    const figures = figuresOf({ visits, live });
    assertEquals(figures.failed.map(({ end }) => end), ["eof", "reset"]);
    assertEquals(figures.live.map(({ end, count }) => [end, count]), [["eof", 1], ["nothing", 1]]);
  });

  it("finds when an endpoint has clients again", () => {
    const visits = [answered(100, 1), answered(5100, 1, "B"), answered(5400, 1), answered(6000, 1)];
    assertEquals(backMs(visits, 5000), 400);
    assertEquals(backMs(visits, 7000), null);
  });

  it("prints a line a proxy", () => {
    const figures = figuresOf({ visits: [answered(0, 2), failed(4000, 3000, "eof")], live: [] });
    const text = scenarioTable("one dies", [{ name: "x", figures, backMs: null }]);
    assertMatch(text, /^\| one dies +\|.*\n.*\n\| x +\| +1 of 2 \| +\| +1 EOF: 3\.0 s \| +4\.0 s \|/);
    assertEquals(secondsOf(49), "0 s");
  });

  it("gives each proxy its ports in each scenario", () => {
    for (const { contestant } of CANDIDATES) {
      const text = Object.values(contestant(STAGES).files(JOB)).join("");
      for (const port of [5, 6, 7, 8, 9]) assertMatch(text, new RegExp(`127\\.0\\.0\\.1:${port}\\b`));
    }
  });

  it("measures what is named, and refuses what it does not know", () => {
    const plan = readArgs(["--only", "haproxy", "--scenarios", "dies,back", "--patience", "3"]);
    if (plan === "help") throw new Error("help was not asked for");
    assertEquals(plan.candidates.map(({ name }) => name), ["haproxy"]);
    assertEquals(plan.scenarios.map(({ id }) => id), ["dies", "back"]);
    assertEquals(plan.patienceMs, 3000);
    assertThrows(() => readArgs(["--scenarios", "rain"]), RangeError, "current value is rain");
    assertThrows(() => readArgs(["--clients", "0"]), RangeError, "current value is 0");
  });

  it("has an id for each scenario", () => {
    assertEquals(new Set(SCENARIOS.map(({ id }) => id)).size, SCENARIOS.length);
  });
});
