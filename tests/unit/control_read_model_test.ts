/** Bound addresses from plan and counters: ranges, ports of the kernel, sockets of the file system. */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Plan, TenantPlan } from "../../src/config/mod.ts";
import { boundAddresses, countListeners, listeningLine, newlyBound } from "../../src/control/mod.ts";
import type { ListenerStats } from "../../src/ffi/mod.ts";
import { ipv4, listener, PROCESS, tenant } from "./ffi_fixture.ts";

function planOf(...tenants: TenantPlan[]): Plan {
  return { process: PROCESS, shared: null, tenants: new Map(tenants.map((one) => [one.id, one])) };
}

function stats(tenantId: string, id: string, port: number): ListenerStats {
  return { tenant: tenantId, listener: id, sessionsTotal: 0, addresses: 1, bound: ipv4("127.0.0.1", port) };
}

describe("boundAddresses", () => {
  it("has one for each port of a range, and the port that the kernel chose", () => {
    const plan = planOf(
      tenant("acme", {
        listeners: [
          listener("any", ipv4("127.0.0.1", 0)),
          listener("range", ipv4("0.0.0.0", 7000), "pool", 7002),
          listener("six", { family: "ipv6", ip: "::1", port: 443, scopeId: 0 }),
        ],
      }),
      tenant("globex", { listeners: [listener("any", { family: "unix", path: "/run/x.sock" })] }),
    );
    const bound = boundAddresses(plan, [stats("globex", "any", 1), stats("acme", "any", 40_001)]);
    assertEquals(bound.map(listeningLine), [
      "listening tenant=acme listener=any address=127.0.0.1:40001",
      "listening tenant=acme listener=range address=0.0.0.0:7000",
      "listening tenant=acme listener=range address=0.0.0.0:7001",
      "listening tenant=acme listener=range address=0.0.0.0:7002",
      "listening tenant=acme listener=six address=[::1]:443",
      "listening tenant=globex listener=any address=unix:/run/x.sock",
    ]);
    assertEquals(countListeners(plan), 4);
  });
});

describe("newlyBound", () => {
  it("tells a moved and an added address, not one that stayed or went", () => {
    const one = { tenant: "acme", listener: "in", address: "127.0.0.1:1" };
    const moved = { ...one, address: "127.0.0.1:2" };
    const other = { ...one, tenant: "globex" };
    assertEquals(newlyBound([one], [one]), []);
    assertEquals(newlyBound([one, other], [other]), []);
    assertEquals(newlyBound([one], [moved, other]), [moved, other]);
  });
});
