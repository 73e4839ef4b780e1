/** Shared listeners, routes, splits and resilience in the blob, and the numbers that name them. */
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { SHARED_HOLDER, type TenantPlan } from "../../src/config/mod.ts";
import { CONSTANTS } from "../../src/ffi/constants.ts";
import { encodeChange } from "../../src/ffi/encode.ts";
import { encodeHealth, knownHealth } from "../../src/ffi/health.ts";
import { IdRegistry } from "../../src/ffi/ids.ts";
import { RECORDS } from "../../src/ffi/layout.ts";
import { Blob, upsert } from "./ffi_blob.ts";
import { backendPlan, endpoint, ipv4, listener, route, shared, tenant } from "./ffi_fixture.ts";

const { TABLE_BACKEND, TABLE_ENDPOINT, TABLE_LISTENER, TABLE_ROUTE, TABLE_SPLIT, TABLE_TENANT, TABLE_TEXT } = CONSTANTS;
const ten8 = { family: "ipv4", ip: "10.0.0.0", bits: 8 } as const;
const docs = { family: "ipv6", ip: "2001:db8::", bits: 32 } as const;

const edge = listener("edge", ipv4("0.0.0.0", 8443), null, 8443, {
  detect: { protocol: "tls", timeoutMs: 5_000 },
  proxyHeader: { trusted: [docs, ten8], timeoutMs: 3_000 },
});
const acme = tenant("acme", {
  access: { allow: null, deny: [ten8] },
  listeners: [],
  routes: [
    route("web", "edge", { names: ["acme.example", "*.acme.example"], protocols: ["h2"] }),
    route("old", "edge", { sources: [docs], protocols: ["h2", "http/1.1"], isDefault: true }),
  ],
});

describe("shared listeners", () => {
  it("have a holder that is no tenant, before all tenants", () => {
    const blob = new Blob({ shared: shared(edge), upserts: [acme], removals: [] });
    const holder = blob.record(TABLE_TENANT, 0, "tenant_record");
    assertEquals(holder["flags"], CONSTANTS.TENANT_ENABLED | CONSTANTS.TENANT_SHARED);
    assertEquals([holder["listener_count"], holder["backend_count"], holder["route_count"]], [1, 0, 0]);
    const row = blob.record(TABLE_LISTENER, 0, "listener_record");
    assertEquals([row["backend"], row["detect"], row["detect_timeout_ms"]], [0, CONSTANTS.DETECT_TLS, 5_000]);
    assertEquals([row["proxy_accept"], row["proxy_timeout_ms"]], [CONSTANTS.PROXY_REQUIRED, 3_000]);
    assertEquals([row["first_trusted"], row["trusted_count"]], [0, 2]);
    assertEquals([blob.prefix(0), blob.prefix(1)], ["20010db8/32", "10.0.0.0/8"]);
  });

  it("leave a listener of a tenant's own without any of it", () => {
    const row = new Blob(upsert(tenant("acme"))).record(TABLE_LISTENER, 0, "listener_record");
    const off = ["detect", "detect_timeout_ms", "proxy_accept", "proxy_timeout_ms", "first_trusted", "trusted_count"];
    assertEquals(off.map((field) => row[field]), Array(off.length).fill(0));
    assertNotEquals(row["backend"], 0);
  });

  it("are removed with their holder, and come back under other numbers", () => {
    const registry = new IdRegistry();
    encodeChange({ shared: shared(edge), upserts: [], removals: [] }, 1, registry).commit();
    const before = registry.tenant(SHARED_HOLDER)!;
    assertEquals(registry.name(before.id), null, "the holder has no name");
    assertEquals(registry.name(before.listeners.get("edge")!), "edge");
    assertEquals(registry.find({ tenant: SHARED_HOLDER })?.ids, []);
    const gone = new Blob({ shared: null, upserts: [], removals: [] }, registry, 2);
    assertEquals(gone.records.u64(gone.table(CONSTANTS.TABLE_REMOVED).offset), before.id);
    encodeChange({ shared: null, upserts: [], removals: [] }, 2, registry).commit();
    assertEquals(registry.name(before.listeners.get("edge")!), "edge", "sessions may still be told");
    encodeChange({ shared: shared(edge), upserts: [], removals: [] }, 3, registry).commit();
    assertNotEquals(registry.tenant(SHARED_HOLDER)?.listeners.get("edge"), before.listeners.get("edge"));
  });

  it("are told by their name alone where an address cannot be bound", () => {
    const draft = encodeChange({ shared: shared(edge), upserts: [acme], removals: [] }, 1, new IdRegistry());
    assertEquals(draft.describe(TABLE_TENANT, 0), {});
    assertEquals(draft.describe(TABLE_LISTENER, 0), { listener: "edge", address: "0.0.0.0:8443" });
    assertEquals(draft.describe(CONSTANTS.TABLE_PREFIX, 1), { listener: "edge" });
  });
});

