/** Limits per source: clients are told apart by their address, or by its leading bits; each tenant counts its own. */
import { assertEquals } from "@std/assert";
import { parseTarget } from "../helpers/address.ts";
import { banner } from "../helpers/behaviours.ts";
import { enter, refusal, storm } from "../helpers/clients.ts";
import { type Config, configOf, type LimitsConfig, oneTenant, tenantWith } from "../helpers/config.ts";
import { Operator } from "../helpers/operator.ts";
import type { Wire } from "../helpers/wire.ts";
import { e2e } from "../helpers/world.ts";

const HARDLY = "0.001/s";

for (const on_limit of ["close", "reset"] as const) {
  e2e(`sources: each has its own max_connections, refused by ${on_limit}, and it is given back`, async (world) => {
    const backend = await world.backend(banner("hi"));
    const limits: LimitsConfig = { per_source: { max_connections: 2 }, on_limit };
    const sluice = await world.sluice(oneTenant([backend.address], { limits }));
    const [two, three] = [{ from: "127.0.0.2" }, { from: "127.0.0.3" }];
    const held = [await enter(world, sluice, two), await enter(world, sluice, two)];
    assertEquals(await refusal(world, sluice, two), on_limit === "close" ? "eof" : "reset");
    const record = await sluice.waitForRecord({ code: "PR", reason: "source_connections", attempts: 0 });
    assertEquals([record.client, record.listener, record.endpoint], ["127.0.0.2", "in", null]);
    held.push(await enter(world, sluice, three), await enter(world, sluice, three));
    await refusal(world, sluice, three);
    await sluice.waitForRecord({ client: "127.0.0.3", code: "PR", reason: "source_connections" });
    assertEquals(backend.accepted, 4, "a refused client never touches the backend");

    await held.shift()?.closeWrite();
    await sluice.waitForRecord({ client: "127.0.0.2", code: "--" });
    held.push(await enter(world, sluice, two));
    await refusal(world, sluice, two);
    await sluice.waitForRecords(2, { client: "127.0.0.2", reason: "source_connections" });
  });
}

e2e("sources: each has its own rate", async (world) => {
  const backend = await world.backend(banner("hi"));
  const limits = { per_source: { connection_rate: { rate: HARDLY, burst: 3 } } };
  const sluice = await world.sluice(oneTenant([backend.address], { limits }));
  for (const from of ["127.0.0.2", "127.0.0.3", "127.9.8.7"]) {
    assertEquals(await storm(world, sluice, 10, { from }), 3, from);
    await sluice.waitForRecords(7, { client: from, code: "PR", reason: "source_rate", attempts: 0 });
  }
  assertEquals(backend.accepted, 9);
});

e2e("sources: storms of many leave each count exact, over all workers", async (world) => {
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const limits = { per_source: { max_connections: 4 } };
  const sluice = await world.sluice(operator.config(oneTenant([backend.address], { limits }).tenants));
  const from = Array.from({ length: 10 }, (_, index) => `127.0.1.${index}`);
  const served = await Promise.all(from.map((one) => storm(world, sluice, 30, { from: one })));
  await sluice.waitForRecords(300);
  for (const [index, client] of from.entries()) {
    assertEquals(sluice.matching({ client, reason: "source_connections" }).length, 30 - (served[index] ?? 0), client);
  }
  assertEquals((await operator.status()).sources, [], "nothing is left of it");
  for (const one of from.slice(0, 3)) {
    for (let turn = 0; turn < 4; turn++) await enter(world, sluice, { from: one });
    assertEquals(await refusal(world, sluice, { from: one }), "eof");
  }
  const { sources } = await operator.status();
  assertEquals(
    sources.toSorted((a: { source: string }, b: { source: string }) => a.source < b.source ? -1 : 1),
    from.slice(0, 3).map((one) => ({ source: `${one}/32`, sessions: 4 })),
  );
});

e2e("sources: ipv4_prefix says which addresses are one", async (world) => {
  const backend = await world.backend(banner("hi"));
  const config = (ipv4_prefix: number): Config =>
    oneTenant([backend.address], {
      listen: "127.0.0.1:0",
      limits: { per_source: { max_connections: 1, ipv4_prefix } },
    });
  const sluice = await world.sluice(config(24));
  // For each prefix: two addresses that are one source, and one that is another.
  const rows: [prefix: number, same: readonly [string, string], other: string | undefined][] = [
    [24, ["127.0.2.1", "127.0.2.255"], "127.0.3.1"],
    [31, ["127.0.4.2", "127.0.4.3"], "127.0.4.4"],
    [9, ["127.1.0.1", "127.127.255.254"], "127.128.0.1"],
    [0, ["127.5.0.1", "127.255.255.254"], undefined],
  ];
  for (const [prefix, [one, same], other] of rows) {
    await sluice.reload(config(prefix));
    const held = await enter(world, sluice, { from: one });
    assertEquals(await refusal(world, sluice, { from: same }), "eof", `/${prefix}`);
    await sluice.waitForRecord({ client: same, reason: "source_connections" });
    const others = other === undefined ? [] : [await enter(world, sluice, { from: other })];
    const before = sluice.matching({ code: "--" }).length;
    for (const client of [held, ...others]) client.close();
    await sluice.waitForRecords(before + 1 + others.length, { code: "--" });
  }
});

