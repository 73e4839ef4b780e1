import { assertAlmostEquals, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Accuracy, percent, worst } from "./limits_accuracy.ts";
import { readArgs } from "./limits_args.ts";
import { bandwidth, limited } from "./limits_contestants.ts";
import { deviationSvg, heightOf } from "./limits_svg.ts";

const DEVIATION = { least: -0.01, most: 0.001, beyond: 0, left_out: 0 };

describe("limits", () => {
  it("tells the worse end with its sign", () => {
    assertEquals(worst({ least: -0.2, most: 0.1 }), -0.2);
    assertEquals(worst({ least: -0.1, most: 0.2 }), 0.2);
    assertEquals(percent(-0.2), "-20.00 %");
    assertEquals(percent(0.0005), "+0.05 %");
  });

  it("draws shares on a logarithmic axis, and all of them on the page", () => {
    assertAlmostEquals(heightOf(0.01) - heightOf(0.1), heightOf(0.001) - heightOf(0.01));
    assertEquals(heightOf(5), heightOf(1));
    assertEquals(heightOf(0), heightOf(0.0001));
  });

  it("draws a line for each length of window", () => {
    const group = { per_s: 1, burst: 1, long: DEVIATION, short: DEVIATION };
    const of = (rate: string): Accuracy => ({
      kind: "tenant down",
      rate,
      bytesPerS: 1,
      burstBytes: 1,
      group,
      longestPauseMs: 0,
    });
    const svg = deviationSvg([of("1 KiB/s"), of("1 MiB/s")]);
    assertMatch(svg, /^<svg /);
    assertEquals(svg.match(/fill="none"/g)?.length, 2);
  });

  it("gives each tenant its limits and its port", () => {
    const tenants = [{ id: "a", limits: "{}" }, { id: "b", listen: 7, limits: bandwidth("up", 10, 20) }];
    const files = limited("x", 3, tenants).files({ listen: 5, backend: 6, dir: "/tmp", sessions: 9 });
    const text = files["sluice.yaml"] ?? "";
    assertMatch(text, /workers: 3/);
    assertMatch(
      text,
      /127\.0\.0\.1:5"[^]*limits: \{ bandwidth: \{ up: \{ rate: "10B\/s", burst: "20B" [^]*127\.0\.0\.1:7"/,
    );
  });

  it("measures what is named, and refuses what it does not know", () => {
    const plan = readArgs(["--only", "storm,cost"]);
    assertEquals(plan === "help" ? [] : plan.parts, ["storm", "cost"]);
    assertThrows(() => readArgs(["--only", "speed"]), RangeError, "current value is speed");
    assertThrows(() => readArgs(["--fast"]), RangeError, "current value is --fast");
  });
});
