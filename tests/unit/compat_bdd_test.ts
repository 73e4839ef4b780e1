/** `@std/testing/bdd` as published: order of hooks, and inheritance by inner suites. */
import { assertEquals } from "@std/assert";
import { afterAll, afterEach, beforeAll, beforeEach, describe, it } from "@std/testing/bdd";

describe("bdd", () => {
  const seen: string[] = [];

  describe("outer", () => {
    beforeAll(() => void seen.push("all+"));
    beforeEach(() => void seen.push("each+"));
    afterEach(() => void seen.push("each-"));
    afterAll(() => Promise.resolve().then(() => void seen.push("all-")));

    it("one", () => void seen.push("one"));

    describe("inner", () => {
      beforeEach(() => void seen.push("inner+"));
      afterEach(() => void seen.push("inner-"));
      it("two", () => Promise.resolve().then(() => void seen.push("two")));
    });
  });

  it("ran hooks around each test, outer ones outside", () => {
    assertEquals(seen, [
      "all+",
      ...["each+", "one", "each-"],
      ...["each+", "inner+", "two", "inner-", "each-"],
      "all-",
    ]);
  });
});