e2e("sources: on a dual-stack listener the families are apart, and ::ffff: is IPv4", async (world) => {
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const limits = { per_source: { max_connections: 1, ipv4_prefix: 0, ipv6_prefix: 0 } };
  const sluice = await world.sluice(
    operator.config(oneTenant([backend.address], { listen: "[::]:0", limits }).tenants),
  );
  const target = parseTarget(sluice.address());
  const port = target.transport === "tcp" ? target.port : 0;
  const [four, six] = [`127.0.0.1:${port}`, `[::1]:${port}`];
  const held: Wire[] = [];
  for (const address of [four, six]) {
    const client = await world.connect(address);
    assertEquals(await client.readText(2), "hi");
    held.push(client);
    assertEquals(await (await world.connect(address)).end(), "eof");
  }
  await sluice.waitForRecord({ client: "127.0.0.1", reason: "source_connections" });
  await sluice.waitForRecord({ client: "::1", reason: "source_connections" });
  const { sources } = await operator.status();
  assertEquals(sources.map(({ source }: { source: string }) => source).sort(), ["0.0.0.0/0", "::/0"]);
});

e2e("sources: two tenants count one client apart", async (world) => {
  const backend = await world.backend(banner("hi"));
  const limits = { per_source: { max_connections: 1, connection_rate: { rate: HARDLY, burst: 2 } } };
  const ids = ["acme", "globex"];
  const sluice = await world.sluice(configOf(ids.map((id) => tenantWith([backend.address], { id, limits }))));
  for (const tenant of ids) {
    const held = await enter(world, sluice, { tenant });
    await refusal(world, sluice, { tenant });
    await sluice.waitForRecord({ tenant, reason: "source_connections" });
    held.close();
    await sluice.waitForRecord({ tenant, code: "--" });
    (await enter(world, sluice, { tenant })).close();
    await sluice.waitForRecords(2, { tenant, code: "--" });
    await refusal(world, sluice, { tenant });
    await sluice.waitForRecord({ tenant, reason: "source_rate" });
  }
});

e2e("sources: clients of a unix socket have none", async (world) => {
  const backend = await world.backend(banner("hi"));
  const listen = `unix:${await world.tempDir()}/in.sock`;
  const limits = { per_source: { max_connections: 1, connection_rate: { rate: "0/s" } } };
  const sluice = await world.sluice(oneTenant([backend.address], { listen, limits }));
  for (let turn = 0; turn < 4; turn++) await enter(world, sluice);
});

e2e("sources: 0 lets nobody through", async (world) => {
  const backend = await world.backend(banner("hi"));
  for (
    const [per_source, reason] of [
      [{ max_connections: 0 }, "source_connections"],
      [{ connection_rate: { rate: "0/s", burst: 5 } }, "source_rate"],
      [{ connection_rate: { rate: "5/s", burst: 0 } }, "source_rate"],
    ] as const
  ) {
    const sluice = await world.sluice(oneTenant([backend.address], { limits: { per_source } }));
    assertEquals(await refusal(world, sluice), "eof");
    await sluice.waitForRecord({ code: "PR", reason });
  }
  assertEquals(backend.accepted, 0);
});

e2e("sources: lowered under use, live sessions run on; a new rate has the tokens of the old", async (world) => {
  const backend = await world.backend(banner("hi"));
  const config = (max_connections: number, burst: number): Config =>
    oneTenant([backend.address], {
      listen: "127.0.0.1:0",
      limits: { per_source: { max_connections, connection_rate: { rate: HARDLY, burst } } },
    });
  const sluice = await world.sluice(config(3, 4));
  const from = "127.0.0.2";
  const held: Wire[] = [];
  for (let turn = 0; turn < 3; turn++) held.push(await enter(world, sluice, { from }));
  await sluice.reload(config(1, 4));
  await Promise.all(held.map((client) => client.roundTrip()));
  await refusal(world, sluice, { from });
  await sluice.waitForRecord({ reason: "source_connections" });
  await sluice.reload(config(100, 50));
  held.push(await enter(world, sluice, { from }));
  await refusal(world, sluice, { from });
  await sluice.waitForRecord({ reason: "source_rate" });
  await enter(world, sluice, { from: "127.0.0.3" });
  await Promise.all(held.map((client) => client.roundTrip()));
});
