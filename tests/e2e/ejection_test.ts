/** Passive ejection as everybody sees it: clients, events, metrics, the status; and who runs on at the endpoint. */
import { assert, assertEquals } from "@std/assert";
import { formatAddress, freePort, ownLoopback, refusingAddress } from "../helpers/address.ts";
import { banner, sayAndClose } from "../helpers/behaviours.ts";
import { type HealthConfig, type TenantConfig, tenantWith } from "../helpers/config.ts";
import { Events } from "../helpers/events.ts";
import { eventually } from "../helpers/eventually.ts";
import { Operator } from "../helpers/operator.ts";
import type { Sluice } from "../helpers/sluice.ts";
import { e2e, type World } from "../helpers/world.ts";

type Passive = NonNullable<HealthConfig["passive"]>;

const PASSIVE: Passive = { failures: 3, window: "60s", eject_for: "1h", max_ejected: "50%" };

function series(name: string, endpoint: string): string {
  return `sluice_endpoint_${name}{tenant="acme",backend="out",endpoint="${endpoint}"}`;
}

function tenant(endpoints: readonly string[], passive: Passive | undefined): TenantConfig {
  const retry = { attempts: 4 };
  return tenantWith(endpoints, passive === undefined ? { retry } : { retry, health: { passive } });
}

/** What a client is told that leaves when it has heard something. */
async function visit(world: World, sluice: Sluice): Promise<string> {
  const client = await world.connect(sluice.address());
  await client.closeWrite();
  const { text } = await client.readToEnd();
  client.close();
  return text;
}

async function ejectedOf(ops: Operator): Promise<string[]> {
  const { backends } = await ops.status();
  const ids: string[] = [];
  for (const { id, ejected } of backends[0].endpoints) {
    assertEquals(await ops.metric(series("ejected", id)), ejected ? 1 : 0, "metric and status say the same");
    if (ejected) ids.push(id);
  }
  return ids;
}

