/** One canary by itself: counters that are odd, when it is judged and how, and every way through its steps. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { faultOf, figuresOf, LEAST_CONNECTS } from "../../src/canary/judge.ts";
import {
  advance,
  beginStep,
  dueOf,
  type Move,
  observe,
  type Rollout,
  startRollout,
  weightOf,
} from "../../src/canary/rollout.ts";
import { addTo, beginTally, type ConnectCounters } from "../../src/canary/tally.ts";
import { BOUNDS_US, canaryPlan, Counters } from "./canary_fixture.ts";

const counters = (connectsTotal: number, connectFailures = 0, connectBuckets = [connectsTotal - connectFailures]) => ({
  connectsTotal,
  connectFailures,
  connectBuckets,
});

describe("a tally", () => {
  const counts = (...seen: (ConnectCounters | null)[]) => {
    const { connects, failures, buckets } = seen.slice(1).reduce(addTo, beginTally(seen[0] ?? null));
    return [connects, failures, buckets];
  };

  it("counts from what was there when it began", () => {
    assertEquals(counts(counters(100, 40), counters(103, 41)), [3, 1, [2]]);
    assertEquals(counts(counters(100, 40), counters(103, 41), counters(110, 41)), [10, 1, [9]]);
  });

  it("begins with the first counters that it sees", () => {
    assertEquals(counts(null, null), [0, 0, []]);
    assertEquals(counts(null, counters(500, 400), counters(501, 400)), [1, 0, [1]]);
  });

  it("goes on after counters that were missing", () => {
    assertEquals(counts(counters(10), counters(12), null, null, counters(15, 1)), [5, 1, [4]]);
  });

  it("keeps what it has when counters begin anew, and counts all that is new", () => {
    assertEquals(counts(counters(10), counters(20, 5, [15]), counters(3, 1)), [13, 6, [7]]);
    // Only one of them shows it.
    assertEquals(counts(counters(10, 5), counters(12, 2, [10])), [12, 2, [10]]);
    assertEquals(counts(counters(10, 0, [4, 6]), counters(11, 0, [11, 0])), [11, 0, [11, 0]]);
  });

  it("takes buckets of any number", () => {
    assertEquals(counts(counters(1, 0, []), counters(3, 0, [1, 2]), counters(4, 0, [1, 2, 1])), [3, 0, [1, 2, 1]]);
  });
});

describe("the judge", () => {
  const fault = (connects: number, failures: number, buckets: readonly number[], parts = {}) =>
    faultOf(figuresOf({ seen: null, connects, failures, buckets }, BOUNDS_US), canaryPlan(parts));

  it("finds the slowest hundredth by the upper bound of its bucket", () => {
    const p99 = (buckets: readonly number[]) =>
      figuresOf({ seen: null, connects: 0, failures: 0, buckets }, BOUNDS_US).connectP99Us;
    assertEquals(p99([]), null);
    assertEquals(p99([0, 0, 0, 0]), null);
    assertEquals(p99([99, 1, 0, 0]), 1_000);
    assertEquals(p99([98, 2, 0, 0]), 10_000);
    assertEquals(p99([19, 0, 1, 0]), 100_000);
    assertEquals(p99([98, 0, 0, 2]), Number.POSITIVE_INFINITY);
  });

  it("says nothing of too few connects, however bad", () => {
    assertEquals(fault(LEAST_CONNECTS - 1, LEAST_CONNECTS - 1, []), null);
    assertEquals(fault(LEAST_CONNECTS - 1, 0, [0, 0, 0, LEAST_CONNECTS - 1]), null);
    assert(fault(LEAST_CONNECTS, LEAST_CONNECTS, []) !== null);
    assert(fault(LEAST_CONNECTS, 0, [0, 0, 0, LEAST_CONNECTS]) !== null);
  });

  it("lets a canary be exactly as bad as it may be", () => {
    assertEquals(fault(100, 5, [95]), null);
    assertEquals(
      fault(100, 6, [94]),
      "error ratio 6% is over 5%: 6 of 100 connects failed",
    );
    assertEquals(fault(100, 0, [0, 100]), null);
    assertEquals(fault(100, 0, [0, 0, 100]), "connect p99 100 ms is over 10 ms, of 100 connects");
    assertMatch(fault(100, 0, [0, 0, 0, 100]) ?? "", /^connect p99 beyond what is measured is over 10 ms/);
  });

  it("judges by what is asked for only", () => {
    assertEquals(fault(100, 100, [], { errorPpm: null }), null);
    assertEquals(fault(100, 0, [0, 0, 0, 100], { connectP99Ms: null }), null);
    assert(fault(100, 1, [99], { errorPpm: 0 }) !== null);
    assertEquals(fault(100, 100, [], { errorPpm: 1_000_000 }), null);
  });
});

describe("a rollout", () => {
  /** Looks each `everyMs`, `look` tells the counters; a move is in force at once. */
  function run(until: number, everyMs: number, look: (ms: number) => ConnectCounters | null, plan = canaryPlan()) {
    let rollout = startRollout(plan, 0);
    const moves: [number, Move["kind"], number][] = [];
    for (let ms = 0; ms <= until; ms += everyMs) {
      const next = advance(rollout, look(ms), ms, BOUNDS_US);
      rollout = next.rollout;
      if (next.move === null) continue;
      moves.push([ms, next.move.kind, next.move.weight]);
      assertEquals(next.move.weight, weightOf(rollout));
      if (next.move.kind === "step") rollout = beginStep(rollout, ms);
    }
    return { rollout, moves };
  }

  it("goes through its steps and is promoted", () => {
    const good = new Counters();
    const { rollout, moves } = run(500_000, 1_000, () => {
      good.add(10);
      return good.now;
    });
    assertEquals(moves, [[60_000, "step", 30], [120_000, "step", 100], [180_000, "promoted", 100]]);
    assertEquals([rollout.state, rollout.step, weightOf(rollout), dueOf(rollout)], ["promoted", 2, 100, null]);
  });

  it("goes on where nobody comes, and where counters are missing", () => {
    const empty = new Counters().now;
    assertEquals(run(200_000, 1_000, () => empty).moves.map(([, kind]) => kind), ["step", "step", "promoted"]);
    assertEquals(run(200_000, 1_000, () => null).moves.map(([, kind]) => kind), ["step", "step", "promoted"]);
  });

  it("is rolled back as soon as it is bad, in each step, and stays there", () => {
    for (const [badFromMs, step] of [[10_000, 0], [70_000, 1], [130_000, 2]] as const) {
      const one = new Counters();
      const { rollout, moves } = run(500_000, 1_000, (ms) => {
        one.add(10, ms >= badFromMs ? 5 : 0);
        return one.now;
      });
      const [atMs, kind, weight] = moves.at(-1)!;
      assertEquals([kind, weight, rollout.state, rollout.step], ["rolled_back", 0, "rolled_back", step]);
      assert(atMs >= badFromMs && atMs < badFromMs + 10_000, `${atMs}`);
      assertMatch(rollout.reason ?? "", /^error ratio/);
    }
  });

  it("judges a step by its own connects", () => {
    const one = new Counters();
    const { moves } = run(119_000, 1_000, (ms) => {
      // 200 good connects in the first step; in the second 20, 2 of them bad.
      if (ms === 1_000) one.add(200);
      if (ms === 61_000) one.add(20, 2);
      return one.now;
    });
    assertEquals(moves, [[60_000, "step", 30], [61_000, "rolled_back", 0]]);
  });

  it("is judged before a step ends", () => {
    const one = new Counters();
    one.add(50, 50);
    const seen = observe(startRollout(canaryPlan(), 0), new Counters().now);
    const { move } = advance(seen, one.now, 60_000, BOUNDS_US);
    assertEquals([move?.kind, move?.figures?.connects, move?.figures?.failures], ["rolled_back", 50, 50]);
  });

  it("makes one move at the most, however late a look is", () => {
    const { rollout, move } = advance(startRollout(canaryPlan(), 0), null, 10_000_000, BOUNDS_US);
    assertEquals([move?.kind, move?.step, move?.weight], ["step", 2, 30]);
    assertEquals(advance(rollout, null, 10_000_001, BOUNDS_US).move, null);
  });

  it("of one step is promoted after it", () => {
    const { moves } = run(90_000, 1_000, () => null, canaryPlan({ steps: [100] }));
    assertEquals(moves, [[60_000, "promoted", 100]]);
  });

  it("whatever happens, only rises or falls to nothing, and never moves again after its end", () => {
    let seed = 20_251_103;
    const random = (below: number) => (seed = seed * 48271 % 2147483647) % below;
    const ends = { promoted: 0, rolled_back: 0 };
    for (let round = 0; round < 400; round++) {
      const badness = random(3) === 0 ? random(10) : 0;
      const plan = canaryPlan({ stepForMs: 1_000 + random(5_000), connectP99Ms: random(2) === 0 ? null : 10 });
      let rollout: Rollout = startRollout(plan, 0);
      let one = new Counters();
      let [nowMs, bad] = [0, 0];
      let isOver = false;
      for (let look = 0; look < 200; look++) {
        nowMs += random(1_500);
        const [connects, kind] = [random(8), random(20)];
        const failed = badness > 0 ? Math.min(connects, random(badness + 1)) : 0;
        if (kind === 0) one = new Counters();
        one.add(connects, failed, random(2));
        bad += failed;
        const before = rollout;
        const { rollout: after, move } = advance(before, kind === 1 ? null : one.now, nowMs, BOUNDS_US);
        rollout = after;
        assert(after.tally.failures <= after.tally.connects);
        assert(after.tally.failures <= bad, "no failure is counted that was not there");
        if (isOver) assertEquals([move, after], [null, before]);
        if (move === null) continue;
        if (move.kind === "rolled_back") {
          assertEquals(weightOf(after), 0);
          assert(bad > 0, "only what fails is rolled back");
          assert((move.figures?.connects ?? 0) >= LEAST_CONNECTS);
        } else {
          assert(nowMs - before.sinceMs >= plan.stepForMs, "a step lasts");
          assert(weightOf(after) >= weightOf(before));
        }
        isOver = move.kind !== "step";
        if (move.kind === "step") rollout = beginStep(rollout, nowMs);
        else if (move.kind !== "started") ends[move.kind]++;
      }
    }
    assert(ends.promoted > 50 && ends.rolled_back > 50, JSON.stringify(ends));
  });
});
