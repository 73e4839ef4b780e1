/** What a configuration asks of the machine. */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Address, EndpointPlan, Plan, TenantPlan } from "../../src/config/plan.ts";
import { demandOf } from "../../src/doctor/mod.ts";
import {
  backendPlan,
  endpoint as endpointPlan,
  ipv4 as ip,
  listener,
  NO_LIMITS,
  shared,
  tenant as tenantPlan,
} from "./ffi_fixture.ts";

const unix: Address = { family: "unix", path: "/run/x.sock" };

function endpoint(id: string, address: Address, weight = 100, maxConnections: number | null = null): EndpointPlan {
  return endpointPlan(id, address, { weight, maxConnections });
}

function tenant(id: string, maxConnections: number | null, address: Address, endpoints: EndpointPlan[]): TenantPlan {
  return tenantPlan(id, {
    limits: { ...NO_LIMITS, maxConnections },
    listeners: [listener("in", address, "b")],
    backends: [backendPlan("b", { endpoints })],
  });
}

function plan(maxConnections: number | null, ...tenants: TenantPlan[]): Plan {
  return {
    process: { maxConnections, accessLog: true, accessSamplePpm: 0, accessProgressMs: 0 },
    shared: null,
    tenants: new Map(tenants.map((one) => [one.id, one])),
  };
}

describe("demandOf", () => {
  it("takes the smaller of the process limit and the tenants' sum", () => {
    const a = tenant("a", 100, ip("0.0.0.0", 8080), []);
    const b = tenant("b", 200, ip("0.0.0.0", 8081), []);
    const free = tenant("c", null, ip("0.0.0.0", 8082), []);
    assertEquals(demandOf("f", plan(null, a, b), 2).sessions, 300);
    assertEquals(demandOf("f", plan(250, a, b), 2).sessions, 250);
    assertEquals(demandOf("f", plan(null, a, free), 2).sessions, null);
    assertEquals(demandOf("f", plan(50, a, free), 2).sessions, 50);
  });

  it("counts those that may wait in a queue", () => {
    const one = tenant("a", 100, ip("0.0.0.0", 8080), []);
    const limits = { ...one.limits, onLimit: "queue", queue: { size: 40, timeoutMs: 1000 } } as const;
    assertEquals(demandOf("f", plan(null, { ...one, limits }), 2).sessions, 140);
  });

  it("spreads a tenant's sessions over endpoints by weight, within each one's limit, the busiest first", () => {
    const endpoints = [
      endpoint("small", ip("10.0.0.1", 1), 100),
      endpoint("big", ip("10.0.0.2", 1), 300),
      endpoint("capped", ip("10.0.0.3", 1), 400, 10),
      endpoint("local", unix, 0),
    ];
    const { endpoints: asked } = demandOf("f", plan(null, tenant("t", 800, unix, endpoints)), 1);
    assertEquals(asked, [
      { name: "t/b/big", sessions: 300 },
      { name: "t/b/small", sessions: 100 },
      { name: "t/b/capped", sessions: 10 },
    ]);
  });

  it("puts endpoints without a limit first", () => {
    const free = tenant("free", null, unix, [endpoint("e", ip("127.0.0.1", 1))]);
    const bound = tenant("bound", 5, unix, [endpoint("e", ip("127.0.0.1", 2))]);
    assertEquals(demandOf("f", plan(null, bound, free), 1).endpoints[0], { name: "free/b/e", sessions: null });
  });

  it("tells loopback and unix endpoints from remote ones", () => {
    const to = (address: Address) => demandOf("f", plan(null, tenant("t", 1, unix, [endpoint("e", address)])), 1);
    assertEquals(to(ip("127.0.0.1", 1)).remoteEndpoints, false);
    assertEquals(to(unix).remoteEndpoints, false);
    assertEquals(to({ family: "ipv6", ip: "::1", port: 1, scopeId: 0 }).remoteEndpoints, false);
    assertEquals(to(ip("10.0.0.1", 1)).remoteEndpoints, true);
  });

  it("finds the lowest port that is named", () => {
    const listens = (address: Address) => tenant(crypto.randomUUID().slice(0, 4), 1, address, []);
    assertEquals(demandOf("f", plan(null, listens(unix), listens(ip("0.0.0.0", 0))), 1).lowestPort, null);
    assertEquals(demandOf("f", plan(null, listens(ip("0.0.0.0", 443)), listens(ip("0.0.0.0", 80))), 1).lowestPort, 80);
    const edge = {
      ...plan(null, listens(ip("0.0.0.0", 443))),
      shared: shared(listener("edge", ip("0.0.0.0", 25), null)),
    };
    assertEquals(demandOf("f", edge, 1).lowestPort, 25);
  });
});
