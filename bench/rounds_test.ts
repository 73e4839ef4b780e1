import { assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Contestant } from "./contestants.ts";
import type { Sample } from "./measure.ts";
import { ContestantError } from "./proxy.ts";
import { ratio, type RoundStage, runRounds } from "./rounds.ts";

function contestant(name: string): Contestant {
  return { name, about: "", files: () => ({}), command: () => [] };
}

function sample(cpuUs: number, change: Partial<Sample> = {}): Sample {
  const rest = { allCpuUs: 0, perSecond: 0, p50Us: 0, p99Us: 0, switches: 0, segments: 0, utilisation: 0 };
  return { cpuUs, ...rest, steal: 0, foreign: 0, disturbance: 0, ...change };
}

/** A stage that measures with `measure`; counts how many were opened and closed. */
function stages(measure: (name: string, round: number) => Sample) {
  const state = { opened: 0, closed: 0, order: [] as string[] };
  const open = (): Promise<RoundStage> => {
    const round = state.opened++;
    return Promise.resolve({
      measure: (subject) => {
        state.order.push(subject.name);
        return Promise.resolve().then(() => measure(subject.name, round));
      },
      [Symbol.asyncDispose]: () => Promise.resolve(void state.closed++),
    });
  };
  return { state, open };
}

const A = contestant("a");
const B = contestant("b");
const C = contestant("c");

describe("rounds", () => {
  it("go there and back again, and each begins with another contestant", async () => {
    const { state, open } = stages(() => sample(1));
    await runRounds("row", [A, B, C], { rounds: 2, repeats: 1 }, open);
    assertEquals(state.order.join(""), "abccba" + "bcaacb");
    assertEquals([state.opened, state.closed], [2, 2]);
  });

  it("divide within a round, so that what slows a whole round does not count", async () => {
    const { open } = stages((name, round) => sample((name === "a" ? 1 : 2) * 10 ** round));
    const result = await runRounds("row", [A, B], { rounds: 3, repeats: 1 }, open);
    const estimate = ratio(result, "a", "b");
    assertAlmostEquals(estimate?.value ?? NaN, 0.5);
    assertAlmostEquals(estimate?.high ?? NaN, 0.5);
  });

  it("with steal never count", async () => {
    const { state, open } = stages((_, round) => sample(round, { steal: round === 0 ? 0.02 : 0 }));
    const result = await runRounds("row", [A], { rounds: 2, repeats: 1 }, open);
    assertEquals(state.opened, 3);
    assertEquals(result.rounds["a"]?.map(({ cpuUs }) => cpuUs), [1, 2]);
    assertEquals(result.discarded, 1);
  });

  it("that were disturbed give way to better ones, but are not left out when there are none", async () => {
    const disturbed = [0.5, 0.2, 0.3];
    const { open } = stages((_, round) => sample(round, { disturbance: disturbed[round] ?? 0 }));
    const result = await runRounds("row", [A], { rounds: 2, repeats: 1 }, open);
    assertEquals(result.rounds["a"]?.map(({ cpuUs }) => cpuUs), [1, 2]);
    assertEquals(result.discarded, 1);
  });

  it("go on without a contestant that fails, and tell why", async () => {
    const { state, open } = stages((name, round) => {
      if (name === "b" && round === 1) throw new ContestantError("lost a byte");
      return sample(1);
    });
    const result = await runRounds("row", [A, B], { rounds: 3, repeats: 1 }, open);
    assertEquals(Object.keys(result.rounds), ["a"]);
    assertEquals(result.rounds["a"]?.length, 3);
    assertStringIncludes(result.failures["b"] ?? "", "lost a byte");
    assertEquals(state.closed, 3);
    assertEquals(ratio(result, "a", "b"), undefined);
  });

  it("end with any other error", async () => {
    const { state, open } = stages(() => {
      throw new TypeError("a fault of the benchmark itself");
    });
    const failure = await runRounds("row", [A], { rounds: 1, repeats: 1 }, open).catch((error: Error) => error.name);
    assertEquals(failure, "TypeError");
    assertEquals(state.closed, 1);
  });
});
