/**
 * Ejections, circuits and health in the log and as events; sessions of an endpoint that is ejected or down end where its
 * backend says so.
 */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { TenantPlan } from "../../src/config/mod.ts";
import type { Circuit, Health, SessionFilter } from "../../src/ffi/mod.ts";
import type { HealthTransition } from "../../src/health/mod.ts";
import { type UpstreamNotice, Upstreams } from "../../src/host/upstreams.ts";
import { FakeLog } from "./control_fixture.ts";
import { backendPlan, endpoint, ipv4, tenant } from "./ffi_fixture.ts";

class Bench {
  readonly log = new FakeLog();
  readonly events: unknown[] = [];
  readonly killed: [SessionFilter, string][] = [];
  /** What was told to the data plane, in the order of the calls. */
  readonly calls: unknown[] = [];
  readonly tenants = new Map<string, TenantPlan>([
    [
      "acme",
      tenant("acme", {
        backends: [
          backendPlan("pool", { endpoints: [endpoint("a", ipv4("10.0.0.5", 5432))] }),
          backendPlan("strict", { onDown: "close", endpoints: [endpoint("a", ipv4("10.0.0.5", 5432))] }),
        ],
      }),
    ],
  ]);
  failure: Error | null = null;
  nowMs = 0;
  readonly upstreams = new Upstreams({
    engine: {
      setHealth: (healths) => {
        this.calls.push(healths.map(({ endpoint, health }) => `${endpoint} ${health}`));
        return healths.length;
      },
      killSessions: (filter, reason) => {
        this.calls.push("kill");
        if (this.failure !== null) throw this.failure;
        return this.killed.push([filter, reason]) * 3;
      },
    },
    log: this.log,
    plan: () => ({ tenants: this.tenants }),
    onEvent: (kind, tenant, data) => void this.events.push([kind, tenant, data]),
    now: () => this.nowMs,
  });

  take(notice: "ejected" | "ejection_ended" | Circuit, parts: Partial<UpstreamNotice> = {}): void {
    const common = { kind: "notice", worker: 0, timeMs: 0, tenant: "acme", backend: "pool" } as const;
    const whole = notice === "ejected" || notice === "ejection_ended"
      ? { ...common, notice, endpoint: "a", address: "10.0.0.5:5432", ...parts }
      : { ...common, notice: "circuit", circuit: notice, ...parts };
    this.upstreams.take(whole as UpstreamNotice);
  }

  check(health: Health, before: Health, parts: Partial<HealthTransition> = {}): void {
    const address = ipv4("10.0.0.5", 5432);
    const names = { tenant: "acme", backend: "pool", endpoint: "a", address };
    const detail = health === "down" ? "cannot connect: connection refused" : "it answers";
    this.upstreams.takeHealth([{ ...names, health, before, detail, sinceMs: 0, ...parts }]);
  }

  lines(): unknown[] {
    return this.log.lines.splice(0).map(({ level, message, fields }) => [level, message, fields]);
  }
}

const ENDPOINT = { backend: "pool", endpoint: "a", address: "10.0.0.5:5432" };

