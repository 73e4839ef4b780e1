/** The loop of checks: when each is made, who shares one, what is told, and the end. */
import { assertEquals, assertGreater, assertLess } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Verdict } from "../../src/health/check.ts";
import { type CheckSpec, HealthChecker, type HealthTarget, type HealthTransition } from "../../src/health/mod.ts";
import { ManualClock, settled } from "./manual_clock.ts";

const UNIX_MS = 1_000_000;

interface Bench extends AsyncDisposable {
  readonly clock: ManualClock;
  readonly checker: HealthChecker;
  /** Start of each check, ms, with the port of what was checked. */
  readonly starts: { readonly atMs: number; readonly port: number }[];
  readonly told: HealthTransition[][];
  readonly errors: unknown[];
  /** What comes of checks of a port; good when nothing is said. */
  readonly verdicts: Map<number, Verdict | "hangs">;
  /** Ports of checks that were aborted. */
  readonly aborted: number[];
  /** The news in short, and forgets them. */
  news(): string[];
}

function bench(options: { mostInFlight?: number; random?: () => number; isHeld?: boolean } = {}): Bench {
  const clock = new ManualClock();
  const starts: Bench["starts"][number][] = [];
  const told: HealthTransition[][] = [];
  const errors: unknown[] = [];
  const verdicts: Bench["verdicts"] = new Map();
  const aborted: number[] = [];
  const checker = new HealthChecker({
    check: (spec, signal) => {
      const port = portOf(spec);
      starts.push({ atMs: clock.now(), port });
      const verdict = verdicts.get(port) ?? { kind: "good" };
      if (verdict !== "hangs") return Promise.resolve(verdict);
      return new Promise((resolve) =>
        signal.addEventListener("abort", () => {
          aborted.push(port);
          resolve({ kind: "bad", detail: "no answer" });
        }, { once: true })
      );
    },
    now: clock.now,
    sleep: clock.sleep,
    unixMs: () => UNIX_MS + clock.now(),
    random: options.random ?? (() => 0.5),
    onTransitions: (batch) => void told.push([...batch]),
    onError: (error) => void errors.push(error),
    ...options.mostInFlight === undefined ? {} : { mostInFlight: options.mostInFlight },
  });
  if (options.isHeld !== true) checker.begin();
  const news = () =>
    told.splice(0).flat().map(({ tenant, endpoint, health, detail }) => `${tenant}/${endpoint} ${health}: ${detail}`);
  return {
    clock,
    checker,
    starts,
    told,
    errors,
    verdicts,
    aborted,
    news,
    [Symbol.asyncDispose]: () => checker[Symbol.asyncDispose](),
  };
}

function portOf({ address }: CheckSpec): number {
  return address.family === "unix" ? 0 : address.port;
}

function target(tenant: string, endpoint: string, port: number, other: Partial<CheckSpec> = {}): HealthTarget {
  const address = { family: "ipv4", ip: "127.0.0.1", port, scopeId: 0 } as const;
  const spec: CheckSpec = {
    address,
    sourceAddress: null,
    proxyHeader: "off",
    trial: { type: "tcp" },
    intervalMs: 1000,
    jitterPpm: 0,
    timeoutMs: 200,
    ...other,
  };
  return { tenant, backend: "pool", endpoint, rise: 2, fall: 3, spec };
}

const BAD: Verdict = { kind: "bad", detail: "connection refused" };