describe("routes", () => {
  it("point at their listener, backend, names, protocols and sources", () => {
    const registry = new IdRegistry();
    const blob = new Blob({ shared: shared(edge), upserts: [acme], removals: [] }, registry);
    const own = blob.record(TABLE_TENANT, 1, "tenant_record");
    assertEquals([own["first_route"], own["route_count"], own["first_prefix"], own["deny_count"]], [0, 2, 2, 1]);
    const [web, old] = [0, 1].map((index) => blob.record(TABLE_ROUTE, index, "route_record"));
    const edgeId = blob.record(TABLE_LISTENER, 0, "listener_record")["id"];
    const poolId = blob.record(TABLE_BACKEND, 0, "backend_record")["id"];
    for (const row of [web, old]) assertEquals([row?.["listener"], row?.["backend"]], [edgeId, poolId]);
    assertEquals([web?.["flags"], old?.["flags"]], [0, CONSTANTS.ROUTE_DEFAULT]);
    assertEquals([web?.["first_name"], web?.["name_count"]], [0, 2]);
    assertEquals([web?.["first_protocol"], web?.["protocol_count"], web?.["source_count"]], [2, 1, 0]);
    assertEquals([old?.["name_count"], old?.["first_protocol"], old?.["protocol_count"]], [0, 3, 2]);
    assertEquals([blob.prefix(old?.["first_source"] ?? -1), old?.["source_count"]], ["20010db8/32", 1]);
    const texts = Array.from({ length: blob.table(TABLE_TEXT).count }, (_, index) => blob.text(index));
    assertEquals(texts, ["acme.example", "*.acme.example", "h2", "h2", "http/1.1"]);
    assertEquals(new Set([web?.["id"], old?.["id"], edgeId, poolId, 0]).size, 5);
  });

  it("have each text once in the table of strings, beside the paths of sockets", () => {
    const path = "/run/x.sock";
    const blob = new Blob({
      shared: shared(edge),
      upserts: [acme, tenant("globex", { listeners: [listener("in", { family: "unix", path })] })],
      removals: [],
    });
    const all = [path, "acme.example", "*.acme.example", "h2", "http/1.1"];
    assertEquals(blob.table(CONSTANTS.TABLE_STRING).count, all.join("").length);
    assertEquals(
      new TextDecoder().decode(new Uint8Array(blob.address(TABLE_LISTENER, 1, "listener_record").path)),
      path,
    );
  });

  it("name the listener that is in force where shared listeners do not change", () => {
    const registry = new IdRegistry();
    encodeChange({ shared: shared(edge), upserts: [], removals: [] }, 1, registry).commit();
    const blob = new Blob(upsert(acme), registry, 2);
    const id = registry.tenant(SHARED_HOLDER)?.listeners.get("edge");
    assertEquals(blob.record(TABLE_ROUTE, 0, "route_record")["listener"], id);
  });

  it("are left out while their listener is away", () => {
    const registry = new IdRegistry();
    const alone = new Blob(upsert(acme), registry);
    assertEquals(alone.table(TABLE_ROUTE).count, 0);
    assertEquals(alone.record(TABLE_TENANT, 0, "tenant_record")["route_count"], 0);
    encodeChange({ shared: shared(edge), upserts: [], removals: [] }, 1, registry).commit();
    assertEquals(new Blob({ shared: null, upserts: [acme], removals: [] }, registry, 2).table(TABLE_ROUTE).count, 0);
  });

  it("keep their numbers, which log records name", () => {
    const registry = new IdRegistry();
    const apply = (plan = acme) => {
      encodeChange({ shared: shared(edge), upserts: [plan], removals: [] }, 1, registry).commit();
      return registry.tenant("acme")!.routes;
    };
    const before = apply();
    assertEquals(registry.name(before.get("web")!), "web");
    assertEquals(apply({ ...acme, enabled: false }), before);
    const after = apply({ ...acme, routes: acme.routes.slice(1) });
    assertEquals([...after.keys()], ["old"]);
    assertEquals(registry.name(before.get("web")!), "web", "a session may still be told");
    assertNotEquals(apply().get("web"), before.get("web"));
  });

  it("are told where a record of theirs is refused", () => {
    const draft = encodeChange({ shared: shared(edge), upserts: [acme], removals: [] }, 1, new IdRegistry());
    assertEquals(draft.describe(TABLE_ROUTE, 1), { tenant: "acme", route: "old" });
    assertEquals(draft.describe(TABLE_TEXT, 2), { tenant: "acme", route: "web" });
    assertEquals(draft.describe(CONSTANTS.TABLE_PREFIX, 3), { tenant: "acme", route: "old" });
    assertEquals(draft.describe(CONSTANTS.TABLE_PREFIX, 2), { tenant: "acme" });
    assertEquals([draft.describe(TABLE_ROUTE, 9), draft.describe(TABLE_TEXT, 9)], [{}, {}]);
  });

  it("that lead to a backend that is not there are refused", () => {
    const wrong = { ...acme, routes: [route("web", "edge", { backend: "nope", isDefault: true })] };
    const encode = () => encodeChange({ shared: shared(edge), upserts: [wrong], removals: [] }, 1, new IdRegistry());
    assertThrows(encode, TypeError, "backend nope of route web");
  });
});

