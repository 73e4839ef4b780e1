/** Storms of one tenant: of connections, of refusals, of bytes. Another tenant and the admin API go on. */
import { assert, assertEquals } from "@std/assert";
import { banner, echo, source } from "../helpers/behaviours.ts";
import { enter, storm } from "../helpers/clients.ts";
import { type LimitsConfig, tenantWith } from "../helpers/config.ts";
import { eventually } from "../helpers/eventually.ts";
import { Operator } from "../helpers/operator.ts";
import { receivePattern } from "../helpers/pattern.ts";
import type { Sluice } from "../helpers/sluice.ts";
import { e2e, type World } from "../helpers/world.ts";

const STORMS: Readonly<Record<string, LimitsConfig>> = {
  "a small cap": { max_connections: 3 },
  "a small rate": { connection_rate: { rate: "5/s", burst: 5 } },
  "a small source": { per_source: { max_connections: 2, connection_rate: { rate: "5/s" } } },
  "a small queue": { max_connections: 2, on_limit: "queue", queue: { size: 20, timeout: "300ms" } },
  "a dry run": { max_connections: 1, dry_run: true },
};

/** Answers of a quiet tenant and of the API while something else goes on. */
async function meanwhile(world: World, sluice: Sluice, operator: Operator, goesOn: () => boolean): Promise<number> {
  let turns = 0;
  const live = await enter(world, sluice, { tenant: "quiet" });
  do {
    await live.roundTrip();
    (await enter(world, sluice, { tenant: "quiet" })).close();
    assertEquals((await operator.status("quiet")).limits.max_connections.limit, 100);
    await operator.patch("quiet", { labels: { turn: `${turns}` } });
    turns++;
  } while (goesOn());
  return turns;
}

for (const [what, limits] of Object.entries(STORMS)) {
  e2e(`storm: connections of a tenant with ${what} leave the quiet one and the API alone`, async (world) => {
    const backend = await world.backend(banner("hi"));
    const operator = await Operator.create();
    const sluice = await world.sluice(operator.config([
      tenantWith([backend.address], { id: "acme", limits }),
      tenantWith([backend.address], { id: "quiet", limits: { max_connections: 100 } }),
    ]));
    let blows = true;
    const blown = (async () => {
      for (let turn = 0; turn < 3; turn++) await storm(world, sluice, 200);
      blows = false;
    })();
    const turns = await meanwhile(world, sluice, operator, () => blows);
    await blown;
    await sluice.waitForRecords(600, { tenant: "acme" });
    const quiet = sluice.matching({ tenant: "quiet" });
    assertEquals(quiet.filter(({ code }) => code.startsWith("P") || code.startsWith("R")), []);
    assert(turns > 0);
    const status = await eventually(async () => {
      const now = await operator.status();
      return now.sessions === 0 && now.limits["queue.size"].used === 0 ? now : undefined;
    }, { what: "everything given back" });
    assertEquals([status.limits.max_connections.used, status.sources], [0, []]);
  }, { deadlineMs: 120_000 });
}

e2e("storm: streams of a tenant that is held back leave the quiet one and the API alone", async (world) => {
  const backend = await world.backend((wire, index) =>
    (index < 60 ? source(1, 100_000_000) : banner("hi"))(wire, index)
  );
  const quiet = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const limits: LimitsConfig = {
    bandwidth: { down: { rate: "500KiB/s" } },
    per_connection: { bandwidth: { down: { rate: "50KiB/s" } } },
  };
  const sluice = await world.sluice(operator.config([
    tenantWith([backend.address], { id: "acme", limits }),
    tenantWith([quiet.address], { id: "quiet", limits: { max_connections: 100 } }),
  ]));
  const streams = await Promise.all(Array.from({ length: 60 }, () => world.connect(sluice.address())));
  const ends = streams.map((client) => receivePattern(client, 1).catch(() => {}));
  let turns = 0;
  await meanwhile(world, sluice, operator, () => turns++ < 50);
  const { items } = await operator.get("/v1/sessions?tenant=acme&limit=100");
  assertEquals(items.length, 60, "nobody was closed for it");
  for (const client of streams) client.close();
  await Promise.all(ends);
  await sluice.waitForRecords(60, { tenant: "acme" });
});

e2e("storm: limits that change with every breath, under traffic of many sources", async (world) => {
  const backend = await world.backend(echo);
  const operator = await Operator.create();
  const sluice = await world.sluice(operator.config([tenantWith([backend.address])]));
  let blows = true;
  let whole = 0;
  const traffic = Array.from({ length: 12 }, async (_, index) => {
    while (blows) {
      const client = await world.connectResettable(sluice.address(), `127.0.7.${index >> 1}`).catch(() => undefined);
      try {
        await client?.roundTrip("x".repeat(20_000));
        whole++;
      } catch {
        /* refused, by one of many limits */
      } finally {
        client?.close();
      }
    }
  });
  const changes: readonly LimitsConfig[] = [
    { max_connections: 3 },
    { max_connections: 8, on_limit: "queue", queue: { size: 4, timeout: "100ms" } },
    { connection_rate: { rate: "50/s" }, on_limit: "reset" },
    { per_source: { max_connections: 1, ipv4_prefix: 24 } },
    { per_source: { max_connections: 1, connection_rate: { rate: "20/s" } }, on_limit: "queue" },
    { bandwidth: { up: { rate: "2MiB/s" }, down: { rate: "3MiB/s", burst: "1MiB" } } },
    { per_connection: { bandwidth: { down: { rate: "200KiB/s" } } } },
    {
      bandwidth: { up: { rate: "1MiB/s" } },
      per_connection: { bandwidth: { up: { rate: "100KiB/s" } } },
      dry_run: true,
    },
    {},
  ];
  for (let turn = 0; turn < 90; turn++) {
    const limits = changes[turn % changes.length];
    const { body } = await operator.read("/v1/tenants/acme");
    await operator.must("PUT", "/v1/tenants/acme", { ...body, limits });
  }
  blows = false;
  await Promise.all(traffic);
  assert(whole > 0, "somebody was served");
  const status = await eventually(async () => {
    const now = await operator.status();
    return now.sessions === 0 && now.limits["queue.size"].used === 0 ? now : undefined;
  }, { what: "everything given back" });
  assertEquals(status.limits.max_connections, { limit: null, used: 0, left: null });
  await (await world.connect(sluice.address())).roundTrip();
}, { deadlineMs: 120_000 });
