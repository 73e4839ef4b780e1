/** One line of many, with how many there were. */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Throttle } from "../../src/host/throttle.ts";

describe("Throttle", () => {
  it("lets one pass in each period, with the number of those that it held back", () => {
    let now = 0;
    const throttle = new Throttle(1000, () => now);
    assertEquals(throttle.pass("a"), 0);
    for (now of [1, 500, 999]) assertEquals(throttle.pass("a"), null);
    now = 1000;
    assertEquals(throttle.pass("a"), 3);
    now = 2000;
    assertEquals(throttle.pass("a"), 0);
  });

  it("knows kinds apart", () => {
    const throttle = new Throttle(1000, () => 0);
    assertEquals([throttle.pass("a"), throttle.pass("b"), throttle.pass("a")], [0, 0, null]);
  });
});