describe("a backend", () => {
  it("is written with every value", () => {
    const all = backendPlan("pool", {
      balance: "least_time",
      attempts: 5,
      backoffMs: 100,
      retryBudgetPpm: 200_000,
      endpoints: [endpoint("a", ipv4("10.0.0.1", 1), { tier: 15 })],
      sendProxy: "v1",
      sourceAddress: { family: "ipv6", ip: "fd00::1", port: 0, scopeId: 0 },
      passive: { failures: 1, windowMs: 5_000_000_000, ejectMs: 3, maxEjectedPpm: 4 },
      breaker: { requests: 5, errorPpm: 6, windowMs: 7, openMs: 8, probes: 9 },
      slowStartMs: 10,
      panicPpm: 11,
      preconnect: { min: 12, max: 13, idleMs: 14 },
    });
    const blob = new Blob(upsert(tenant("acme", { backends: [all] })));
    const { id, ...row } = blob.record(TABLE_BACKEND, 0, "backend_record");
    assert(id !== 0);
    assertEquals(row, {
      balance: CONSTANTS.BALANCE_LEAST_TIME,
      attempts: 5,
      first_endpoint: 0,
      endpoint_count: 1,
      first_split: 0,
      split_count: 0,
      send_proxy: CONSTANTS.SEND_PROXY_V1,
      backoff_ms: 100,
      retry_budget_ppm: 200_000,
      passive_failures: 1,
      passive_window_ms: 5_000_000_000,
      eject_ms: 3,
      max_ejected_ppm: 4,
      breaker_requests: 5,
      breaker_error_ppm: 6,
      breaker_probes: 9,
      breaker_window_ms: 7,
      breaker_open_ms: 8,
      slow_start_ms: 10,
      panic_ppm: 11,
      preconnect_min: 12,
      preconnect_max: 13,
      reserved0: 0,
      preconnect_idle_ms: 14,
      split_seed: 0,
    });
    const source = blob.address(TABLE_BACKEND, 0, "backend_record");
    assertEquals([source.family, source.port, source.ip[0], source.ip[15]], [CONSTANTS.FAMILY_IPV6, 0, 0xfd, 1]);
    const own = blob.record(TABLE_ENDPOINT, 0, "endpoint_record");
    assertEquals([own["tier"], own["health"]], [15, CONSTANTS.HEALTH_UNKNOWN]);
  });

  it("is written with zeros for what is off, and no bound of retries", () => {
    const row = new Blob(upsert(tenant("acme"))).record(TABLE_BACKEND, 0, "backend_record");
    const { id: _id, attempts: _attempts, endpoint_count: _count, retry_budget_ppm, ...rest } = row;
    assertEquals(retry_budget_ppm, CONSTANTS.UNLIMITED32);
    assertEquals(Object.values(rest), Array(Object.keys(rest).length).fill(0));
  });

  it("has a number for each way to balance and each header", () => {
    const ways = ["round_robin", "least_connections", "random_two", "source_hash", "first", "least_time"] as const;
    const headers = ["off", "v1", "v2"] as const;
    const backends = [
      ...ways.map((balance) => backendPlan(balance.replaceAll("_", "-"), { balance })),
      ...headers.map((sendProxy) => backendPlan(`proxy-${sendProxy}`, { sendProxy })),
    ];
    const blob = new Blob(upsert(tenant("acme", { listeners: [], backends })));
    const rows = backends.map((_, index) => blob.record(TABLE_BACKEND, index, "backend_record"));
    assertEquals(rows.slice(0, ways.length).map((row) => row["balance"]), [0, 1, 2, 3, 4, 5]);
    assertEquals(rows.slice(ways.length).map((row) => row["send_proxy"]), [0, 1, 2]);
  });

  it("is split into others of its tenant, wherever they stand", () => {
    const split = [{ backend: "one", weight: 95 }, { backend: "two", weight: 5 }];
    const pool = (id: string) => backendPlan(id, { endpoints: [endpoint("a", ipv4("10.0.0.1", 1))] });
    const web = tenant("acme", { listeners: [], backends: [pool("one"), backendPlan("web", { split }), pool("two")] });
    const blob = new Blob(upsert(tenant("other"), web));
    const rows = [1, 2, 3].map((index) => blob.record(TABLE_BACKEND, index, "backend_record"));
    assertEquals(rows.map((row) => [row["endpoint_count"], row["first_split"], row["split_count"]]), [
      [1, 0, 0],
      [0, 0, 2],
      [1, 2, 0],
    ]);
    const again = new Blob(upsert(web)).record(TABLE_BACKEND, 1, "backend_record"); // other numbers, the same clients
    assert(rows[1]!["split_seed"] !== 0 && again["split_seed"] === rows[1]!["split_seed"]);
    const parts = [0, 1].map((index) => blob.record(TABLE_SPLIT, index, "split_record"));
    assertEquals(parts, [{ backend: rows[0]!["id"], weight: 95 }, { backend: rows[2]!["id"], weight: 5 }] as never);
    const draft = encodeChange(upsert(tenant("other"), web), 1, new IdRegistry());
    assertEquals(draft.describe(TABLE_SPLIT, 1), { tenant: "acme", backend: "web" });
    assertEquals(draft.describe(TABLE_SPLIT, 2), {});
  });
});

