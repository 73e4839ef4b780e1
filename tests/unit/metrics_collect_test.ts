/** Which metrics there are, with which labels and values: all of them, of one tenant, by name, summed over tenants. */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { collectMetrics, type Family, METRICS } from "../../src/metrics/mod.ts";
import { backendStats, buckets, endpointStats, listenerStats, sharedStats, sources } from "./metrics_fixture.ts";

/** `name{labels}` to value; a histogram's value is its buckets that are not empty, and its sum. */
function valuesOf(families: readonly Family[]): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const family of families) {
    for (const sample of family.samples) {
      const labels = family.labels.map((label, index) => `${label}=${sample.labels[index]}`).join(",");
      const filled = (counts: readonly number[]) =>
        Object.fromEntries([...counts.entries()].filter(([, count]) => count > 0));
      values[`${family.name.replace("sluice_", "")}{${labels}}`] = "value" in sample
        ? sample.value
        : [filled(sample.buckets), sample.sum];
    }
  }
  return values;
}

describe("collectMetrics", () => {
  it("tells every metric of the table, in its order", () => {
    assertEquals(collectMetrics(sources()).map(({ name }) => name), Object.values(METRICS).map(({ name }) => name));
    assertEquals(valuesOf(collectMetrics(sources())), {
      "sessions_total{tenant=acme,listener=pg}": 6,
      "sessions_total{tenant=acme,listener=web}": 3,
      "sessions_total{tenant=globex,listener=pg}": 4,
      "sessions_active{tenant=acme}": 2,
      "sessions_active{tenant=globex}": 1,
      "sessions_refused_total{tenant=acme,reason=tenant_connections}": 1,
      "sessions_refused_total{tenant=globex,reason=no_endpoint}": 2,
      "sessions_refused_total{tenant=globex,reason=tenant_connections}": 4,
      "sessions_dry_run_refused_total{tenant=globex,reason=tenant_connections}": 3,
      "sessions_closed_total{tenant=acme,code=--}": 5,
      "sessions_closed_total{tenant=acme,code=PR}": 1,
      "sessions_closed_total{tenant=globex,code=--}": 3,
      "bytes_total{tenant=acme,direction=up}": 1000,
      "bytes_total{tenant=acme,direction=down}": 2000,
      "bytes_total{tenant=globex,direction=up}": 10,
      "bytes_total{tenant=globex,direction=down}": 0,
      "connect_duration_seconds{tenant=acme}": [{ 0: 1, 2: 3 }, 0.0015],
      "connect_duration_seconds{tenant=globex}": [{ 2: 1 }, 0.0005],
      "session_duration_seconds{tenant=acme}": [{ 12: 5, 19: 1 }, 2.5],
      "throttled_seconds_total{tenant=acme,direction=up}": 1.5,
      "throttled_seconds_total{tenant=acme,direction=down}": 0.00025,
      "throttled_seconds_total{tenant=globex,direction=down}": 0.5,
      "queue_length{tenant=acme}": 1,
      "queue_length{tenant=globex}": 0,
      "retries_total{tenant=acme}": 3,
      "retries_total{tenant=globex}": 0,
      "circuit_state{tenant=acme,backend=pool}": 2,
      "circuit_state{tenant=globex,backend=pool}": 1,
      "endpoint_up{tenant=acme,backend=pool,endpoint=a}": 0,
      "endpoint_up{tenant=acme,backend=pool,endpoint=b}": 0,
      "endpoint_up{tenant=globex,backend=pool,endpoint=a}": 1,
      "endpoint_ejected{tenant=acme,backend=pool,endpoint=a}": 1,
      "endpoint_ejected{tenant=acme,backend=pool,endpoint=b}": 0,
      "endpoint_ejected{tenant=globex,backend=pool,endpoint=a}": 0,
      "endpoint_sessions_active{tenant=acme,backend=pool,endpoint=a}": 2,
      "endpoint_sessions_active{tenant=acme,backend=pool,endpoint=b}": 0,
      "endpoint_sessions_active{tenant=globex,backend=pool,endpoint=a}": 1,
      "endpoint_connect_failures_total{tenant=acme,backend=pool,endpoint=a}": 1,
      "endpoint_connect_failures_total{tenant=acme,backend=pool,endpoint=b}": 0,
      "endpoint_connect_failures_total{tenant=globex,backend=pool,endpoint=a}": 7,
      "preconnect_idle{tenant=acme,backend=pool,endpoint=a}": 3,
      "preconnect_idle{tenant=acme,backend=pool,endpoint=b}": 0,
      "preconnect_idle{tenant=globex,backend=pool,endpoint=a}": 0,
      "config_generation{}": 12,
      "config_last_reload_successful{}": 1,
      "config_last_reload_timestamp_seconds{}": 1_700_000_000.5,
      "config_tenants_in_error{}": 1,
      "worker_loop_lag_seconds{worker=0}": 0.0015,
      "worker_loop_lag_seconds{worker=1}": 0,
      "worker_sessions_active{worker=0}": 2,
      "worker_sessions_active{worker=1}": 1,
      "pipes_in_use{}": 5,
      "fds_in_use{}": 30,
      "access_log_dropped_total{}": 8,
      "build_info{version=1.2.3}": 1,
    });
  });

  it("tells one tenant's alone, and nothing of the process", () => {
    for (const perTenant of [true, false]) {
      const families = collectMetrics(sources({ perTenant }), { tenant: "globex" });
      const keys = Object.keys(valuesOf(families));
      assertEquals(keys.filter((key) => !key.includes("tenant=globex")), []);
      assertEquals(keys.length, 18);
    }
    assertEquals(collectMetrics(sources(), { tenant: "nobody" }), []);
    assertEquals(collectMetrics(sources(), { tenant: "glob" }), []);
  });

  it("tells metrics by name, a histogram also by the names of its parts", () => {
    const namesOf = (...names: string[]) => collectMetrics(sources(), { names }).map(({ name }) => name);
    assertEquals(namesOf("sluice_build_info", "sluice_bytes_total"), ["sluice_bytes_total", "sluice_build_info"]);
    for (const part of ["", "_bucket", "_sum", "_count"]) {
      assertEquals(namesOf(`sluice_connect_duration_seconds${part}`), ["sluice_connect_duration_seconds"]);
    }
    assertEquals(namesOf("sluice_retries_total_sum", "retries_total", ""), []);
    assertEquals(namesOf(), []);
    assertEquals(collectMetrics(sources(), { tenant: "acme", names: ["sluice_build_info"] }), []);
  });

  it("sums over tenants when they are not to be told apart", () => {
    const values = valuesOf(collectMetrics(sources({ perTenant: false })));
    assertEquals(Object.keys(values).filter((key) => /tenant=|listener=|backend=|endpoint=/.test(key)), []);
    const expected = {
      "sessions_total{}": 13,
      "sessions_active{}": 3,
      "sessions_refused_total{reason=tenant_connections}": 5,
      "sessions_refused_total{reason=no_endpoint}": 2,
      "sessions_closed_total{code=--}": 8,
      "bytes_total{direction=up}": 1010,
      "throttled_seconds_total{direction=down}": 0.50025,
      "queue_length{}": 1,
      "connect_duration_seconds{}": [{ 0: 1, 2: 4 }, 0.002],
      "endpoint_up{}": 1,
      "endpoint_ejected{}": 1,
      "preconnect_idle{}": 3,
      "endpoint_connect_failures_total{}": 8,
      "worker_sessions_active{worker=0}": 2,
    };
    for (const [key, value] of Object.entries(expected)) assertEquals(values[key], value, key);
    assertEquals(values["circuit_state{}"], undefined, "states are no amounts");
  });

  it("has what had no route yet under an empty tenant, and gives it to no tenant", () => {
    const { tenants, listeners } = sources();
    const given = sources({
      tenants: [
        sharedStats({ sessionsActive: 4, refused: new Map([["no_route", 2]]), closed: new Map([["PR", 2]]) }),
        ...tenants,
      ],
      listeners: [{ ...listenerStats("", "edge", 7), tenant: null }, ...listeners],
    });
    const values = valuesOf(collectMetrics(given));
    const own = Object.entries(values).filter(([key]) => /[{,]tenant=(,|\})/.test(key));
    assertEquals(own, [
      ["sessions_total{tenant=,listener=edge}", 7],
      ["sessions_active{tenant=}", 4],
      ["sessions_refused_total{tenant=,reason=no_route}", 2],
      ["sessions_closed_total{tenant=,code=PR}", 2],
    ]);
    assertEquals(valuesOf(collectMetrics({ ...given, perTenant: false }))["sessions_total{}"], 20);
    assertEquals(collectMetrics(given, { tenant: "" }), []);
  });

  it("has an endpoint up when one of its addresses is, and its state is ready", () => {
    const rows: [number, ...Parameters<typeof endpointStats>[3][]][] = [
      [1, { health: "up" }],
      [1, { health: "unknown" }],
      [0, { health: "down" }],
      [1, { health: "down" }, { health: "up" }],
      [1, { health: "up" }, { health: "down" }],
      [0, { health: "down" }, { health: "down" }],
      [0, { health: "up", ejected: true }],
      [1, { health: "up", ejected: true }, { health: "unknown" }],
      [0, { health: "up", ejected: true }, { health: "down" }],
      [0, { health: "up", state: "drain" }],
      [0, { health: "up", state: "maintenance" }],
    ];
    for (const [up, ...addresses] of rows) {
      const endpoints = addresses.map((parts) => endpointStats("acme", "pool", "a", { ...parts, sessionsActive: 2 }));
      const values = valuesOf(collectMetrics(sources({ endpoints })));
      assertEquals(values["endpoint_up{tenant=acme,backend=pool,endpoint=a}"], up, JSON.stringify(addresses));
      assertEquals(
        values["endpoint_sessions_active{tenant=acme,backend=pool,endpoint=a}"],
        2 * addresses.length,
      );
    }
  });

  it("has nothing of a tenant that has no name any more, and leaves out what has no value", () => {
    const families = collectMetrics(sources({
      tenants: [],
      listeners: [{ ...listenerStats("gone", "pg", 1), listener: null }],
      backends: [{ ...backendStats("gone", "pool"), tenant: null }],
      endpoints: [{ ...endpointStats("gone", "pool", "a"), tenant: null }],
    }));
    assertEquals(families.filter(({ labels }) => labels.includes("tenant")), []);
  });

  it("has a failed reload as 0", () => {
    const values = valuesOf(collectMetrics(sources({ lastReload: { ok: false, atMs: 0 } })));
    assertEquals(values["config_last_reload_successful{}"], 0);
  });

  it("does not change what it reads", () => {
    const given = sources({ perTenant: false });
    collectMetrics(given);
    assertEquals(given, sources({ perTenant: false }));
    assertEquals(given.tenants[0]?.connectBuckets, buckets({ 0: 1, 2: 3 }));
  });
});
