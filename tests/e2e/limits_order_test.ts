/** The order at accept: process, access list, source, tenant, endpoint. Who is refused gives back all that it took. */
import { assertEquals } from "@std/assert";
import { refusingAddress } from "../helpers/address.ts";
import { banner } from "../helpers/behaviours.ts";
import { enter, refusal } from "../helpers/clients.ts";
import { type LimitsConfig, oneTenant } from "../helpers/config.ts";
import { eventually } from "../helpers/eventually.ts";
import { Operator } from "../helpers/operator.ts";
import { e2e } from "../helpers/world.ts";

const NONE = { rate: "0/s" };
const HARDLY = "0.001/s";

e2e("order: what comes first is what a client is told that all of them refuse", async (world) => {
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const endpoint = { address: backend.address, max_connections: 0 };
  const limits: LimitsConfig = {
    max_connections: 0,
    connection_rate: NONE,
    per_source: { max_connections: 0, connection_rate: NONE },
  };
  const tenant = oneTenant([endpoint], { enabled: false, access: { allow: [] }, limits }).tenants;
  const sluice = await world.sluice(operator.config(tenant, { limits: { max_connections: 0 } }));

  let records = 0;
  const isRefusedBy = async (reason: string, code: string): Promise<void> => {
    assertEquals(await refusal(world, sluice), "eof", reason);
    const all = await sluice.waitForRecords(++records);
    const { code: coded, reason: given, attempts } = all[records - 1]!;
    assertEquals([given, coded, attempts], [reason, code, 0]);
  };
  const lift = (patch: unknown) => operator.patch("acme", patch);
  await isRefusedBy("process_connections", "RR");
  const file = Deno.readTextFileSync(sluice.configPath);
  sluice.write(JSON.stringify({ ...JSON.parse(file), limits: {} }));
  await sluice.reload();
  await isRefusedBy("tenant_disabled", "PR");
  await lift({ enabled: true });
  await isRefusedBy("denied", "PR");
  await lift({ access: null });
  await isRefusedBy("source_connections", "PR");
  await lift({ limits: { per_source: { max_connections: null } } });
  await isRefusedBy("source_rate", "PR");
  await lift({ limits: { per_source: null } });
  await isRefusedBy("tenant_connections", "PR");
  await lift({ limits: { max_connections: null } });
  await isRefusedBy("tenant_rate", "PR");
  await lift({ limits: null });
  await isRefusedBy("no_endpoint", "SC");
  assertEquals(backend.accepted, 0);
  await lift({
    backends: [{ id: "out", endpoints: [{ id: "a", address: backend.address }] }],
  });
  await enter(world, sluice);
});

e2e("order: a client that a later limit refuses gives back what the earlier ones gave", async (world) => {
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const rate = { rate: HARDLY, burst: 4 };
  const limits: LimitsConfig = {
    max_connections: 4,
    connection_rate: rate,
    per_source: { max_connections: 4, connection_rate: rate },
  };
  const tenants = (max_connections: number) => {
    const endpoint = { address: backend.address, max_connections };
    return oneTenant([endpoint], { listen: "127.0.0.1:0", limits }).tenants;
  };
  const sluice = await world.sluice(operator.config(tenants(0), { limits: { max_connections: 4 } }));
  for (let turn = 0; turn < 50; turn++) assertEquals(await refusal(world, sluice), "eof");
  await sluice.waitForRecords(50, { code: "SC", reason: "no_endpoint", attempts: 0 });
  const status = await eventually(async () => {
    const now = await operator.status();
    return now.sessions === 0 && now.limits.connection_rate.left === 4 ? now : undefined;
  });
  assertEquals(status.sources, []);
  await operator.must("PUT", "/v1/tenants/acme/backends/out/endpoints/a", { id: "a", address: backend.address });
  // All of each: of the process, the source, its rate, the tenant and its rate.
  const held = [];
  for (let turn = 0; turn < 4; turn++) held.push(await enter(world, sluice));
  assertEquals((await operator.status()).sources, [{ source: "127.0.0.1/32", sessions: 4 }]);
  assertEquals(await refusal(world, sluice), "eof");
  await sluice.waitForRecord({ code: "RR", reason: "process_connections" });
  await Promise.all(held.map((client) => client.roundTrip()));
  assertEquals(backend.accepted, 4);
});

e2e("order: a source over its limit takes no token of the tenant", async (world) => {
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const limits: LimitsConfig = {
    connection_rate: { rate: HARDLY, burst: 3 },
    per_source: { max_connections: 1 },
  };
  const sluice = await world.sluice(operator.config(oneTenant([backend.address], { limits }).tenants));
  await enter(world, sluice, { from: "127.0.0.2" });
  for (let turn = 0; turn < 20; turn++) await refusal(world, sluice, { from: "127.0.0.2" });
  await sluice.waitForRecords(20, { reason: "source_connections" });
  for (const from of ["127.0.0.3", "127.0.0.4"]) await enter(world, sluice, { from });
  await refusal(world, sluice, { from: "127.0.0.5" });
  await sluice.waitForRecord({ client: "127.0.0.5", reason: "tenant_rate" });
});

e2e("order: a session whose endpoint refuses has used its token, and nothing else", async (world) => {
  const backend = await world.backend(banner("hi"));
  const address = refusingAddress();
  const operator = await Operator.create();
  const limits: LimitsConfig = { max_connections: 2, connection_rate: { rate: HARDLY, burst: 3 } };
  const sluice = await world.sluice(operator.config(oneTenant([address], { limits }).tenants));
  for (let turn = 0; turn < 2; turn++) await refusal(world, sluice);
  await sluice.waitForRecords(2, { code: "SC", reason: "connect_refused" });
  const { limits: inUse } = await operator.status();
  assertEquals([inUse.max_connections.used, inUse.connection_rate.left], [0, 1]);
  await operator.must("PUT", "/v1/tenants/acme/backends/out/endpoints/a", { id: "a", address: backend.address });
  await enter(world, sluice);
  await refusal(world, sluice);
  await sluice.waitForRecord({ reason: "tenant_rate" });
});
