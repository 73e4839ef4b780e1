/** Shortage of what all tenants share: those furthest over their fair share are refused first, the others are served. */
import { assert, assertEquals } from "@std/assert";
import { banner } from "../helpers/behaviours.ts";
import { enter, knock, refusal } from "../helpers/clients.ts";
import { configOf, oneTenant, tenantWith } from "../helpers/config.ts";
import { Operator } from "../helpers/operator.ts";
import type { Sluice } from "../helpers/sluice.ts";
import { isDisconnect, type Wire } from "../helpers/wire.ts";
import { e2e, type World } from "../helpers/world.ts";

/** Sessions of a tenant, one after the other, until one is refused. */
async function fill(world: World, sluice: Sluice, tenant: string): Promise<Wire[]> {
  const held: Wire[] = [];
  for (;;) {
    const client = await knock(world, sluice, { tenant });
    try {
      if (typeof await client.readInto(new Uint8Array(2)) !== "number") return held;
    } catch (error) {
      if (isDisconnect(error)) return held;
      throw error;
    }
    held.push(client);
  }
}

e2e("overload: who takes the process's cap leaves some of it to those who have less", async (world) => {
  const backend = await world.backend(banner("hi"));
  const ids = ["greedy", "modest"];
  const sluice = await world.sluice(configOf(ids.map((id) => tenantWith([backend.address], { id })), {
    limits: { max_connections: 40 },
  }));
  // 36 of 40 are eight times what is left, and more than half.
  const greedy = await fill(world, sluice, "greedy");
  assertEquals(greedy.length, 36);
  await sluice.waitForRecord({ tenant: "greedy", code: "RR", reason: "process_connections", attempts: 0 });
  const modest = await fill(world, sluice, "modest");
  assertEquals(modest.length, 4, "it is refused only when nothing is left");

  greedy.pop()?.close();
  await sluice.waitForRecord({ tenant: "greedy", code: "--" });
  assertEquals(await refusal(world, sluice, { tenant: "greedy" }), "eof");
  modest.push(await enter(world, sluice, { tenant: "modest" }));
  await Promise.all([...greedy, ...modest].map((client) => client.roundTrip()));
  assertEquals(sluice.matching(({ code }) => code.startsWith("K")), [], "no live session is closed for it");
});

e2e("overload: one tenant alone has the whole cap, disabled ones have no share", async (world) => {
  const backend = await world.backend(banner("hi"));
  const sluice = await world.sluice(configOf([
    tenantWith([backend.address], { id: "alone" }),
    tenantWith([backend.address], { id: "off", enabled: false }),
  ], { limits: { max_connections: 30 } }));
  assertEquals((await fill(world, sluice, "alone")).length, 30);
});

e2e("overload: sessions that wait count for the process", async (world) => {
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const limits = { max_connections: 1, on_limit: "queue", queue: { timeout: "0s" } } as const;
  const sluice = await world.sluice(
    operator.config(oneTenant([backend.address], { limits }).tenants, { limits: { max_connections: 4 } }),
  );
  const inside = await enter(world, sluice);
  const waiting: Wire[] = [];
  for (let turn = 1; turn <= 3; turn++) {
    waiting.push(await knock(world, sluice));
    await operator.untilQueued(turn);
  }
  assertEquals(await refusal(world, sluice), "eof");
  await sluice.waitForRecord({ code: "RR", reason: "process_connections" });
  await inside.closeWrite();
  assertEquals(await waiting[0]?.readText(2), "hi");
  waiting.push(await knock(world, sluice));
  await operator.untilQueued(3);
});

e2e("overload: with descriptors nearly used up by one tenant, another is served, and so is the API", async (world) => {
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const sluice = await world.sluice(
    operator.config(["greedy", "modest"].map((id) => tenantWith([backend.address], { id })), { workers: 1 }),
    { nofile: 256 },
  );
  const greedy = await fill(world, sluice, "greedy");
  const record = await sluice.waitForRecord({ tenant: "greedy", code: "RR" });
  assertEquals([record.reason, record.attempts], ["fd_exhausted", 0]);
  assert(greedy.length >= 64, `it has more than its share: ${greedy.length}`);
  for (let turn = 0; turn < 8; turn++) {
    assertEquals(await refusal(world, sluice, { tenant: "greedy" }), "eof");
    await (await enter(world, sluice, { tenant: "modest" })).roundTrip();
  }
  assertEquals((await operator.status("greedy")).sessions, greedy.length);
  assertEquals(
    await operator.metric('sluice_sessions_refused_total{tenant="greedy",reason="fd_exhausted"}'),
    9,
  );
  assertEquals(
    await operator.series('sluice_sessions_refused_total{tenant="modest",reason="fd_exhausted"}'),
    undefined,
  );
  await Promise.all(greedy.map((client) => client.roundTrip()));
  for (const client of greedy) client.close();
  await sluice.waitForRecords(greedy.length, { tenant: "greedy", code: "--" });
  await enter(world, sluice, { tenant: "greedy" });
});

e2e("overload: the process's cap lowered under use closes nobody", async (world) => {
  const backend = await world.backend(banner("hi"));
  const config = (max_connections: number) =>
    configOf(
      ["acme", "globex"].map((id) => tenantWith([backend.address], { id, listen: "127.0.0.1:0" })),
      { limits: { max_connections } },
    );
  const sluice = await world.sluice(config(100));
  const held = await Promise.all(Array.from({ length: 20 }, () => enter(world, sluice)));
  await sluice.reload(config(10));
  assertEquals(await refusal(world, sluice, { tenant: "globex" }), "eof");
  await sluice.waitForRecord({ tenant: "globex", code: "RR", reason: "process_connections" });
  await Promise.all(held.map((client) => client.roundTrip()));
  for (const client of held.splice(0, 11)) client.close();
  await sluice.waitForRecords(11, { code: "--" });
  await enter(world, sluice, { tenant: "globex" });
  await refusal(world, sluice, { tenant: "globex" });
  await sluice.waitForRecords(2, { tenant: "globex", reason: "process_connections" });
});
