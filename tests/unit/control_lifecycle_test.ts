/** What signals do, on a clock that the test moves. */
import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type LifecycleDeps, runUntilStopped } from "../../src/control/mod.ts";
import { FakeDataPlane, FakeLog } from "./control_fixture.ts";

class Bench {
  readonly dataPlane = new FakeDataPlane();
  readonly log = new FakeLog();
  readonly exits: number[] = [];
  reloads = 0;
  nowMs = 0;
  /** Called at each look at the sessions. */
  onSleep: () => void = () => {};
  readonly #handlers = new Map<string, () => void>();

  deps(graceMs: number): LifecycleDeps {
    return {
      control: {
        reload: () => Promise.resolve(this.reloads++),
        drain: (grace) => this.dataPlane.drain(grace),
        stop: () => this.dataPlane.stop(),
        status: () => this.dataPlane.status(),
      },
      signals: {
        on: (signal, handler) => {
          this.#handlers.set(signal, handler);
          return { [Symbol.dispose]: () => void this.#handlers.delete(signal) };
        },
      },
      log: this.log,
      graceMs: () => graceMs,
      exitNow: (code) => void this.exits.push(code),
      now: () => this.nowMs,
      sleep: (ms) => {
        this.nowMs += ms;
        this.onSleep();
        return Promise.resolve();
      },
    };
  }

  signal(name: string): void {
    const handler = this.#handlers.get(name);
    assert(handler !== undefined, `nobody listens to ${name}`);
    handler();
  }

  get listening(): string[] {
    return [...this.#handlers.keys()].sort();
  }
}

describe("runUntilStopped", () => {
  it("reloads on SIGHUP and goes on", async () => {
    const bench = new Bench();
    const done = runUntilStopped(bench.deps(1000));
    assertEquals(bench.listening, ["SIGHUP", "SIGINT", "SIGTERM"]);
    bench.signal("SIGHUP");
    bench.signal("SIGHUP");
    assertEquals([bench.reloads, bench.dataPlane.drained], [2, []]);
    bench.signal("SIGTERM");
    await done;
  });

  for (const name of ["SIGTERM", "SIGINT"]) {
    it(`drains with the grace on ${name}, stops as soon as no session is left, and lets go of the signals`, async () => {
      const bench = new Bench();
      bench.dataPlane.sessionCount = 3;
      bench.onSleep = () => bench.dataPlane.sessionCount--;
      const done = runUntilStopped(bench.deps(30_000));
      bench.signal(name);
      await done;
      assertEquals(bench.dataPlane.drained, [30_000]);
      assertEquals(bench.dataPlane.stops, 1);
      assert(bench.nowMs < 1000, `it took ${bench.nowMs} ms`);
      assertEquals([bench.listening, bench.exits], [[], []]);
    });
  }

  it("does not wait much longer than the grace for sessions that stay", async () => {
    const bench = new Bench();
    bench.dataPlane.sessionCount = 1;
    const done = runUntilStopped(bench.deps(12_000));
    bench.signal("SIGTERM");
    await done;
    assert(bench.nowMs >= 12_000 && bench.nowMs <= 14_000, `it took ${bench.nowMs} ms`);
    assertEquals(bench.dataPlane.stops, 1);
    assertEquals(bench.log.messages("info").filter((line) => line.startsWith("waiting")).length, 2);
    assertEquals(bench.log.messages("warn"), ["sessions are left after the grace period"]);
  });

  it("ends at once with code 1 on a second signal", async () => {
    const bench = new Bench();
    bench.dataPlane.sessionCount = 1;
    bench.onSleep = () => {
      if (bench.exits.length === 0) bench.signal("SIGINT");
      bench.dataPlane.sessionCount = 0;
    };
    const done = runUntilStopped(bench.deps(30_000));
    bench.signal("SIGTERM");
    await done;
    assertEquals(bench.exits, [1]);
  });

  it("ends like that for whoever runs it in a program of theirs", async () => {
    const bench = new Bench();
    const stop = new AbortController();
    const done = runUntilStopped(bench.deps(10), stop.signal);
    stop.abort();
    await done;
    assertEquals(bench.dataPlane.stops, 1);
    await runUntilStopped(bench.deps(10), stop.signal);
    assertEquals(bench.dataPlane.stops, 2);
  });
});
