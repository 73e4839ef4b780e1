/** The mover: weights for the data plane, reloads in the middle, moves that cannot be put in force, tenants apart. */
import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CanaryBench, canaryPlan, splitTenant } from "./canary_fixture.ts";

const MINUTE_MS = 60_000;

describe("Canaries", () => {
  it("gives a tenant the weights of its first step before it is in force, and changes no other", async () => {
    await using bench = new CanaryBench();
    const plain = splitTenant("plain", null);
    assertEquals(bench.canaries.weigh(plain), plain);
    const plan = splitTenant("acme", canaryPlan(), [1, 1]);
    const weighed = bench.canaries.weigh(plan);
    assertEquals(weighed.backends[2]?.split, [{ backend: "stable", weight: 95 }, { backend: "next", weight: 5 }]);
    assertEquals({ ...weighed, backends: plan.backends }, plan);
    assertEquals(bench.canaries.statusOf("acme", "web"), null);
    assertEquals(bench.told(), []);
  });

  it("moves through the steps, each in force when it is told", async () => {
    await using bench = new CanaryBench();
    await bench.put(splitTenant("acme"));
    assertEquals(bench.told(), ["acme started 5"]);
    await bench.clock.advance(MINUTE_MS - 1);
    assertEquals([bench.told(), bench.weights("acme")], [[], [95, 5]]);
    await bench.clock.advance(1);
    assertEquals(bench.applied.splice(0), [["acme", [70, 30]]]);
    assertEquals(bench.told(), ["acme step 30"]);
    assertEquals(bench.canaries.statusOf("acme", "web"), {
      step: 2,
      weight: 30,
      state: "progressing",
      sinceMs: 1_000_000 + MINUTE_MS,
      reason: null,
    });
    await bench.clock.advance(MINUTE_MS);
    assertEquals(bench.applied.splice(0), [["acme", [0, 100]]]);
    await bench.clock.advance(MINUTE_MS);
    assertEquals(bench.told(), ["acme step 100", "acme promoted 100"]);
    assertEquals(bench.applied, [], "the weight stays");
    await bench.clock.advance(60 * MINUTE_MS);
    assertEquals([bench.told(), bench.weights("acme")], [[], [0, 100]]);
    assertEquals(bench.canaries.statusOf("acme", "web")?.state, "promoted");
  });

  it("rolls back within a second, tells why, and stays", async () => {
    await using bench = new CanaryBench();
    await bench.put(splitTenant("acme"));
    await bench.clock.advance(5_000);
    bench.of("acme").add(40, 4);
    await bench.clock.advance(1_000);
    const [, back] = bench.moves;
    assertEquals(back?.reason, "error ratio 10% is over 5%: 4 of 40 connects failed");
    assertEquals([back?.figures?.connects, back?.figures?.failures, back?.step], [40, 4, 1]);
    assertEquals(bench.told(), ["acme started 5", "acme rolled_back 0"]);
    assertEquals(bench.applied, [["acme", [100, 0]]]);
    bench.of("acme").add(1_000);
    await bench.clock.advance(60 * MINUTE_MS);
    assertEquals([bench.told(), bench.weights("acme")], [[], [100, 0]]);
    const status = bench.canaries.statusOf("acme", "web");
    assertEquals([status?.state, status?.weight, status?.sinceMs], ["rolled_back", 0, 1_006_000]);
  });

  it("takes what was counted before it for nobody's fault", async () => {
    await using bench = new CanaryBench();
    await bench.put(splitTenant("acme", null));
    bench.of("acme").add(500, 500);
    await bench.put(splitTenant("acme"));
    await bench.clock.advance(MINUTE_MS);
    assertEquals(bench.told(), ["acme started 5", "acme step 30"]);
  });

  it("goes on over a reload that does not touch it, at each stage", async () => {
    await using bench = new CanaryBench();
    await bench.put(splitTenant("acme"));
    await bench.clock.advance(30_000);
    await bench.put(splitTenant("acme", canaryPlan(), [50, 50]));
    await bench.clock.advance(30_000);
    await bench.put(splitTenant("acme"));
    assertEquals([bench.told(), bench.weights("acme")], [["acme started 5", "acme step 30"], [70, 30]]);
    await bench.clock.advance(1_000);
    bench.of("acme").add(20, 20);
    await bench.clock.advance(1_000);
    await bench.put(splitTenant("acme"));
    await bench.clock.advance(10 * MINUTE_MS);
    assertEquals([bench.told(), bench.weights("acme")], [["acme rolled_back 0"], [100, 0]]);
  });

  it("begins anew with another revision, and ends with its canary or its tenant", async () => {
    await using bench = new CanaryBench();
    await bench.put(splitTenant("acme"), splitTenant("beta"));
    await bench.clock.advance(MINUTE_MS + 1_000);
    bench.of("acme").add(100, 100);
    await bench.clock.advance(1_000);
    bench.told();
    await bench.put(splitTenant("acme", canaryPlan({ revision: "two" })));
    assertEquals([bench.told(), bench.weights("acme")], [["acme started 5"], [95, 5]]);
    await bench.put(splitTenant("acme", null, [9, 1]));
    assertEquals([bench.weights("acme"), bench.canaries.statusOf("acme", "web")], [[9, 1], null]);
    await bench.remove("beta");
    await bench.clock.advance(10 * MINUTE_MS);
    assertEquals([bench.told(), bench.canaries.statusOf("beta", "web")], [[], null]);
  });

  it("tries again what could not be put in force, tells that once, and moves no further meanwhile", async () => {
    await using bench = new CanaryBench();
    await bench.put(splitTenant("acme"));
    bench.answer = "fails";
    await bench.clock.advance(5 * MINUTE_MS);
    assertEquals(bench.told(), ["acme started 5"]);
    assertEquals(bench.errors, ["acme: no"]);
    bench.answer = "not_now";
    await bench.clock.advance(5 * MINUTE_MS);
    bench.answer = "done";
    await bench.clock.advance(1_000);
    assertEquals(bench.applied, [["acme", [70, 30]]]);
    assertEquals(bench.told(), ["acme step 30"]);
    // The step begins when its weight is in force.
    const sinceMs = (bench.canaries.statusOf("acme", "web")?.sinceMs ?? 0) - 1_000_000;
    assert(bench.clock.now() - sinceMs <= 1_000);
    await bench.clock.advance(sinceMs + MINUTE_MS - 1 - bench.clock.now());
    assertEquals(bench.told(), []);
    await bench.clock.advance(1);
    assertEquals(bench.told(), ["acme step 100"]);
  });

  it("judges a step by what came after its weight was in force", async () => {
    await using bench = new CanaryBench();
    await bench.put(splitTenant("acme"));
    bench.answer = "fails";
    await bench.clock.advance(MINUTE_MS);
    bench.of("acme").add(50, 50);
    await bench.clock.advance(2_000);
    bench.answer = "done";
    await bench.clock.advance(30_000);
    assertEquals(bench.told(), ["acme started 5", "acme step 30"]);
  });

  it("drops a move that waits when the configuration changes meanwhile", async () => {
    await using bench = new CanaryBench();
    await bench.put(splitTenant("acme"));
    bench.answer = "waits";
    await bench.clock.advance(MINUTE_MS);
    await bench.put(splitTenant("acme", canaryPlan({ revision: "two" })));
    bench.answer = "done";
    await bench.release();
    assertEquals(bench.told(), ["acme started 5", "acme started 5"]);
    assertEquals(bench.weights("acme"), [95, 5]);
    await bench.clock.advance(MINUTE_MS);
    assertEquals(bench.told(), ["acme step 30"]);
  });

  it("asks once while a move waits, and a tenant that waits holds nobody up", async () => {
    await using bench = new CanaryBench();
    await bench.put(splitTenant("acme"), splitTenant("beta", canaryPlan({ stepForMs: 90_000 })));
    bench.answer = "waits";
    await bench.clock.advance(80_000);
    bench.answer = "done";
    await bench.clock.advance(20_000);
    assertEquals(bench.told(), ["acme started 5", "beta started 5", "beta step 30"]);
    await bench.release();
    assertEquals(bench.applied, [["beta", [70, 30]], ["acme", [70, 30]]]);
    assertEquals(bench.told(), ["acme step 30"]);
  });

  it("keeps tenants apart whose backends have the same names", async () => {
    await using bench = new CanaryBench();
    await bench.put(splitTenant("acme"), splitTenant("beta"));
    bench.told();
    await bench.clock.advance(2_000);
    bench.of("beta").add(100, 100);
    bench.of("acme").add(100);
    await bench.clock.advance(MINUTE_MS);
    assertEquals(bench.told(), ["beta rolled_back 0", "acme step 30"]);
    assertEquals([bench.weights("acme"), bench.weights("beta")], [[70, 30], [100, 0]]);
  });

  it("sleeps while nothing moves, and wakes for a new one", async () => {
    await using bench = new CanaryBench();
    let reads = 0;
    const { counters } = bench;
    const entries = counters[Symbol.iterator].bind(counters);
    counters[Symbol.iterator] = () => {
      reads++;
      return entries();
    };
    await bench.put(splitTenant("acme", null));
    await bench.clock.advance(10 * MINUTE_MS);
    assertEquals(reads, 0);
    await bench.put(splitTenant("acme"));
    await bench.clock.advance(MINUTE_MS);
    assertEquals(bench.told(), ["acme started 5", "acme step 30"]);
    assert(reads > 50 && reads < 70, `${reads}`);
  });

  it("tells nothing any more after its end", async () => {
    const bench = new CanaryBench();
    await bench.put(splitTenant("acme"));
    await bench[Symbol.asyncDispose]();
    bench.told();
    await bench.put(splitTenant("beta"));
    await bench.clock.advance(10 * MINUTE_MS);
    assertEquals([bench.told(), bench.applied], [[], []]);
  });

  it("through any sequence of changes, gives each tenant the weights of its own rollout", async () => {
    let seed = 4_711;
    const random = (below: number) => (seed = seed * 48271 % 2147483647) % below;
    await using bench = new CanaryBench();
    const ids = ["acme", "beta", "gamma"];
    const revisions = new Map<string, string>();
    /** By tenant: weight of its canary as told last. */
    const told = new Map<string, number>();
    const kinds = new Set<string>();
    const answers = ["done", "done", "done", "fails", "not_now"] as const;
    for (let round = 0; round < 1_500; round++) {
      const id = ids[random(3)] ?? "acme";
      const action = random(12);
      bench.answer = answers[random(answers.length)] ?? "done";
      if (action === 0) {
        revisions.set(id, `r${random(1_000)}`);
        await bench.put(splitTenant(id, canaryPlan({ revision: revisions.get(id)!, stepForMs: 5_000 })));
      } else if (action === 1 && revisions.has(id)) {
        const plan = canaryPlan({ revision: revisions.get(id)!, stepForMs: 5_000 });
        await bench.put(splitTenant(id, plan, [random(100), 1]));
      } else if (action === 2 && random(4) === 0) {
        await bench.remove(id);
        revisions.delete(id);
        told.delete(id);
      } else if (action === 3 && bench.counters.has(id)) bench.of(id).add(30, random(2) * 20, random(2));
      else if (action === 4) bench.counters.delete(id);
      else await bench.clock.advance(random(3_000));
      for (const { tenant, kind, weight } of bench.moves.splice(0)) {
        kinds.add(kind);
        assert(revisions.has(tenant));
        const before = told.get(tenant) ?? 0;
        if (kind === "step") assert(weight > before, `${weight} after ${before}`);
        if (kind === "promoted") assertEquals([weight, before], [100, 100]);
        if (kind === "rolled_back") assertEquals(weight, 0);
        told.set(tenant, weight);
      }
      for (const [tenant, revision] of revisions) {
        const [stable, canary] = bench.weights(tenant);
        assertEquals((stable ?? 0) + (canary ?? 0), 100);
        assertEquals(bench.canaries.statusOf(tenant, "web")?.weight, canary, revision);
      }
    }
    // What waits is in force at last.
    bench.answer = "done";
    await bench.clock.advance(60_000);
    assertEquals([...kinds].sort(), ["promoted", "rolled_back", "started", "step"]);
    for (const id of revisions.keys()) {
      assert(bench.canaries.statusOf(id, "web")?.state !== "progressing");
    }
  });
});
