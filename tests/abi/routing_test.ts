/** Shared listeners, routes and backends on the built library: what is told of them, and health that is set. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { DataPlaneError, Engine } from "../../src/ffi/mod.ts";
import { backendPlan, endpoint, ipv4, listener, PROCESS, route, shared, tenant } from "../unit/ffi_fixture.ts";

const edge = listener("edge", ipv4("127.0.0.1", 0), null, 0, { detect: { protocol: "tls", timeoutMs: 5_000 } });
const raw = listener("raw", ipv4("127.0.0.1", 0), null, 0);
const pool = (...ports: number[]) =>
  backendPlan("pool", { attempts: 1, endpoints: ports.map((port) => endpoint("a", ipv4("127.0.0.1", port))) });

function start(): Engine {
  const engine = Engine.create({ workers: 2 });
  engine.start();
  return engine;
}

describe("shared listeners of an engine", () => {
  it("are bound without a tenant, and go with their holder", async () => {
    await using engine = start();
    const acme = tenant("acme", { listeners: [], routes: [route("web", "edge", { names: ["acme.example"] })] });
    engine.apply({ process: PROCESS, shared: shared(edge, raw), upserts: [acme], removals: [] }, 1);
    const told = engine.listenerStats().map((one) => [one.tenant, one.listener, one.addresses]);
    assertEquals(told.sort(), [[null, "edge", 1], [null, "raw", 1]]);
    for (const { bound } of engine.listenerStats()) assert(bound?.family === "ipv4" && bound.port > 0);
    assertEquals(engine.tenantStats().map((one) => one.tenant).sort(), ["acme", null]);
    assertEquals(engine.tenantStatsOf(null)?.sessionsTotal, 0);
    engine.apply({ shared: shared(raw), upserts: [], removals: [] }, 2);
    assertEquals(engine.listenerStats().map((one) => one.listener), ["raw"]);
    engine.apply({ shared: null, upserts: [{ ...acme, routes: [] }], removals: [] }, 3);
    assertEquals([engine.listenerStats(), engine.tenantStatsOf(null)], [[], null]);
  });

  it("lead a client to the tenant whose route it takes", async () => {
    using backend = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const greeting = (async () => {
      for await (const conn of backend) {
        await conn.write(new TextEncoder().encode("hello"));
        conn.close();
      }
    })();
    greeting.catch(() => {});
    await using engine = start();
    const acme = tenant("acme", {
      listeners: [],
      routes: [route("all", "raw", { isDefault: true })],
      backends: [pool(backend.addr.port)],
    });
    engine.apply({ process: PROCESS, shared: shared(raw), upserts: [acme], removals: [] }, 1);
    const [{ bound } = { bound: null }] = engine.listenerStats();
    assert(bound?.family === "ipv4");
    using conn = await Deno.connect({ hostname: "127.0.0.1", port: bound.port });
    const buffer = new Uint8Array(16);
    const got = await conn.read(buffer);
    assertEquals(new TextDecoder().decode(buffer.subarray(0, got ?? 0)), "hello");
  });
});

describe("backends of an engine", () => {
  it("are told with their circuits, endpoints with their health", async () => {
    await using engine = start();
    engine.apply({ process: PROCESS, upserts: [tenant("acme", { backends: [pool(1, 2)] })], removals: [] }, 1);
    const [told, ...more] = engine.backendStats();
    assertEquals(more, []);
    assertEquals([told?.tenant, told?.backend, told?.circuit, told?.connectsTotal], ["acme", "pool", "closed", 0]);
    const healths = () => engine.endpointStats().map(({ health, ejected }) => [health, ejected]);
    assertEquals(healths(), [["unknown", false], ["unknown", false]]);
    const of = { tenant: "acme", backend: "pool", endpoint: "a" };
    assertEquals(engine.setHealth([{ ...of, health: "up" }, { ...of, endpoint: "gone", health: "down" }]), 2);
    assertEquals(engine.setHealth([{ ...of, address: ipv4("127.0.0.1", 2), health: "down" }]), 1);
    assertEquals(healths(), [["up", false], ["down", false]]);
    assertEquals(engine.endpointStats().map(({ address }) => address), ["127.0.0.1:1", "127.0.0.1:2"]);
    assertEquals(engine.setHealth([]), 0);
    // Another version of the tenant forgets nothing.
    engine.apply({ upserts: [tenant("acme", { backends: [pool(1, 2, 3)] })], removals: [] }, 2);
    assertEquals(healths(), [["up", false], ["down", false], ["unknown", false]]);
    assertEquals(engine.killSessions({ ...of, address: "127.0.0.1:2" }, "endpoint_down"), 0);
  });

  it("are refused where their parts contradict each other, and named", async () => {
    await using engine = start();
    const split = backendPlan("web", { split: [{ backend: "pool", weight: 70_000 }] });
    const wrong = tenant("acme", { backends: [pool(1), split] });
    const error = assertThrows(() => engine.apply({ upserts: [wrong], removals: [] }, 1), DataPlaneError);
    assertEquals([error.code, error.subject], ["E_BLOB", { tenant: "acme", backend: "web" }]);
  });
});
