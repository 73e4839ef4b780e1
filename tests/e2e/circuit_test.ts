/** The circuit breaker as everybody sees it: clients, the log, events, metrics, the status; and changes while it is open. */
import { assert, assertEquals } from "@std/assert";
import { refusingAddress } from "../helpers/address.ts";
import { banner } from "../helpers/behaviours.ts";
import { type BackendSettings, type TenantConfig, tenantWith } from "../helpers/config.ts";
import { Events } from "../helpers/events.ts";
import { eventually } from "../helpers/eventually.ts";
import { Operator } from "../helpers/operator.ts";
import type { Sluice } from "../helpers/sluice.ts";
import { e2e, type World } from "../helpers/world.ts";

type Breaker = NonNullable<BackendSettings["circuit_breaker"]>;

const BREAKER: Breaker = { requests: 4, error_ratio: "50%", window: "60s", open_for: "300ms", probes: 1 };
/** Never half-open while a test runs. */
const FOR_LONG: Breaker = { ...BREAKER, open_for: "1h" };
const CIRCUITS = ["closed", "open", "half_open"] as const;

function tenant(endpoint: string, breaker: Breaker | undefined): TenantConfig {
  const out = breaker === undefined ? {} : { circuit_breaker: breaker };
  return tenantWith([endpoint], { out, timeouts: { connect: "60s" } });
}

/** What a client is told: "hi", or nothing. */
async function visit(world: World, sluice: Sluice): Promise<string> {
  const client = await world.connect(sluice.address());
  await client.closeWrite();
  const { text } = await client.readToEnd();
  client.close();
  return text;
}

async function circuitOf(ops: Operator): Promise<string> {
  const { backends } = await ops.status();
  const value = await ops.metric('sluice_circuit_state{tenant="acme",backend="out"}');
  assertEquals(CIRCUITS[value], backends[0].circuit, "metric and status say the same");
  return backends[0].circuit;
}

