/** Limits, access lists and drains of tenants that share a listener: each its own, from the route on. */
import { assert, assertEquals } from "@std/assert";
import { banner } from "../helpers/behaviours.ts";
import type { TenantSettings } from "../helpers/config.ts";
import { makeHello } from "../helpers/hello.ts";
import { Operator } from "../helpers/operator.ts";
import { EDGE, edgeOf, routedTenant } from "../helpers/routing.ts";
import type { Sluice } from "../helpers/sluice.ts";
import type { Wire } from "../helpers/wire.ts";
import { e2e, type World } from "../helpers/world.ts";

interface Shared {
  readonly operator: Operator;
  readonly sluice: Sluice;
}

/** acme with these settings, and globex without any, behind one listener. */
async function share(world: World, settings: TenantSettings): Promise<Shared> {
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const tenants = [
    routedTenant("acme", backend.address, [{ sni: ["acme.example"] }], settings),
    routedTenant("globex", backend.address, [{ sni: ["globex.example"] }]),
  ];
  return { operator, sluice: await world.sluice(operator.config(tenants, { listeners: [EDGE] })) };
}

async function ask(world: World, sluice: Sluice, tenant: string, from = "127.0.0.1"): Promise<Wire> {
  const client = await world.connectResettable(edgeOf(sluice), from);
  await client.write(makeHello({ serverName: `${tenant}.example` }));
  return client;
}

async function enter(world: World, sluice: Sluice, tenant: string, from?: string): Promise<Wire> {
  const client = await ask(world, sluice, tenant, from);
  assertEquals(await client.readText(2), "hi");
  return client;
}

e2e("route limits: a full tenant refuses its own clients, and the log says whose they were", async (world) => {
  const { operator, sluice } = await share(world, { limits: { max_connections: 1, on_limit: "reset" } });
  const held = await enter(world, sluice, "acme");
  for (let turn = 0; turn < 3; turn++) assertEquals(await (await ask(world, sluice, "acme")).end(), "reset");
  for (const record of await sluice.waitForRecords(3, { code: "PR", reason: "tenant_connections" })) {
    assertEquals([record.tenant, record.listener, record.route], ["acme", "edge", "web"]);
    assertEquals([record.server_name, record.backend, record.attempts], ["acme.example", null, 0]);
  }
  for (let turn = 0; turn < 3; turn++) await enter(world, sluice, "globex");
  assertEquals((await operator.status("globex")).sessions, 3);
  held.close();
  await sluice.waitForRecord(({ tenant, code }) => tenant === "acme" && code !== "PR");
  await enter(world, sluice, "acme");
});

e2e("route limits: whoever waits in a tenant's queue keeps its hello", async (world) => {
  const limits = { max_connections: 1, on_limit: "queue", queue: { size: 2, timeout: "30s" } } as const;
  const { operator, sluice } = await share(world, { limits });
  const held = await enter(world, sluice, "acme");
  const waiting = [await ask(world, sluice, "acme"), await ask(world, sluice, "acme")];
  await operator.untilQueued(2);
  assertEquals(await (await ask(world, sluice, "acme")).end(), "eof");
  await sluice.waitForRecord({ code: "PQ", reason: "queue_full", route: "web", server_name: "acme.example" });
  await enter(world, sluice, "globex");
  const hello = makeHello({ serverName: "acme.example" });
  let before = held;
  for (const client of waiting) {
    await before.closeWrite();
    assertEquals(await client.readText(2), "hi");
    assertEquals(await client.readExactly(hello.length), hello);
    before = client;
  }
});

e2e("route limits: sources and access lists are the tenant's, not the listener's", async (world) => {
  const settings = { limits: { per_source: { max_connections: 1 } }, access: { deny: ["127.0.0.8/32"] } };
  const { sluice } = await share(world, settings);
  assertEquals(await (await ask(world, sluice, "acme", "127.0.0.8")).end(), "eof");
  const denied = await sluice.waitForRecord({ code: "PR", reason: "denied" });
  assertEquals([denied.tenant, denied.route, denied.client], ["acme", "web", "127.0.0.8"]);
  await enter(world, sluice, "globex", "127.0.0.8");
  await enter(world, sluice, "acme", "127.0.0.9");
  assertEquals(await (await ask(world, sluice, "acme", "127.0.0.9")).end(), "eof");
  await sluice.waitForRecord({ reason: "source_connections", tenant: "acme", client: "127.0.0.9" });
  for (let turn = 0; turn < 3; turn++) await enter(world, sluice, "globex", "127.0.0.9");
});

e2e("route limits: sessions are found, killed and drained by their tenant", async (world) => {
  const { operator, sluice } = await share(world, {});
  const [acme, globex] = [await enter(world, sluice, "acme"), await enter(world, sluice, "globex")];
  const half = await world.connect(edgeOf(sluice));
  await half.write(new Uint8Array([22, 3]));
  const { items } = await operator.get("/v1/sessions?tenant=acme");
  assertEquals(items.map((one: { server_name: string }) => one.server_name), ["acme.example"]);
  await operator.must("DELETE", "/v1/sessions?tenant=acme");
  const rest = await acme.readToEnd();
  assertEquals(rest.end, "eof");
  await sluice.waitForRecord({ tenant: "acme", code: "KD", reason: "killed" });
  await operator.must("POST", "/v1/tenants/globex/drain?drain=500ms");
  const drained = await globex.readToEnd();
  assert(["eof", "reset"].includes(drained.end));
  const record = await sluice.waitForRecord({ tenant: "globex", code: "KD", reason: "drained" });
  assertEquals(record.server_name, "globex.example");
  await half.write(makeHello({ serverName: "acme.example" }).subarray(2));
  assertEquals(await half.readText(2), "hi");
});
