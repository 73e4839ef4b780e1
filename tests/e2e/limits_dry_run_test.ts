/** `dry_run`: what limits would refuse or hold back is counted and told, and goes on. */
import { assert, assertEquals } from "@std/assert";
import { banner, source } from "../helpers/behaviours.ts";
import { enter, refusal, storm } from "../helpers/clients.ts";
import { configOf, type LimitsConfig, oneTenant, tenantWith } from "../helpers/config.ts";
import { Operator } from "../helpers/operator.ts";
import { receivePattern } from "../helpers/pattern.ts";
import { e2e } from "../helpers/world.ts";

const NONE = { rate: "0/s" };

const STRICT: readonly (readonly [reason: string, limits: LimitsConfig])[] = [
  ["tenant_connections", { max_connections: 1 }],
  ["tenant_rate", { connection_rate: { rate: "0.001/s", burst: 1 } }],
  ["source_connections", { per_source: { max_connections: 1 } }],
  ["source_rate", { per_source: { connection_rate: { rate: "0.001/s", burst: 1 } } }],
];

for (const [reason, limits] of STRICT) {
  for (const on_limit of ["close", "queue"] as const) {
    e2e(`dry run: ${reason} with on_limit ${on_limit} refuses nobody and counts each`, async (world) => {
      const backend = await world.backend(banner("hi"));
      const operator = await Operator.create();
      const { tenants } = oneTenant([backend.address], { limits: { ...limits, on_limit, dry_run: true } });
      const sluice = await world.sluice(operator.config(tenants));
      const clients = [];
      for (let turn = 0; turn < 5; turn++) clients.push(await enter(world, sluice));
      const labels = `{tenant="acme",reason="${reason}"}`;
      assertEquals(await operator.metric(`sluice_sessions_refused_total${labels}`), 4);
      assertEquals(await operator.metric(`sluice_sessions_dry_run_refused_total${labels}`), 4);
      assertEquals((await operator.status()).limits["queue.size"].used, 0);
      for (const client of clients) client.close();
      await sluice.waitForRecords(5, { code: "--", reason: "ok", attempts: 1, queue_ms: null });
      await sluice.waitForLine(new RegExp(`sessions would be refused.*"reason":"${reason}","count":4,"dry_run":true`));
      // The counts are right again when the dry run ends.
      await operator.patch("acme", { limits: { dry_run: null, on_limit: "close" } });
      const rates = reason.endsWith("_rate");
      if (!rates) await enter(world, sluice);
      assertEquals(await refusal(world, sluice), "eof");
      await sluice.waitForRecord({ code: "PR", reason });
    });
  }
}

e2e("dry run: bandwidth holds nobody back", async (world) => {
  const backend = await world.backend(source(1, 3_000_000));
  const operator = await Operator.create();
  const slow = { down: { rate: "1B/s", burst: "1B" } };
  const limits: LimitsConfig = { bandwidth: slow, per_connection: { bandwidth: slow }, dry_run: true };
  const sluice = await world.sluice(operator.config(oneTenant([backend.address], { limits }).tenants));
  assertEquals((await receivePattern(await world.connect(sluice.address()), 1)).bytes, 3_000_000);
  assertEquals(await operator.series('sluice_throttled_seconds_total{tenant="acme",direction="down"}'), undefined);
});

e2e("dry run: access lists, endpoints and the process refuse as ever", async (world) => {
  const backend = await world.backend(banner("hi"));
  const limits: LimitsConfig = { max_connections: 0, dry_run: true };
  const endpoint = { address: backend.address, max_connections: 1 };
  const sluice = await world.sluice(
    oneTenant([endpoint], { limits, access: { deny: ["127.0.0.2"] } }, { limits: { max_connections: 2 } }),
  );
  assertEquals(await refusal(world, sluice, { from: "127.0.0.2" }), "eof");
  await sluice.waitForRecord({ code: "PR", reason: "denied" });
  await enter(world, sluice);
  assertEquals(await refusal(world, sluice), "eof");
  await sluice.waitForRecord({ code: "SC", reason: "no_endpoint" });
});

e2e("dry run: of one tenant is not of another", async (world) => {
  const backend = await world.backend(banner("hi"));
  const limits: LimitsConfig = { connection_rate: NONE };
  const sluice = await world.sluice(configOf([
    tenantWith([backend.address], { id: "acme", limits }),
    tenantWith([backend.address], { id: "globex", limits: { dry_run: true } }),
  ], { defaults: { limits: { connection_rate: NONE } } }));
  await enter(world, sluice, { tenant: "globex" });
  assertEquals(await refusal(world, sluice), "eof");
});

e2e("dry run: a storm that would be refused is told with its number, not line by line", async (world) => {
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const { tenants } = oneTenant([backend.address], { limits: { connection_rate: NONE, dry_run: true } });
  const sluice = await world.sluice(operator.config(tenants));
  assertEquals(await storm(world, sluice, 200), 200);
  const labels = '{tenant="acme",reason="tenant_rate"}';
  assertEquals(await operator.metric(`sluice_sessions_dry_run_refused_total${labels}`), 200);
  assertEquals((await sluice.stop()).code, 0);
  const told = sluice.output().split("\n").filter((line) => line.includes("sessions would be refused"));
  const counts = told.map((line): number => JSON.parse(line).count);
  assertEquals(counts.reduce((sum, count) => sum + count, 0), 200);
  assert(counts.length <= 3, `few lines: ${counts}`);
});