describe("health checker", () => {
  it("checks at once, then at each interval, and tells of changes only", async () => {
    await using all = bench();
    const { clock, checker, starts, verdicts } = all;
    checker.setTargets("acme", [target("acme", "a", 1)]);
    assertEquals(checker.rowsOf("acme")[0]!.health, "unknown");
    await clock.advance(2500);
    assertEquals(starts.map(({ atMs }) => atMs), [0, 1000, 2000]);
    assertEquals(all.told.splice(0), [[{
      tenant: "acme",
      backend: "pool",
      endpoint: "a",
      address: { family: "ipv4", ip: "127.0.0.1", port: 1, scopeId: 0 },
      health: "up",
      before: "unknown",
      detail: "it answers",
      sinceMs: UNIX_MS,
    }]]);
    verdicts.set(1, BAD);
    await clock.advance(2000);
    assertEquals(all.news(), []);
    const [row] = checker.rowsOf("acme");
    assertEquals([row!.health, row!.error, row!.checkedMs], ["up", "connection refused", UNIX_MS + 4000]);
    await clock.advance(1000);
    assertEquals(all.news(), ["acme/a down: connection refused"]);
    verdicts.delete(1);
    await clock.advance(2000);
    assertEquals(all.news(), ["acme/a up: it answers"]);
    assertEquals(checker.rowsOf("acme")[0]!.sinceMs, UNIX_MS + 7000);
    assertEquals(checker.rowsOf("acme")[0]!.error, null);
  });

  it("makes no check before it may begin, and then spreads those that have waited", async () => {
    await using all = bench({ isHeld: true });
    const { clock, checker, starts } = all;
    checker.setTargets("acme", [target("acme", "a", 1), target("acme", "gone", 2)]);
    checker.setTargets("acme", [target("acme", "a", 1), target("acme", "b", 3)]);
    await clock.advance(5000);
    assertEquals(starts, []);
    checker.begin();
    await clock.advance(10);
    assertEquals(starts, [{ atMs: 5000, port: 1 }, { atMs: 5002, port: 3 }]);
    assertEquals(all.news(), ["acme/a up: it answers", "acme/b up: it answers"]);
  });

  it("takes a check that hangs for bad after its timeout, and counts the interval from its start", async () => {
    await using all = bench();
    const { clock, checker, starts, verdicts } = all;
    verdicts.set(1, "hangs");
    checker.setTargets("acme", [target("acme", "a", 1)]);
    await clock.advance(199);
    assertEquals(all.news(), []);
    await clock.advance(1);
    assertEquals(all.news(), ["acme/a down: no answer"]);
    await clock.advance(1000);
    assertEquals(starts.map(({ atMs }) => atMs), [0, 1000]);
  });

  it("does not take its own delay for an endpoint's", async () => {
    await using all = bench();
    const { clock, checker, verdicts } = all;
    verdicts.set(1, "hangs");
    checker.setTargets("acme", [target("acme", "a", 1)]);
    await settled();
    await clock.jump(5000);
    assertEquals(all.aborted, []);
    await clock.advance(200);
    assertEquals(all.aborted, [1]);
  });

  it("knows nothing new after a check that could not be made", async () => {
    await using all = bench();
    const { clock, checker, verdicts } = all;
    verdicts.set(1, { kind: "void", detail: "no descriptor" });
    checker.setTargets("acme", [target("acme", "a", 1)]);
    await clock.advance(5000);
    assertEquals(all.news(), []);
    assertEquals(checker.rowsOf("acme")[0]!.health, "unknown");
    assertEquals(checker.rowsOf("acme")[0]!.error, "no descriptor");
  });

  it("shares one check between all who ask for the same, each with its own thresholds", async () => {
    await using all = bench();
    const { clock, checker, starts, verdicts } = all;
    checker.setTargets("acme", [target("acme", "a", 1)]);
    await clock.advance(500);
    checker.setTargets("bolt", [{ ...target("bolt", "x", 1), fall: 1 }]);
    await clock.advance(10);
    // Who joins takes the last result.
    assertEquals(all.news(), ["acme/a up: it answers", "bolt/x up: it answers"]);
    assertEquals(checker.counts.probes, 1);
    verdicts.set(1, BAD);
    await clock.advance(1000);
    assertEquals(starts.length, 2);
    assertEquals(all.news(), ["bolt/x down: connection refused"]);
    checker.setTargets("acme", []);
    await clock.advance(1000);
    assertEquals(starts.length, 3);
    checker.setTargets("bolt", []);
    await clock.advance(5000);
    assertEquals(starts.length, 3);
    assertEquals(checker.counts.probes, 0);
    assertEquals(checker.tenants, []);
  });

  it("keeps health and schedule of what stays, health of what is checked otherwise, nothing of what is gone", async () => {
    await using all = bench();
    const { clock, checker, starts, verdicts } = all;
    verdicts.set(2, BAD);
    checker.setTargets("acme", [target("acme", "a", 1), target("acme", "b", 2), target("acme", "c", 3)]);
    await clock.advance(900);
    all.news();
    starts.length = 0;
    // b is checked otherwise, c is gone, d is new.
    verdicts.delete(2);
    const other = { trial: { type: "http", path: "/", host: "x", status: null } } as const;
    checker.setTargets("acme", [target("acme", "a", 1), target("acme", "b", 2, other), target("acme", "d", 4)]);
    assertEquals(checker.rowsOf("acme").map(({ endpoint, health }) => `${endpoint} ${health}`), [
      "a up",
      "b down",
      "d unknown",
    ]);
    await clock.advance(50);
    assertEquals(all.news(), ["acme/c unknown: not checked any more", "acme/d up: it answers"]);
    assertEquals(starts.map(({ port }) => port), [2, 4]);
    await clock.advance(100);
    assertEquals(starts.filter(({ port }) => port === 1), [{ atMs: 1000, port: 1 }]);
    await clock.advance(1000);
    assertEquals(all.news(), ["acme/b up: it answers"]);
    // Thresholds alone change nothing else.
    starts.length = 0;
    checker.setTargets("acme", [{ ...target("acme", "a", 1), fall: 1 }]);
    await clock.advance(900);
    verdicts.set(1, BAD);
    await clock.advance(300);
    assertEquals(starts.map(({ atMs }) => atMs), [3000]);
    assertEquals(all.news(), [
      "acme/b unknown: not checked any more",
      "acme/d unknown: not checked any more",
      "acme/a down: connection refused",
    ]);
  });

  it("aborts a check that nobody wants any more", async () => {
    await using all = bench();
    const { clock, checker, verdicts } = all;
    verdicts.set(1, "hangs");
    checker.setTargets("acme", [target("acme", "a", 1)]);
    await settled();
    checker.setTargets("acme", []);
    await settled();
    assertEquals(all.aborted, [1]);
    await clock.advance(3000);
    assertEquals(all.news(), []);
    assertEquals(checker.counts, { probes: 0, inFlight: 0 });
  });

  it("spreads first checks, over an interval at the most", async () => {
    let seed = 7;
    const random = () => (seed = seed * 48271 % 2147483647) / 2147483647;
    await using all = bench({ random });
    const { clock, checker, starts } = all;
    for (let index = 0; index < 100; index++) {
      const tenant = `t${index}`;
      checker.setTargets(tenant, Array.from({ length: 10 }, (_, at) => target(tenant, `e${at}`, 1 + index * 10 + at)));
    }
    await clock.advance(999.9);
    assertEquals(new Set(starts.map(({ port }) => port)).size, 1000);
    const inTenths = Array.from(
      { length: 10 },
      (_, tenth) => starts.filter(({ atMs }) => Math.floor(atMs / 100) === tenth).length,
    );
    for (const count of inTenths) assertLess(count, 200);
    for (const count of inTenths) assertGreater(count, 50);
  });

  it("varies the interval by the jitter", async () => {
    const values = [0, 1 - Number.EPSILON, 0.5];
    await using all = bench({ random: () => values.shift() ?? 0.5 });
    const { clock, checker, starts } = all;
    checker.setTargets("acme", [target("acme", "a", 1, { jitterPpm: 200_000 })]);
    await clock.advance(4000);
    assertEquals(starts.map(({ atMs }) => Math.round(atMs)), [0, 800, 2000, 3000, 4000]);
  });

  it("bounds what is under way; dead endpoints of one tenant do not hold up another", async () => {
    await using all = bench({ mostInFlight: 16 });
    const { clock, checker, starts, verdicts } = all;
    const dead = Array.from({ length: 100 }, (_, at) => target("dead", `e${at}`, 1 + at));
    for (const { spec } of dead) verdicts.set(portOf(spec), "hangs");
    checker.setTargets("dead", dead);
    await clock.advance(150);
    assertEquals(checker.counts.inFlight, 2);
    checker.setTargets("acme", [target("acme", "a", 1000)]);
    const checked = () => starts.filter(({ port }) => port === 1000).length;
    await clock.advance(60);
    assertEquals(checked(), 1);
    await clock.advance(10_000);
    assertEquals(checked(), 11);
    // Two at a time, 200 ms each: every one of the hundred has its turn.
    assertEquals(new Set(starts.map(({ port }) => port)).size, 101);
    for (let at = 0; at < 20; at++) {
      verdicts.set(2000 + at, "hangs");
      checker.setTargets(`t${at}`, [target(`t${at}`, "a", 2000 + at)]);
    }
    await clock.advance(100);
    assertEquals(checker.counts.inFlight, 16);
  });

  it("tells together what changes together, and goes on when that is not taken well", async () => {
    const clock = new ManualClock();
    const errors: unknown[] = [];
    const batches: number[] = [];
    await using checker = new HealthChecker({
      check: () => Promise.resolve({ kind: "good" }),
      now: clock.now,
      sleep: clock.sleep,
      unixMs: clock.now,
      random: () => 0.5,
      onTransitions: (batch) => {
        batches.push(batch.length);
        throw new Error("not now");
      },
      onError: (error) => void errors.push(error),
    });
    checker.begin();
    checker.setTargets("acme", [target("acme", "a", 1)]);
    await clock.advance(10);
    checker.setTargets("bolt", [target("bolt", "a", 1), target("bolt", "b", 1)]);
    await clock.advance(2000);
    assertEquals(batches, [1, 2]);
    assertEquals(errors.length, 2);
    assertEquals(checker.rowsOf("bolt").map(({ health }) => health), ["up", "up"]);
  });

  it("ends at once, and tells nothing more", async () => {
    const all = bench();
    const { clock, checker, verdicts, starts } = all;
    verdicts.set(1, "hangs");
    checker.setTargets("acme", [target("acme", "a", 1), target("acme", "b", 2)]);
    await settled();
    await checker[Symbol.asyncDispose]();
    assertEquals(all.aborted, [1]);
    assertEquals(clock.sleepers, 0);
    const before = starts.length;
    checker.setTargets("bolt", [target("bolt", "a", 3)]);
    await clock.advance(5000);
    assertEquals(starts.length, before);
    assertEquals(all.news().filter((line) => line.includes("/a")), []);
  });
});