e2e(
  "ejection: after failures an endpoint is passed over, told of, and used again when its time is over",
  async (world) => {
    const host = ownLoopback();
    const port = freePort(host);
    const good = await world.backend(sayAndClose("b"));
    const ops = await Operator.create();
    const short = { ...PASSIVE, eject_for: "2500ms" };
    const sluice = await world.sluice(ops.config([tenant([formatAddress(host, port), good.address], short)]));
    const events = world.use(await Events.follow(ops));
    const began = performance.now();
    // Every second session meets the one that refuses, and none of them fails.
    for (let turn = 0; turn < 6; turn++) assertEquals(await visit(world, sluice), "b");
    const ejected = await events.until("health", { ejected: true });
    assertEquals([ejected.backend, ejected.endpoint, ejected.address], ["out", "a", formatAddress(host, port)]);
    await sluice.waitForLine(/the endpoint is ejected.*endpoint[=":]+a/);
    assertEquals(await ejectedOf(ops), ["a"]);
    assertEquals(await ops.metric(series("connect_failures_total", "a")), 3);
    for (let turn = 0; turn < 6; turn++) assertEquals(await visit(world, sluice), "b");
    const records = await sluice.waitForRecords(12, { code: "--", endpoint: "b" });
    assertEquals(records.map(({ attempts }) => attempts).sort(), [1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2]);

    await world.backend(sayAndClose("a"), { hostname: host, port });
    await eventually(async () => await visit(world, sluice) === "a", { what: "the endpoint's next session" });
    assert(performance.now() - began >= 2500, "not before its time is over");
    await events.until("health", { endpoint: "a", ejected: false });
    await sluice.waitForLine(/takes part again.*endpoint[=":]+a/);
    assertEquals(await ejectedOf(ops), []);
    assertEquals([await visit(world, sluice), await visit(world, sluice)].sort(), ["a", "b"]);
  },
);

e2e(
  "ejection: no more than max_ejected at once, never the only one; a change frees them while sessions live",
  async (world) => {
    const good = await world.backend(banner("d"));
    const ops = await Operator.create();
    const bad = [refusingAddress(), refusingAddress(), refusingAddress()];
    const endpoints = [...bad, good.address];
    const sluice = await world.sluice(ops.config([tenant(endpoints, PASSIVE)]));
    const events = world.use(await Events.follow(ops));
    const live = await world.connect(sluice.address());
    assertEquals(await live.readText(1), "d");
    for (let turn = 0; turn < 24; turn++) await visit(world, sluice);
    assertEquals((await ejectedOf(ops)).length, 2, "half of four");
    await events.until("health", { ejected: true }, 2);
    assertEquals(events.like("health", { ejected: true }).length, 2);

    await ops.patch("acme", { backends: tenant(endpoints, { ...PASSIVE, max_ejected: "75%" }).backends });
    for (let turn = 0; turn < 12; turn++) await visit(world, sluice);
    assertEquals(await ejectedOf(ops), ["a", "b", "c"]);
    for (let turn = 0; turn < 5; turn++) assertEquals(await visit(world, sluice), "d");

    // Without the setting everybody takes part again.
    await sluice.reload(ops.config([tenant(endpoints, undefined)]));
    assertEquals(await ejectedOf(ops), []);
    for (const endpoint of ["a", "b", "c"]) await events.until("health", { endpoint, ejected: false });

    await sluice.reload(ops.config([tenant([bad[0]!], PASSIVE)]));
    for (let turn = 0; turn < 8; turn++) assertEquals(await visit(world, sluice), "");
    assertEquals(await ejectedOf(ops), [], "the only one");
    await live.roundTrip();
  },
);

e2e("ejection: panic_threshold uses all when too few are left", async (world) => {
  const good = [await world.backend(sayAndClose("c")), await world.backend(sayAndClose("d"))];
  const ops = await Operator.create();
  const host = ownLoopback();
  const ports = [freePort(host), freePort(host)];
  const endpoints = [...ports.map((port) => formatAddress(host, port)), ...good.map(({ address }) => address)];
  const sluice = await world.sluice(ops.config([tenant(endpoints, PASSIVE)]));
  for (let turn = 0; turn < 16; turn++) assert("cd".includes(await visit(world, sluice)));
  assertEquals(await ejectedOf(ops), ["a", "b"]);
  await Promise.all(ports.map((port, index) => world.backend(sayAndClose("ab"[index]!), { hostname: host, port })));
  const visits = async () => {
    const words = [];
    for (let turn = 0; turn < 8; turn++) words.push(await visit(world, sluice));
    return [...new Set(words)].sort().join("");
  };
  assertEquals(await visits(), "cd");
  const path = "/v1/tenants/acme/backends/out";
  await ops.must("PATCH", path, { panic_threshold: "50%" });
  assertEquals(await visits(), "cd", "half is not under half");
  await ops.must("PATCH", path, { panic_threshold: "51%" });
  assertEquals(await visits(), "abcd");
  assertEquals(await ejectedOf(ops), ["a", "b"]);
  await ops.must("PATCH", path, { panic_threshold: "0%" });
  assertEquals(await visits(), "cd");
});

for (const onDown of ["keep", "close"] as const) {
  e2e(`ejection: on_down: ${onDown} for the sessions that the endpoint has`, async (world) => {
    const host = ownLoopback();
    const listener = Deno.listen({ hostname: host, port: 0 });
    const other = await world.backend(banner("b"));
    const ops = await Operator.create();
    const address = formatAddress(host, listener.addr.port);
    const config = ops.config([
      tenantWith([address, other.address], { health: { passive: PASSIVE, on_down: onDown } }),
    ]);
    const sluice = await world.sluice(config);
    const clients = await Promise.all([world.connect(sluice.address()), world.connect(sluice.address())]);
    using side = await listener.accept();
    await side.write(new TextEncoder().encode("a"));
    listener.close();
    const words = await Promise.all(clients.map((client) => client.readText(1)));
    const live = clients[words.indexOf("a")]!;
    for (let turn = 0; turn < 6; turn++) assertEquals(await visit(world, sluice), "b");
    assertEquals(await ejectedOf(ops), ["a"]);
    if (onDown === "close") {
      await live.readToEnd();
      const record = await sluice.waitForRecord({ endpoint: "a" });
      assertEquals([record.code, record.reason], ["DD", "endpoint_down"]);
    } else {
      await live.write("still");
      const buffer = new Uint8Array(5);
      assertEquals(await side.read(buffer), 5);
      await sluice.waitForLine(/the endpoint is ejected/);
      assertEquals(sluice.matching({ endpoint: "a" }), []);
    }
    await clients[words.indexOf("b")]!.roundTrip();
  });
}
