/** The blob, byte for byte where it matters: header, tables, records, paths; and what an error's record is about. */
import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { PlanChange } from "../../src/config/mod.ts";
import { CONSTANTS } from "../../src/ffi/constants.ts";
import { encodeChange } from "../../src/ffi/encode.ts";
import { IdRegistry } from "../../src/ffi/ids.ts";
import { RECORDS } from "../../src/ffi/layout.ts";
import { Blob, upsert } from "./ffi_blob.ts";
import { backendPlan, endpoint, ipv4, listener, NO_LIMITS, PROCESS, tenant } from "./ffi_fixture.ts";

const NO_IP = Array(16).fill(0);
const bytesOf = (text: string) => [...new TextEncoder().encode(text)];

describe("encodeChange", () => {
  it("writes a header whose tables follow each other, each at a multiple of 8, up to the end", () => {
    const blob = new Blob({ process: PROCESS, upserts: [tenant("acme"), tenant("globex")], removals: [] });
    assertEquals(blob.header("magic"), CONSTANTS.BLOB_MAGIC);
    assertEquals(new TextDecoder().decode(blob.records.bytes.subarray(0, 4)), "SLUC");
    assertEquals(blob.header("abi_version"), CONSTANTS.ABI_VERSION);
    assertEquals(blob.header("generation"), 1);
    assertEquals(blob.header("total_size"), blob.records.bytes.length);
    const tables = Array.from({ length: CONSTANTS.TABLE_COUNT }, (_, index) => blob.table(index));
    assertEquals(tables.map((table) => table.count), [1, 2, 0, 2, 2, 2, 0, 0, 0, 0, 0]);
    let end: number = RECORDS.blob_header.size;
    for (const { offset, count, record_size } of tables) {
      assertEquals(offset, end);
      assertEquals(offset % 8, 0);
      end += Math.ceil(count * record_size / 8) * 8;
    }
    assertEquals(end, blob.records.bytes.length);
  });

  it("leaves the process's record out when it is unchanged", () => {
    assertEquals(new Blob(upsert(tenant("acme"))).table(CONSTANTS.TABLE_PROCESS).count, 0);
  });

  it("writes the process's limits, and null as unlimited", () => {
    const one = new Blob({ process: PROCESS, upserts: [], removals: [] });
    assertEquals(one.record(CONSTANTS.TABLE_PROCESS, 0, "process_record"), {
      max_connections: 100,
      access_log: 1,
      access_sample_ppm: 250_000,
      access_progress_ms: 60_000,
    });
    const process = { ...PROCESS, maxConnections: null, accessLog: false };
    const other = new Blob({ process, upserts: [], removals: [] }).record(0, 0, "process_record");
    assertEquals([other["max_connections"], other["access_log"]], [0xffff_ffff, 0]);
  });

  it("writes every value of a tenant", () => {
    const blob = new Blob(upsert(tenant("acme", {
      enabled: false,
      timeouts: {
        connectMs: 1,
        firstByteMs: 2,
        idleMs: 5_000_000_000,
        halfCloseMs: 4,
        maxDurationMs: 5,
        maxDurationJitterPpm: 6,
        drainMs: 7,
      },
      tcp: { keepalive: { idleS: 8, intervalS: 9, probes: 10 }, userTimeoutMs: 11, resetPropagation: "to_backend" },
      bufferBytes: 12,
    })));
    assertEquals(blob.record(CONSTANTS.TABLE_TENANT, 0, "tenant_record"), {
      id: 4,
      flags: 0,
      connect_ms: 1,
      first_byte_ms: 2,
      idle_ms: 5_000_000_000,
      half_close_ms: 4,
      max_duration_ms: 5,
      drain_ms: 7,
      max_duration_jitter_ppm: 6,
      user_timeout_ms: 11,
      keepalive_idle_s: 8,
      keepalive_interval_s: 9,
      keepalive_probes: 10,
      reset_propagation: CONSTANTS.RESET_TO_BACKEND,
      buffer_bytes: 12,
      first_listener: 0,
      listener_count: 1,
      first_backend: 0,
      backend_count: 1,
      first_prefix: 0,
      allow_count: 0,
      deny_count: 0,
      first_route: 0,
      route_count: 0,
      mirror_backend: 0,
      mirror_share_ppm: 0,
      fault_delay_ppm: 0,
      fault_reset_ppm: 0,
      fault_refuse_ppm: 0,
      fault_delay_ms: 0,
      reserved0: 0,
    });
  });

  it("writes every limit of a tenant", () => {
    const blob = new Blob(upsert(tenant("acme", {
      limits: {
        maxConnections: 0,
        connectionRate: { ratePer1000s: 200_000, burst: 400 },
        bandwidth: { up: { ratePer1000s: CONSTANTS.RATE_MAX, burst: CONSTANTS.BURST_MAX }, down: null },
        perConnection: { up: { ratePer1000s: 3, burst: 4 }, down: { ratePer1000s: 0, burst: 0 } },
        perSource: {
          maxConnections: 50,
          connectionRate: { ratePer1000s: 5, burst: 6 },
          ipv4Bits: 24,
          ipv6Bits: 48,
        },
        onLimit: "queue",
        queue: { size: 7, timeoutMs: 5_000_000_000 },
        dryRun: true,
      },
    })));
    assertEquals(blob.limits(0), {
      flags: CONSTANTS.LIMITS_DRY_RUN,
      on_limit: CONSTANTS.ON_LIMIT_QUEUE,
      max_connections: 0,
      queue_size: 7,
      queue_timeout_ms: 5_000_000_000,
      session_rate: [200_000, 400],
      up: [CONSTANTS.RATE_MAX, CONSTANTS.BURST_MAX],
      down: [null, 0],
      session_up: [3, 4],
      session_down: [0, 0],
      source_rate: [5, 6],
      source_max_connections: 50,
      source_ipv4_bits: 24,
      source_ipv6_bits: 48,
      reserved0: 0,
    });
  });

  it("writes a limit that is not there as unlimited, and each way to refuse", () => {
    const blob = new Blob(upsert(tenant("acme")));
    const none = [null, 0];
    assertEquals(blob.limits(0), {
      flags: 0,
      on_limit: CONSTANTS.ON_LIMIT_CLOSE,
      max_connections: CONSTANTS.UNLIMITED32,
      queue_size: 0,
      queue_timeout_ms: 0,
      session_rate: none,
      up: none,
      down: none,
      session_up: none,
      session_down: none,
      source_rate: none,
      source_max_connections: CONSTANTS.UNLIMITED32,
      source_ipv4_bits: 32,
      source_ipv6_bits: 64,
      reserved0: 0,
    });
    const reset = new Blob(upsert(tenant("acme", { limits: { ...NO_LIMITS, onLimit: "reset" } })));
    assertEquals(reset.limits(0)["on_limit"], CONSTANTS.ON_LIMIT_RESET);
  });

  it("gives each tenant consecutive prefixes, those allowed first; an empty allow list is one", () => {
    const prefix = (ip: string, bits: number) => ({ family: ip.includes(":") ? "ipv6" : "ipv4", ip, bits } as const);
    const one = { allow: [prefix("10.0.0.0", 8), prefix("fd00::", 8)], deny: [prefix("10.1.0.0", 16)] };
    const blob = new Blob(upsert(
      tenant("acme", { access: one }),
      tenant("open"),
      tenant("globex", { access: { allow: null, deny: [prefix("0.0.0.0", 0)] } }),
      tenant("shut", { access: { allow: [], deny: [] } }),
    ));
    const tenants = [0, 1, 2, 3].map((index) => blob.record(CONSTANTS.TABLE_TENANT, index, "tenant_record"));
    assertEquals(
      tenants.map((row) => [row["flags"], row["first_prefix"], row["allow_count"], row["deny_count"]]),
      [[3, 0, 2, 1], [1, 3, 0, 0], [1, 3, 0, 1], [3, 4, 0, 0]],
    );
    const { offset, count, record_size } = blob.table(CONSTANTS.TABLE_PREFIX);
    assertEquals([count, record_size], [4, RECORDS.prefix_record.size]);
    const rows = Array.from({ length: count }, (_, index) => {
      const { family, bits } = blob.record(CONSTANTS.TABLE_PREFIX, index, "prefix_record");
      const ip = [...blob.records.slice(offset + index * record_size, RECORDS.prefix_record.fields.ip)];
      return [family, bits, ip];
    });
    assertEquals(rows, [
      [CONSTANTS.FAMILY_IPV4, 8, [10, ...NO_IP.slice(1)]],
      [CONSTANTS.FAMILY_IPV6, 8, [0xfd, ...NO_IP.slice(1)]],
      [CONSTANTS.FAMILY_IPV4, 16, [10, 1, ...NO_IP.slice(2)]],
      [CONSTANTS.FAMILY_IPV4, 0, NO_IP],
    ]);
  });

  it("writes no keepalive as zeros, and the flag of an enabled tenant", () => {
    const tcp = { keepalive: null, userTimeoutMs: 0, resetPropagation: "none" } as const;
    const record = new Blob(upsert(tenant("acme", { tcp }))).record(CONSTANTS.TABLE_TENANT, 0, "tenant_record");
    const { keepalive_idle_s, keepalive_interval_s, keepalive_probes, flags, reset_propagation } = record;
    assertEquals([keepalive_idle_s, keepalive_interval_s, keepalive_probes], [0, 0, 0]);
    assertEquals(flags, CONSTANTS.TENANT_ENABLED);
    assertEquals(reset_propagation, CONSTANTS.RESET_NONE);
  });

  it("gives each tenant consecutive listeners and backends, each backend consecutive endpoints", () => {
    const pool = (id: string, ...ports: number[]) =>
      backendPlan(id, {
        balance: "least_connections",
        attempts: 2,
        endpoints: ports.map((port) => endpoint(`e${port}`, ipv4("10.0.0.1", port))),
      });
    const registry = new IdRegistry();
    const blob = new Blob(
      upsert(
        tenant("acme", { backends: [pool("pool", 1, 2), pool("other", 3)] }),
        tenant("globex", {
          backends: [pool("pool", 4)],
          listeners: [listener("x", ipv4("0.0.0.0", 80)), listener("y", ipv4("0.0.0.0", 81))],
        }),
      ),
      registry,
    );
    const second = blob.record(CONSTANTS.TABLE_TENANT, 1, "tenant_record");
    assertEquals([second["first_listener"], second["listener_count"]], [1, 2]);
    assertEquals([second["first_backend"], second["backend_count"]], [2, 1]);
    const backends = [0, 1, 2].map((index) => blob.record(CONSTANTS.TABLE_BACKEND, index, "backend_record"));
    assertEquals(backends.map((row) => [row["first_endpoint"], row["endpoint_count"]]), [[0, 2], [2, 1], [3, 1]]);
    assertEquals(backends.map((row) => [row["balance"], row["attempts"]]), Array(3).fill([1, 2]));
    const listeners = [0, 1, 2].map((index) => blob.record(CONSTANTS.TABLE_LISTENER, index, "listener_record"));
    assertEquals(listeners.map((row) => row["backend"]), [
      backends[0]?.["id"],
      backends[2]?.["id"],
      backends[2]?.["id"],
    ]);
    const ids = [...backends, ...listeners].map((row) => row["id"]);
    assertEquals(new Set(ids).size, ids.length);
    assertEquals(ids.includes(0), false);
  });

  it("writes IPv4 in the first four bytes, IPv6 with its scope, and a range's last port", () => {
    const link = { family: "ipv6", ip: "fe80::1:2", port: 443, scopeId: 3 } as const;
    const blob = new Blob(upsert(tenant("acme", {
      listeners: [listener("a", ipv4("192.0.2.7", 7000), "pool", 7009), listener("b", link)],
    })));
    assertEquals(blob.record(CONSTANTS.TABLE_LISTENER, 0, "listener_record")["port_last"], 7009);
    const first = blob.address(CONSTANTS.TABLE_LISTENER, 0, "listener_record");
    assertEquals(first.ip, [192, 0, 2, 7, ...NO_IP.slice(4)]);
    assertEquals([first.family, first.port, first.scope_id], [CONSTANTS.FAMILY_IPV4, 7000, 0]);
    const second = blob.address(CONSTANTS.TABLE_LISTENER, 1, "listener_record");
    assertEquals(second.ip, [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2]);
    assertEquals([second.family, second.port, second.scope_id], [CONSTANTS.FAMILY_IPV6, 443, 3]);
  });

  it("puts paths of unix sockets in the string table; @ becomes the NUL of an abstract one", () => {
    const path = "/run/präfix.sock";
    const blob = new Blob(upsert(tenant("acme", {
      listeners: [listener("a", { family: "unix", path })],
      backends: [backendPlan("pool", { endpoints: [endpoint("u", { family: "unix", path: "@hidden" })] })],
    })));
    const bound = blob.address(CONSTANTS.TABLE_LISTENER, 0, "listener_record");
    assertEquals([bound.family, bound.port, bound.ip], [CONSTANTS.FAMILY_UNIX, 0, NO_IP]);
    assertEquals(bound.path, bytesOf(path));
    assertEquals(blob.address(CONSTANTS.TABLE_ENDPOINT, 0, "endpoint_record").path, [0, ...bytesOf("hidden")]);
    assertEquals(blob.table(CONSTANTS.TABLE_STRING).count, bytesOf(path).length + "@hidden".length);
  });

  it("writes weight, limit and state of an endpoint", () => {
    const states = ["ready", "drain", "maintenance"] as const;
    const endpoints = states.map((state) =>
      endpoint(state, ipv4("10.0.0.1", 1), { weight: 7, maxConnections: 9, state })
    );
    const backends = [backendPlan("pool", { endpoints })];
    const blob = new Blob(upsert(tenant("acme", { backends })));
    const numbers = [CONSTANTS.ENDPOINT_READY, CONSTANTS.ENDPOINT_DRAIN, CONSTANTS.ENDPOINT_MAINTENANCE];
    for (const [index, number] of numbers.entries()) {
      const row = blob.record(CONSTANTS.TABLE_ENDPOINT, index, "endpoint_record");
      assertEquals([row["weight"], row["max_connections"], row["state"]], [7, 9, number]);
    }
  });

  it("names a removed tenant by the number that it has", () => {
    const registry = new IdRegistry();
    const draft = encodeChange(upsert(tenant("acme")), 1, registry);
    draft.commit();
    const blob = new Blob({ upserts: [], removals: ["acme"] }, registry, 2);
    const { offset, count, record_size } = blob.table(CONSTANTS.TABLE_REMOVED);
    assertEquals([count, record_size], [1, 8]);
    assertEquals(blob.records.u64(offset), registry.tenant("acme")?.id);
  });

  it("refuses what is not there, and values that would wrap around", () => {
    const change = (parts: Parameters<typeof tenant>[1]) => upsert(tenant("acme", parts));
    const encode = (what: PlanChange) => () => encodeChange(what, 1, new IdRegistry());
    assertThrows(encode({ upserts: [], removals: ["nobody"] }), TypeError, "tenant nobody");
    assertThrows(encode(change({ backends: [] })), TypeError, "backend pool of listener in");
    const limits = (maxConnections: number) => change({ limits: { ...NO_LIMITS, maxConnections } });
    assertThrows(encode(limits(2 ** 32)), RangeError, "current value is 4294967296");
    assertThrows(encode(limits(-1)), RangeError, "current value is -1");
    assertThrows(encode(limits(1.5)), RangeError, "current value is 1.5");
  });

  it("says which part of the configuration a record is about", () => {
    const registry = new IdRegistry();
    encodeChange(upsert(tenant("old")), 1, registry).commit();
    const listeners = [listener("in", ipv4("0.0.0.0", 7000), "pool", 7009)];
    const draft = encodeChange({ upserts: [tenant("acme", { listeners })], removals: ["old"] }, 2, registry);
    assertEquals(draft.describe(CONSTANTS.TABLE_TENANT, 0), { tenant: "acme" });
    assertEquals(draft.describe(CONSTANTS.TABLE_REMOVED, 0), { tenant: "old" });
    assertEquals(draft.describe(CONSTANTS.TABLE_BACKEND, 0), { tenant: "acme", backend: "pool" });
    assertEquals(draft.describe(CONSTANTS.TABLE_LISTENER, 0), {
      tenant: "acme",
      listener: "in",
      address: "0.0.0.0:7000-7009",
    });
    assertEquals(draft.describe(CONSTANTS.TABLE_ENDPOINT, 0), {
      tenant: "acme",
      backend: "pool",
      endpoint: "a",
      address: "127.0.0.1:9",
    });
    const access = { allow: null, deny: [{ family: "ipv4", ip: "10.0.0.0", bits: 8 }] } as const;
    const denied = encodeChange(upsert(tenant("old"), tenant("globex", { access })), 3, new IdRegistry());
    assertEquals(denied.describe(CONSTANTS.TABLE_PREFIX, 0), { tenant: "globex" });
    assertEquals(denied.describe(CONSTANTS.TABLE_PREFIX, 1), {});
    assertEquals(draft.describe(0xffff_ffff, 0xffff_ffff), {});
    assertEquals(draft.describe(CONSTANTS.TABLE_LISTENER, 9), {});
  });
});
