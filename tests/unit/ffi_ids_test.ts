/** Numbers of names: stable while a name stays, never used twice, and names that outlive what they named. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { TenantPlan } from "../../src/config/mod.ts";
import { IdRegistry, type TenantIds } from "../../src/ffi/ids.ts";
import { backendPlan, endpoint, ipv4, tenant } from "./ffi_fixture.ts";

function apply(registry: IdRegistry, ...plans: TenantPlan[]): TenantIds {
  const ids = new Map(plans.map((plan) => [plan.id, registry.assign(plan)]));
  registry.commit(ids, []);
  const [first] = ids.values();
  assert(first !== undefined);
  return first;
}

function withEndpoints(...ports: number[]): TenantPlan {
  const endpoints = ports.map((port) => endpoint("db", ipv4("10.0.0.1", port)));
  return tenant("acme", { backends: [backendPlan("pool", { endpoints })] });
}

describe("IdRegistry", () => {
  it("keeps every number while a name stays", () => {
    const registry = new IdRegistry();
    const before = apply(registry, tenant("acme"));
    assertEquals(apply(registry, tenant("acme", { enabled: false })), before);
  });

  it("gives one name several endpoints by their addresses", () => {
    const registry = new IdRegistry();
    const before = apply(registry, withEndpoints(1, 2)).backends.get("pool")!.endpoints;
    assertEquals(new Set(before.values()).size, 2);
    const after = apply(registry, withEndpoints(2, 3)).backends.get("pool")!.endpoints;
    assertEquals(after.get("db 10.0.0.1:2"), before.get("db 10.0.0.1:2"));
    assertEquals([...before.values()].includes(after.get("db 10.0.0.1:3")!), false);
    for (const id of [...before.values(), ...after.values()]) assertEquals(registry.name(id), "db");
  });

  it("keeps the names of what is gone, and gives a name that comes back another number", () => {
    const registry = new IdRegistry();
    const before = apply(registry, tenant("acme"));
    registry.commit(new Map(), ["acme"]);
    assertEquals(registry.tenant("acme"), undefined);
    assertEquals(registry.name(before.id), "acme");
    assertEquals(registry.name(before.listeners.get("in")!), "in");
    assertEquals(registry.name(before.backends.get("pool")!.id), "pool");
    assertNotEquals(apply(registry, tenant("acme")).id, before.id);
    assertEquals(registry.name(before.id), "acme");
  });

  it("changes nothing before commit, and uses no number of a refused configuration again", () => {
    const registry = new IdRegistry();
    const before = apply(registry, tenant("acme"));
    const refused = registry.assign(tenant("globex"));
    assertEquals(registry.tenant("globex"), undefined);
    assertEquals(registry.name(refused.id), null);
    assertEquals(registry.tenant("acme"), before);
    assert(apply(registry, tenant("globex")).id > refused.id);
  });

  it("forgets the oldest names first when there are too many", () => {
    const registry = new IdRegistry(4);
    const first = apply(registry, tenant("first"));
    const second = apply(registry, tenant("second"));
    registry.commit(new Map(), ["first"]);
    assertEquals(registry.name(first.id), "first");
    registry.commit(new Map(), ["second"]);
    assertEquals(registry.name(first.id), null);
    assertEquals(registry.name(second.id), "second");
  });

  it("has no name for 0 and for what it never gave out", () => {
    assertEquals([new IdRegistry().name(0), new IdRegistry().name(77)], [null, null]);
  });
});
