import { assertAlmostEquals, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { estimateMedian, median, quantile } from "./statistics.ts";

describe("statistics", () => {
  it("takes the middle value, or the middle between two", () => {
    assertEquals(median([3, 1, 2]), 2);
    assertEquals(median([4, 1, 2, 3]), 2.5);
    assertEquals(median([]), NaN);
  });

  it("sorts by value, not by text", () => {
    assertEquals(median([9, 10, 100]), 10);
  });

  it("finds quantiles between values by proportion", () => {
    assertAlmostEquals(quantile([0, 10, 20, 30, 40], 0.1), 4);
    assertEquals(quantile([0, 10, 20, 30, 40], 1), 40);
  });

  it("has an interval around the median that is no wider than the values, and the same each time", () => {
    const values = [0.97, 1.01, 0.99, 1.0, 1.02, 0.98, 1.03];
    const estimate = estimateMedian(values);
    assertEquals(estimate.value, 1.0);
    assertEquals(estimate.low >= 0.97 && estimate.low < 1, true);
    assertEquals(estimate.high <= 1.03 && estimate.high > 1, true);
    assertEquals(estimateMedian(values), estimate);
  });

  it("has no width when all values are the same", () => {
    assertEquals(estimateMedian([2, 2, 2]), { value: 2, low: 2, high: 2 });
  });
});
