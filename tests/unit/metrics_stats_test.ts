/** Counters as JSON, and the estimates in them. */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { addBuckets, countOf, quantileOf } from "../../src/metrics/histogram.ts";
import { statsView } from "../../src/metrics/mod.ts";
import { listenerStats, sharedStats, sources } from "./metrics_fixture.ts";

const AT_MS = Date.parse("2026-01-31T12:00:00.000Z");

describe("statsView", () => {
  it("tells a tenant whole", () => {
    const { at, process, tenants } = statsView(sources(), AT_MS, "acme");
    assertEquals([at, process, tenants.length], ["2026-01-31T12:00:00.000Z", null, 1]);
    assertEquals(tenants[0], {
      tenant: "acme",
      sessions: {
        total: 9,
        active: 2,
        queued: 1,
        refused: { tenant_connections: 1 },
        dry_run_refused: {},
        closed: { "--": 5, "PR": 1 },
      },
      bytes: { up: 1000, down: 2000, buffered: 64 },
      throttled: { up_ms: 1500, down_ms: 0.25 },
      retries: 3,
      connect: { count: 4, mean_ms: 0.375, p50_ms: 0.333, p99_ms: 0.497 },
      session: { count: 6, mean_ms: 416.667, p50_ms: 800, p99_ms: 3_600_000 },
      listeners: [{ id: "pg", sessions: 6 }, { id: "web", sessions: 3 }],
      backends: [{
        id: "pool",
        circuit: "half_open",
        connects: 5,
        connect_failures: 1,
        connect: { count: 4, mean_ms: 0.375, p50_ms: 0.333, p99_ms: 0.497 },
      }],
      endpoints: [
        {
          backend: "pool",
          id: "a",
          state: "ready",
          health: "unknown",
          sessions: 2,
          ejected: true,
          sessions_total: 5,
          connect_failures: 1,
          preconnect_idle: 3,
        },
        {
          backend: "pool",
          id: "b",
          state: "drain",
          health: "unknown",
          sessions: 0,
          ejected: false,
          sessions_total: 0,
          connect_failures: 0,
          preconnect_idle: 0,
        },
      ],
    });
    assertEquals(statsView(sources(), AT_MS, "nobody").tenants, []);
  });

  it("tells all tenants and the process", () => {
    const { process, tenants } = statsView(sources(), AT_MS);
    assertEquals(tenants.map(({ tenant }) => tenant), ["acme", "globex"]);
    assertEquals(tenants[1]?.sessions.dry_run_refused, { tenant_connections: 3 });
    assertEquals(tenants[1]?.session, { count: 0, mean_ms: null, p50_ms: null, p99_ms: null });
    assertEquals(tenants[1]?.endpoints.map(({ id, connect_failures }) => [id, connect_failures]), [["a", 7]]);
    assertEquals(process, {
      sessions_active: 3,
      fds_in_use: 30,
      pipes_in_use: 5,
      buffer_bytes: 64,
      session_bytes: 0,
      accept_pauses: 2,
      access_log_dropped: 8,
      workers: [{ sessions_active: 2, loop_lag_ms: 1.5 }, { sessions_active: 1, loop_lag_ms: 0 }],
    });
  });

  it("tells what shared listeners have seen beside the tenants, to who sees all", () => {
    assertEquals(statsView(sources(), AT_MS).shared, null);
    const edge = { ...listenerStats("", "edge", 7), tenant: null };
    const own = sharedStats({
      sessionsActive: 1,
      refused: new Map([["no_route", 2]]),
      closed: new Map([["PR", 2], ["cR", 1]]),
    });
    const { tenants, listeners } = sources();
    const given = sources({ tenants: [own, ...tenants], listeners: [edge, ...listeners] });
    const { shared, tenants: told } = statsView(given, AT_MS);
    assertEquals(shared, {
      active: 1,
      refused: { no_route: 2 },
      closed: { PR: 2, cR: 1 },
      listeners: [{ id: "edge", sessions: 7 }],
    });
    assertEquals(told.map(({ tenant }) => tenant), ["acme", "globex"]);
    assertEquals(statsView(given, AT_MS, "acme").shared, null);
  });

  it("is plain JSON", () => {
    const view = statsView(sources(), AT_MS);
    assertEquals(JSON.parse(JSON.stringify(view)), view);
  });
});

describe("quantileOf", () => {
  const bounds = [10, 20, 40];

  it("spreads the values of a bucket evenly", () => {
    assertEquals(quantileOf([4, 0, 0, 0], bounds, 0.5), 5);
    assertEquals(quantileOf([4, 0, 0, 0], bounds, 1), 10);
    assertEquals(quantileOf([1, 0, 2, 0], bounds, 2 / 3), 30);
    assertEquals(quantileOf([0, 2, 2, 0], bounds, 0.5), 20);
  });

  it("has the last bound for what is above all, and nothing for nothing", () => {
    assertEquals(quantileOf([1, 0, 0, 9], bounds, 0.99), 40);
    assertEquals(quantileOf([0, 0, 0, 0], bounds, 0.5), null);
  });
});

describe("buckets", () => {
  it("are counted and added one by one", () => {
    assertEquals(countOf([1, 2, 3]), 6);
    assertEquals(addBuckets([1, 2, 3], [10, 20, 30]), [11, 22, 33]);
  });
});
