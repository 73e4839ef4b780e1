/** How the runner counts. */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { sumOfJunit, sumOfOutput, total, withExitCode } from "../../tools/suites.ts";

const testcase = (name: string, body = "") => `<testcase name="${name}" classname="x" time="0.0">\n${body}</testcase>`;

describe("suites", () => {
  it("counts steps in place of the tests around them, and tests without steps", () => {
    const report = [
      testcase("a", '<failure message="1 step failed">x</failure>'),
      testcase("plain"),
      testcase("ignored", "<skipped/>"),
      testcase("a &gt; b", '<failure message="1 step failed">x</failure>'),
      testcase("a &gt; b &gt; c", '<failure message="Error">x</failure>'),
      testcase("a &gt; b &gt; d"),
      testcase("a &gt; e", "<skipped/>"),
    ].join("\n");
    assertEquals(sumOfJunit(report), { passed: 2, failed: 1, skipped: 2 });
    assertEquals(sumOfJunit(""), { passed: 0, failed: 0, skipped: 0 });
  });

  it("takes the last sum that a suite prints", () => {
    assertEquals(sumOfOutput("3 passed, 0 failed\nx\n7 passed, 2 failed\n"), { passed: 7, failed: 2, skipped: 0 });
    assertEquals(sumOfOutput("SKIPPED: no libtsan\n0 passed, 0 failed\n"), { passed: 0, failed: 0, skipped: 1 });
    assertEquals(sumOfOutput("ok 7 passed, 2 failed in 3 s"), undefined);
  });

  it("never lets a suite that ended badly pass", () => {
    assertEquals(withExitCode({ passed: 9, failed: 0, skipped: 0 }, false).failed, 1);
    assertEquals(withExitCode({ passed: 9, failed: 3, skipped: 0 }, false).failed, 3);
    assertEquals(withExitCode({ passed: 9, failed: 0, skipped: 0 }, true).failed, 0);
    assertEquals(withExitCode(undefined, true), { passed: 1, failed: 0, skipped: 0 });
    assertEquals(withExitCode(undefined, false), { passed: 0, failed: 1, skipped: 0 });
  });

  it("adds up", () => {
    assertEquals(total([{ passed: 1, failed: 2, skipped: 3 }, { passed: 10, failed: 20, skipped: 30 }]), {
      passed: 11,
      failed: 22,
      skipped: 33,
    });
  });
});