describe("mirror and fault", () => {
  it("are the tenant's", () => {
    const parts = {
      backends: [backendPlan("pool"), backendPlan("shadow")],
      mirror: { backend: "shadow", sharePpm: 100_000 },
      fault: { delayMs: 5_000_000_000, delayPpm: 1, resetPpm: 2, refusePpm: 3 },
    };
    const blob = new Blob(upsert(tenant("acme", parts)));
    const row = blob.record(TABLE_TENANT, 0, "tenant_record");
    assertEquals(row["mirror_backend"], blob.record(TABLE_BACKEND, 1, "backend_record")["id"]);
    assertEquals(
      ["mirror_share_ppm", "fault_delay_ppm", "fault_reset_ppm", "fault_refuse_ppm", "fault_delay_ms"].map((key) =>
        row[key]
      ),
      [100_000, 1, 2, 3, 5_000_000_000],
    );
    const wrong = upsert(tenant("acme", { mirror: { backend: "nope", sharePpm: 1 } }));
    assertThrows(() => encodeChange(wrong, 1, new IdRegistry()), TypeError, "backend nope");
  });
});

describe("encodeHealth", () => {
  it("has a record for each address that is in force, and none for the rest", () => {
    const registry = new IdRegistry();
    const endpoints = [1, 2].map((port) => endpoint("db", ipv4("10.0.0.1", port)));
    const plan = tenant("acme", { backends: [backendPlan("pool", { endpoints })] });
    encodeChange(upsert(plan), 1, registry).commit();
    const [first, second] = registry.tenant("acme")!.backends.get("pool")!.endpoints.values();
    const of = { tenant: "acme", backend: "pool", endpoint: "db" };
    const known = knownHealth([
      { ...of, health: "up" },
      { ...of, address: ipv4("10.0.0.1", 2), health: "down" },
      { ...of, address: ipv4("10.0.0.1", 3), health: "down" },
      { ...of, endpoint: "d", health: "down" },
      { ...of, backend: "other", health: "down" },
      { ...of, tenant: "nobody", health: "down" },
    ], registry);
    const records = encodeHealth(known);
    const { size, fields } = RECORDS.health_record;
    const rows = [0, 1, 2].map((index) => [
      records.number(index * size, fields.endpoint),
      records.number(index * size, fields.health),
    ]);
    assertEquals(records.bytes.length, 3 * size);
    assertEquals(rows, [
      [first, CONSTANTS.HEALTH_UP],
      [second, CONSTANTS.HEALTH_UP],
      [second, CONSTANTS.HEALTH_DOWN],
    ]);
    assertEquals(encodeHealth([]).bytes.length, 0);
  });

  it("is told again with each version of the tenant, as long as the endpoint stays", () => {
    const registry = new IdRegistry();
    const planOf = (...ports: number[]) => {
      const endpoints = ports.map((port) => endpoint("db", ipv4("10.0.0.1", port)));
      return tenant("acme", { backends: [backendPlan("pool", { endpoints })] });
    };
    const healthsIn = (plan: TenantPlan) => {
      const blob = new Blob(upsert(plan), registry);
      encodeChange(upsert(plan), 1, registry).commit();
      return plan.backends[0]!.endpoints.map((_, index) =>
        blob.record(CONSTANTS.TABLE_ENDPOINT, index, "endpoint_record")["health"]
      );
    };
    const { HEALTH_UNKNOWN, HEALTH_UP, HEALTH_DOWN } = CONSTANTS;
    assertEquals(healthsIn(planOf(1, 2)), [HEALTH_UNKNOWN, HEALTH_UNKNOWN]);
    const [first, second] = registry.tenant("acme")!.backends.get("pool")!.endpoints.values();
    registry.setHealth(first!, "down");
    registry.setHealth(second!, "up");
    assertEquals(healthsIn(planOf(3, 2, 1)), [HEALTH_UNKNOWN, HEALTH_UP, HEALTH_DOWN]);
    registry.setHealth(second!, "unknown");
    assertEquals(healthsIn(planOf(2)), [HEALTH_UNKNOWN]);
    // What went and comes back is another endpoint.
    assertEquals(healthsIn(planOf(1)), [HEALTH_UNKNOWN]);
  });
});
