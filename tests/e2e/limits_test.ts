/** Limits on connections: exact for the whole process, told in the log, given back; and tenants that are disabled. */
import { assertEquals } from "@std/assert";
import { banner } from "../helpers/behaviours.ts";
import { enter, refusal, storm } from "../helpers/clients.ts";
import { type Config, configOf, oneTenant, tenantWith } from "../helpers/config.ts";
import type { Wire } from "../helpers/wire.ts";
import { e2e } from "../helpers/world.ts";

for (const on_limit of ["close", "reset"] as const) {
  e2e(`tenant max_connections: beyond it clients are refused by ${on_limit}, and it is given back`, async (world) => {
    const backend = await world.backend(banner("hi"));
    const limits = { max_connections: 5, on_limit };
    const sluice = await world.sluice(oneTenant([backend.address], { limits }));
    const held: Wire[] = [];
    for (let turn = 0; turn < 5; turn++) held.push(await enter(world, sluice));

    assertEquals(await refusal(world, sluice), on_limit === "close" ? "eof" : "reset");
    const record = await sluice.waitForRecord();
    assertEquals([record.code, record.reason, record.tenant], ["PR", "tenant_connections", "acme"]);
    assertEquals([record.listener, record.endpoint, record.attempts], ["in", null, 0]);
    assertEquals(backend.accepted, 5, "a refused client never touches the backend");

    await held.pop()?.closeWrite();
    await sluice.waitForRecord({ code: "--" });
    held.push(await enter(world, sluice));

    for (const client of held) client.close();
    await sluice.waitForRecords(6, { code: "--" });
    const served = await storm(world, sluice, 300);
    await sluice.waitForRecords(300 + 7);
    assertEquals(sluice.matching({ reason: "tenant_connections" }).length, 301 - served);
    for (let turn = 0; turn < 5; turn++) await enter(world, sluice);
    assertEquals(await refusal(world, sluice), on_limit === "close" ? "eof" : "reset");
  });
}

e2e("process max_connections: counts every tenant, before the tenant's own limit", async (world) => {
  const backend = await world.backend(banner("hi"));
  const sluice = await world.sluice(configOf([
    tenantWith([backend.address], { id: "acme", limits: { max_connections: 2 } }),
    tenantWith([backend.address], { id: "globex" }),
  ], { limits: { max_connections: 4 } }));
  const held = [await enter(world, sluice), await enter(world, sluice)];
  await refusal(world, sluice);
  await sluice.waitForRecord({ tenant: "acme", code: "PR", reason: "tenant_connections" });
  held.push(await enter(world, sluice, { tenant: "globex" }), await enter(world, sluice, { tenant: "globex" }));
  await refusal(world, sluice, { tenant: "globex" });
  await sluice.waitForRecord({ tenant: "globex", code: "RR", reason: "process_connections", attempts: 0 });
  await refusal(world, sluice);
  await sluice.waitForRecord({ tenant: "acme", code: "RR", reason: "process_connections" });
  await held.pop()?.closeWrite();
  await sluice.waitForRecord({ tenant: "globex", code: "--" });
  await enter(world, sluice, { tenant: "globex" });
});

e2e("process max_connections: a storm leaves the count exact", async (world) => {
  const backend = await world.backend(banner("hi"));
  const sluice = await world.sluice(oneTenant([backend.address], {}, { limits: { max_connections: 7 } }));
  const served = await storm(world, sluice, 300);
  await sluice.waitForRecords(300);
  assertEquals(sluice.matching({ code: "RR" }).length, 300 - served);
  for (let turn = 0; turn < 7; turn++) await enter(world, sluice);
  await refusal(world, sluice);
});

e2e("max_connections: 0 lets nothing through", async (world) => {
  const backend = await world.backend(banner("hi"));
  const sluice = await world.sluice(oneTenant([backend.address], { limits: { max_connections: 0 } }));
  for (let turn = 0; turn < 5; turn++) assertEquals(await refusal(world, sluice), "eof");
  await sluice.waitForRecords(5, { code: "PR", reason: "tenant_connections" });
  assertEquals(backend.accepted, 0);
});

e2e("max_connections: lowered under use, live sessions run on and new ones are refused", async (world) => {
  const backend = await world.backend(banner("hi"));
  const config = (max_connections: number): Config => oneTenant([backend.address], { limits: { max_connections } });
  const sluice = await world.sluice(config(4));
  const held: Wire[] = [];
  for (let turn = 0; turn < 4; turn++) held.push(await enter(world, sluice));
  await sluice.reload(config(2));
  await Promise.all(held.map((client) => client.roundTrip()));
  await refusal(world, sluice);
  for (const client of held.splice(0, 3)) client.close();
  await sluice.waitForRecords(3, { code: "--" });
  await enter(world, sluice);
  await refusal(world, sluice);
  await Promise.all(held.map((client) => client.roundTrip()));
});

e2e("enabled: false keeps the address and refuses each session; live ones go on", async (world) => {
  const backend = await world.backend(banner("hi"));
  const listen = "127.0.0.1:0";
  const config = (enabled: boolean): Config => oneTenant([backend.address], { listen, enabled });
  const sluice = await world.sluice(config(true));
  const live = await enter(world, sluice);
  await sluice.reload(config(false));
  assertEquals(await refusal(world, sluice), "eof");
  const record = await sluice.waitForRecord();
  assertEquals([record.code, record.reason, record.attempts], ["PR", "tenant_disabled", 0]);
  assertEquals(backend.accepted, 1);
  await live.roundTrip();
  await sluice.reload(config(true));
  await enter(world, sluice);
});