e2e("circuit: open after failures, half-open for a probe, closed when that works; told everywhere", async (world) => {
  const good = await world.backend(banner("hi"));
  const hole = await world.blackHole();
  const ops = await Operator.create();
  const sluice = await world.sluice(ops.config([tenant(good.address, BREAKER)]));
  const events = world.use(await Events.follow(ops));
  const live = await world.connect(sluice.address());
  assertEquals(await live.readText(2), "hi");
  assertEquals(await circuitOf(ops), "closed");

  const nowhere = refusingAddress();
  await ops.patch("acme", { backends: tenant(nowhere, FOR_LONG).backends });
  // With the one that worked, three are the fourth: three quarters failed.
  for (let turn = 0; turn < 3; turn++) assertEquals(await (await world.connect(sluice.address())).end(), "eof");
  await events.until("breaker", { backend: "out", circuit: "open" });
  await sluice.waitForLine(/the circuit is open.*backend[=":]+out/);
  assertEquals(await circuitOf(ops), "open");
  await sluice.waitForRecords(3, { code: "SC", reason: "connect_refused", attempts: 1 });
  for (let turn = 0; turn < 5; turn++) assertEquals(await (await world.connect(sluice.address())).end(), "eof");
  const refused = await sluice.waitForRecords(5, { code: "SC", reason: "circuit_open" });
  assert(refused.every(({ attempts, backend, endpoint }) => attempts === 0 && backend === "out" && endpoint === null));
  assertEquals(await ops.metric('sluice_sessions_refused_total{tenant="acme",reason="circuit_open"}'), 5);
  await live.roundTrip();

  // An open circuit goes by the time that it opened with, and closes when its breaker goes.
  await ops.patch("acme", { backends: tenant(nowhere, BREAKER).backends });
  assertEquals(await circuitOf(ops), "open");
  await ops.patch("acme", { backends: tenant(nowhere, undefined).backends });
  await events.until("breaker", { circuit: "closed" });
  assertEquals(await circuitOf(ops), "closed");
  await ops.patch("acme", { backends: tenant(nowhere, BREAKER).backends });
  assertEquals(await circuitOf(ops), "closed");
  await eventually(async () => {
    await visit(world, sluice);
    return await circuitOf(ops) === "open";
  }, { what: "an open circuit" });
  // The probe hangs for as long as it is to.
  await sluice.reload(ops.config([tenant(hole.address, BREAKER)]));
  await eventually(async () => {
    await world.connect(sluice.address());
    return await circuitOf(ops) === "half_open";
  }, { what: "a probe" });
  await events.until("breaker", { circuit: "half_open" });
  await sluice.waitForLine(/the circuit is half-open/);
  const before = sluice.matching({ reason: "circuit_open" }).length;
  for (let turn = 0; turn < 3; turn++) assertEquals(await (await world.connect(sluice.address())).end(), "eof");
  await sluice.waitForRecords(before + 3, { reason: "circuit_open" });

  const probe = await hole.release();
  await events.until("breaker", { circuit: "closed" }, 2);
  assertEquals(await circuitOf(ops), "closed");
  await probe.write("hi");
  await live.roundTrip();
  const told = events.like("breaker").map(({ circuit }) => circuit);
  assertEquals(told.filter((circuit, index) => circuit !== told[index - 1]), told, "no state is told twice in a row");
});

e2e("circuit: a probe that fails opens it again, and it closes when the endpoint is back", async (world) => {
  const good = await world.backend(banner("hi"));
  const ops = await Operator.create();
  const nowhere = refusingAddress();
  const sluice = await world.sluice(ops.config([tenant(nowhere, { ...BREAKER, open_for: "100ms" })]));
  const events = world.use(await Events.follow(ops));
  await eventually(async () => {
    assertEquals(await visit(world, sluice), "");
    return events.like("breaker", { circuit: "open" }).length >= 3;
  }, { what: "a circuit that has opened three times" });
  const order = events.like("breaker").map(({ circuit }) => circuit).slice(0, 5);
  assertEquals(order, ["open", "half_open", "open", "half_open", "open"]);
  // Of those who came between two probes none has touched the endpoint.
  const records = sluice.matching({ reason: "connect_refused" });
  const opened = events.like("breaker", { circuit: "open" }).length;
  assert(records.length <= 4 + opened, `four to open it, one a probe: ${records.length}, opened ${opened} times`);

  await sluice.reload(ops.config([tenant(good.address, { ...BREAKER, open_for: "100ms" })]));
  await eventually(async () => await visit(world, sluice) === "hi", { what: "a probe that works" });
  await events.until("breaker", { circuit: "closed" });
  for (let turn = 0; turn < 5; turn++) assertEquals(await visit(world, sluice), "hi");
});

e2e("circuit: what was seen so far counts under new settings; without them everybody is let through", async (world) => {
  const ops = await Operator.create();
  const nowhere = refusingAddress();
  const good = await world.backend(banner("hi"));
  const second = tenantWith([good.address], { id: "globex" });
  const config = (breaker: Breaker | undefined) => ops.config([tenant(nowhere, breaker), second]);
  const sluice = await world.sluice(config({ ...FOR_LONG, requests: 100 }));
  const live = await world.connect(sluice.address("globex"));
  assertEquals(await live.readText(2), "hi");
  for (let turn = 0; turn < 6; turn++) assertEquals(await visit(world, sluice), "");
  assertEquals(await circuitOf(ops), "closed");
  await sluice.reload(config({ ...FOR_LONG, requests: 7 }));
  assertEquals(await visit(world, sluice), "");
  await eventually(async () => await circuitOf(ops) === "open", { what: "an open circuit" });
  assertEquals(await visit(world, sluice), "");
  await sluice.waitForRecord({ reason: "circuit_open" });

  // JSON Merge Patch: null takes it away.
  const path = "/v1/tenants/acme/backends/out";
  await ops.must("PATCH", path, { circuit_breaker: null });
  assertEquals(await visit(world, sluice), "");
  await sluice.waitForRecords(8, { reason: "connect_refused" });
  assertEquals((await ops.get(path)).circuit_breaker, undefined);
  await live.roundTrip();
});
