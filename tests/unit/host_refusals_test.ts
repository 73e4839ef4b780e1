/** Refused sessions in the log: one line a tenant and reason, soon and then seldom, and no refusal untold or told twice. */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Reason, TenantStats } from "../../src/ffi/mod.ts";
import { EVERY_MS, FIRST_MS, type Refusal, Refusals } from "../../src/host/refusals.ts";
import { FakeLog } from "./control_fixture.ts";
import { tenantStats } from "./metrics_fixture.ts";

/** Counters that the test moves, and a clock whose sleepers it wakes. */
class Bench {
  readonly log = new FakeLog();
  readonly told: Refusal[] = [];
  readonly refused = new Map<string, Map<Reason, number>>();
  readonly dry = new Map<string, Map<Reason, number>>();
  reads = 0;
  nowMs = 0;
  /** What the next read throws. */
  failure: Error | null = null;
  readonly #sleepers = new Set<{ readonly atMs: number; readonly wake: () => void }>();
  readonly refusals = new Refusals({
    engine: { tenantStatsOf: (tenant) => this.#statsOf(tenant) },
    log: this.log,
    onRefusal: (refusal) => void this.told.push(refusal),
    now: () => this.nowMs,
    sleep: (ms, signal) => {
      if (signal.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const sleeper = { atMs: this.nowMs + ms, wake: resolve };
        this.#sleepers.add(sleeper);
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    },
  });

  #statsOf(tenant: string | null): TenantStats | null {
    this.reads++;
    const { failure } = this;
    if (failure !== null) throw failure;
    const refused = this.refused.get(tenant ?? "");
    if (refused === undefined) return null;
    const counters = { refused: new Map(refused), dryRefused: new Map(this.dry.get(tenant ?? "")) };
    return { ...tenantStats("", counters), tenant };
  }

  /** Counts refusals, as the data plane does, and says so. */
  refuse(tenant: string, reason: Reason, count = 1, options: { dry?: boolean; quiet?: boolean } = {}): void {
    const counters = options.dry === true ? [this.refused, this.dry] : [this.refused];
    for (const counter of counters) {
      const counts = counter.get(tenant) ?? new Map<Reason, number>();
      counter.set(tenant, counts.set(reason, (counts.get(reason) ?? 0) + count));
    }
    if (options.quiet !== true) this.refusals.mark(tenant);
  }

  async advance(ms: number): Promise<void> {
    this.nowMs += ms;
    for (const sleeper of this.#sleepers) {
      if (sleeper.atMs > this.nowMs) continue;
      this.#sleepers.delete(sleeper);
      sleeper.wake();
    }
    await new Promise((resolve) => setTimeout(resolve, 0));
  }

  get sleepers(): number {
    return this.#sleepers.size;
  }

  /** `acme tenant_rate 3`, with `dry` behind what went on. */
  lines(): string[] {
    return this.told.splice(0).map(({ tenant, reason, count, dryRun }) =>
      `${tenant} ${reason} ${count}${dryRun ? " dry" : ""}`
    );
  }
}

describe("Refusals", () => {
  it("makes one line of a burst, and tells what it leaves ten seconds later", async () => {
    const bench = new Bench();
    bench.refuse("acme", "tenant_rate", 80);
    bench.refuse("acme", "tenant_rate", 20);
    await bench.advance(FIRST_MS - 1);
    assertEquals(bench.lines(), []);
    await bench.advance(1);
    assertEquals(bench.lines(), ["acme tenant_rate 100"]);
    // No notice comes for these: there was one less than a second ago.
    bench.refuse("acme", "tenant_rate", 7, { quiet: true });
    await bench.advance(EVERY_MS - 1);
    assertEquals(bench.lines(), []);
    await bench.advance(1);
    assertEquals(bench.lines(), ["acme tenant_rate 7"]);
    assertEquals(
      bench.log.lines,
      [100, 7].map((count) => ({
        level: "warn",
        message: "sessions are refused",
        fields: { tenant: "acme", reason: "tenant_rate", count },
      })),
    );
  });

  it("lets a tenant go that had nothing new for an interval, and looks at it again when it is marked", async () => {
    const bench = new Bench();
    bench.refuse("acme", "denied", 2);
    await bench.advance(FIRST_MS);
    await bench.advance(EVERY_MS);
    assertEquals([bench.lines(), bench.sleepers, bench.reads], [["acme denied 2"], 0, 2]);
    await bench.advance(60 * EVERY_MS);
    assertEquals(bench.reads, 2);
    bench.refuse("acme", "denied", 3);
    await bench.advance(FIRST_MS);
    assertEquals(bench.lines(), ["acme denied 3"]);
  });

  it("has a line for each reason and tenant, one every ten seconds", async () => {
    const bench = new Bench();
    for (let second = 0; second < 25; second++) {
      bench.refuse("acme", "source_rate");
      bench.refuse("acme", "queue_full");
      bench.refuse("globex", "tenant_connections");
      await bench.advance(1_000);
    }
    assertEquals(bench.lines(), [
      "acme source_rate 1",
      "acme queue_full 1",
      "globex tenant_connections 1",
      ...["acme source_rate 10", "acme queue_full 10", "globex tenant_connections 10"],
      ...["acme source_rate 10", "acme queue_full 10", "globex tenant_connections 10"],
    ]);
  });

  it("tells apart what a dry run let pass, also where both counters are not of one moment", async () => {
    const bench = new Bench();
    bench.refuse("acme", "tenant_rate", 5, { dry: true });
    bench.refuse("acme", "denied", 1);
    // A session whose refusal is counted right after the first counter was read.
    bench.dry.get("acme")?.set("tenant_rate", 6);
    await bench.advance(FIRST_MS);
    assertEquals(bench.lines(), ["acme denied 1", "acme tenant_rate 6 dry"]);
    bench.refused.get("acme")?.set("tenant_rate", 6);
    bench.refuse("acme", "tenant_rate", 1, { dry: true });
    bench.refuse("acme", "tenant_rate", 2);
    await bench.advance(EVERY_MS);
    assertEquals(bench.lines(), ["acme tenant_rate 2", "acme tenant_rate 1 dry"]);
    assertEquals(bench.log.lines.map(({ message, fields }) => [message, fields["dry_run"]]), [
      ["sessions are refused", undefined],
      ["sessions would be refused", true],
      ["sessions are refused", undefined],
      ["sessions would be refused", true],
    ]);
  });

  it("says nothing of what endpoints and clients do", async () => {
    const bench = new Bench();
    bench.refuse("acme", "connect_refused", 9);
    bench.refuse("acme", "connect_timeout", 9);
    await bench.advance(FIRST_MS);
    assertEquals([bench.lines(), bench.sleepers], [[], 0]);
  });

  it("counts a tenant from the start that has the name of one that is gone", async () => {
    const bench = new Bench();
    bench.refuse("acme", "tenant_rate", 5);
    await bench.advance(FIRST_MS);
    await bench.advance(EVERY_MS);
    bench.refused.delete("acme");
    bench.refusals.follow({
      changes: [{ op: "remove", path: "/tenants/acme" }, { op: "remove", path: "/tenants/globex/limits" }],
    });
    bench.refuse("acme", "tenant_rate", 3);
    await bench.advance(FIRST_MS);
    assertEquals(bench.lines(), ["acme tenant_rate 5", "acme tenant_rate 3"]);
  });

  it("tells what is refused at shared listeners before a route was found, without a tenant", async () => {
    const bench = new Bench();
    bench.refused.set("", new Map<Reason, number>([["no_route", 3], ["bad_client_hello", 9], ["bad_proxy_header", 1]]));
    bench.refusals.mark(null);
    await bench.advance(FIRST_MS);
    assertEquals(bench.lines(), ["null bad_proxy_header 1", "null no_route 3"]);
    assertEquals(bench.log.lines.map(({ fields }) => fields), [
      { reason: "bad_proxy_header", count: 1 },
      { reason: "no_route", count: 3 },
    ]);
  });

  it("lets a tenant go that is not there any more", async () => {
    const bench = new Bench();
    bench.refusals.mark("gone");
    await bench.advance(FIRST_MS);
    assertEquals([bench.lines(), bench.sleepers], [[], 0]);
  });

  it("tells what is left when it ends, once", async () => {
    const bench = new Bench();
    bench.refuse("acme", "tenant_rate", 2);
    await bench.advance(FIRST_MS);
    bench.refuse("acme", "tenant_rate", 4);
    bench.refuse("globex", "memory", 1);
    await bench.refusals[Symbol.asyncDispose]();
    assertEquals(bench.lines().toSorted(), ["acme tenant_rate 2", "acme tenant_rate 4", "globex memory 1"]);
  });

  it("tells at its end what could not be read before, while the engine was stopping", async () => {
    const bench = new Bench();
    bench.refusals.mark("acme");
    await bench.advance(FIRST_MS);
    assertEquals([bench.lines(), bench.sleepers], [[], 0]);
    bench.refuse("acme", "tenant_rate", 200, { quiet: true });
    await bench.refusals[Symbol.asyncDispose]();
    assertEquals(bench.lines(), ["acme tenant_rate 200"]);
  });

  it("says so when counters cannot be read, seldom, and goes on", async () => {
    const bench = new Bench();
    bench.failure = new Error("no");
    for (const tenant of ["acme", "globex", "third"]) bench.refuse(tenant, "denied");
    await bench.advance(FIRST_MS);
    assertEquals(bench.log.messages("warn"), ["refusals cannot be counted"]);
    bench.failure = null;
    bench.refuse("acme", "denied");
    await bench.advance(FIRST_MS);
    assertEquals(bench.lines(), ["acme denied 2"]);
  });
});