describe("Upstreams", () => {
  it("tells of an ejection and of its end", () => {
    const bench = new Bench();
    bench.take("ejected");
    bench.take("ejection_ended");
    assertEquals(bench.events, [
      ["health", "acme", { ...ENDPOINT, ejected: true }],
      ["health", "acme", { ...ENDPOINT, ejected: false }],
    ]);
    assertEquals(bench.lines(), [
      ["warn", "the endpoint is ejected, connects have failed", { tenant: "acme", ...ENDPOINT }],
      ["info", "the endpoint takes part again", { tenant: "acme", ...ENDPOINT }],
    ]);
    assertEquals(bench.killed, []);
  });

  it("closes the sessions of that address where its backend says so", () => {
    const bench = new Bench();
    bench.take("ejected", { backend: "strict" });
    bench.take("ejection_ended", { backend: "strict" });
    const strict = { ...ENDPOINT, backend: "strict" };
    assertEquals(bench.killed, [[{ tenant: "acme", ...strict }, "endpoint_down"]]);
    assertEquals(bench.events, [
      ["health", "acme", { ...strict, ejected: true, closed: 3 }],
      ["health", "acme", { ...strict, ejected: false }],
    ]);
    bench.failure = new Error("stopping");
    bench.take("ejected", { backend: "strict" });
    assertEquals(bench.events.at(-1), ["health", "acme", { ...strict, ejected: true }]);
  });

  it("tells each state of a circuit", () => {
    const bench = new Bench();
    for (const circuit of ["open", "half_open", "closed"] as const) bench.take(circuit);
    const fields = { tenant: "acme", backend: "pool" };
    assertEquals(bench.lines(), [
      ["warn", "the circuit is open, sessions are refused", fields],
      ["info", "the circuit is half-open, some connects are let through", fields],
      ["info", "the circuit is closed", fields],
    ]);
    const events = ["open", "half_open", "closed"].map((circuit) => ["breaker", "acme", { backend: "pool", circuit }]);
    assertEquals(bench.events, events);
  });

  it("does not flood the log with one that flaps, and leaves others their lines", () => {
    const bench = new Bench();
    for (let flap = 0; flap < 10; flap++) bench.take("ejected");
    bench.take("ejected", { endpoint: "b" } as Partial<UpstreamNotice>);
    assertEquals(bench.lines().length, 2);
    bench.nowMs += 5_000;
    bench.take("ejected");
    assertEquals(bench.lines(), [
      ["warn", "the endpoint is ejected, connects have failed", { tenant: "acme", ...ENDPOINT, more: 9 }],
    ]);
    assertEquals(bench.events.length, 12);
  });

  it("says nothing of what is gone by now", () => {
    const bench = new Bench();
    bench.take("ejected", { tenant: null });
    bench.take("ejected", { backend: null });
    bench.take("ejected", { endpoint: null } as Partial<UpstreamNotice>);
    bench.take("open", { backend: null });
    assertEquals([bench.events, bench.lines()], [[], []]);
    bench.take("ejected", { tenant: "gone" });
    assertEquals([bench.events.length, bench.killed.length], [1, 0]);
  });

  it("tells the data plane what checks find, then everybody else", () => {
    const bench = new Bench();
    bench.check("up", "unknown");
    bench.check("down", "up");
    bench.check("up", "down");
    assertEquals(bench.calls, [["a up"], ["a down"], ["a up"]]);
    const detail = "cannot connect: connection refused";
    assertEquals(bench.events, [
      ["health", "acme", { ...ENDPOINT, health: "up", detail: "it answers" }],
      ["health", "acme", { ...ENDPOINT, health: "down", detail }],
      ["health", "acme", { ...ENDPOINT, health: "up", detail: "it answers" }],
    ]);
    assertEquals(bench.lines(), [
      ["debug", "the endpoint is up", { tenant: "acme", ...ENDPOINT }],
      ["warn", "the endpoint is down", { tenant: "acme", ...ENDPOINT, detail }],
      ["info", "the endpoint is up", { tenant: "acme", ...ENDPOINT }],
    ]);
    assertEquals(bench.killed, []);
  });

  it("closes the sessions of an endpoint that is down, where the backend says so, and not before no new ones come", () => {
    const bench = new Bench();
    bench.check("down", "up", { backend: "strict" });
    assertEquals(bench.calls, [["a down"], "kill"]);
    const filter = { tenant: "acme", backend: "strict", endpoint: "a", address: "10.0.0.5:5432" };
    assertEquals(bench.killed, [[filter, "endpoint_down"]]);
    bench.check("up", "down", { backend: "strict" });
    assertEquals(bench.killed.length, 1);
  });

  it("says nothing of an endpoint that is gone", () => {
    const bench = new Bench();
    bench.check("unknown", "down", { endpoint: "b" });
    bench.check("down", "up", { tenant: "globex" });
    bench.check("down", "up", { address: ipv4("10.0.0.6", 5432) });
    assertEquals([bench.events, bench.lines(), bench.killed], [[], [], []]);
  });
});
