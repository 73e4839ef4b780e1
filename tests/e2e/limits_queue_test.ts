/** `on_limit: queue`: sessions over a limit wait, first come, first served, for a time, in a queue of bounded size. */
import { assert, assertEquals } from "@std/assert";
import { banner } from "../helpers/behaviours.ts";
import { enter, knock, refusal } from "../helpers/clients.ts";
import { type Config, type LimitsConfig, oneTenant, type TenantSettings } from "../helpers/config.ts";
import { Operator } from "../helpers/operator.ts";
import type { Backend } from "../helpers/backend.ts";
import type { Sluice } from "../helpers/sluice.ts";
import type { Wire } from "../helpers/wire.ts";
import { e2e, type World } from "../helpers/world.ts";

const HARDLY = "0.001/s";

interface Scene {
  readonly backend: Backend;
  readonly operator: Operator;
  readonly sluice: Sluice;
}

/** A tenant whose sessions over its limits wait, without an end unless told otherwise. */
async function queueing(world: World, limits: LimitsConfig, settings: TenantSettings = {}): Promise<Scene> {
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const sluice = await world.sluice(operator.config(
    oneTenant([backend.address], {
      ...settings,
      limits: { on_limit: "queue", ...limits, queue: { timeout: "0s", ...limits.queue } },
    }).tenants,
  ));
  return { backend, operator, sluice };
}

/** Clients that wait, in this order. */
async function line(world: World, { operator, sluice }: Scene, count: number, waiting = 0): Promise<Wire[]> {
  const clients: Wire[] = [];
  for (let turn = 1; turn <= count; turn++) {
    clients.push(await knock(world, sluice));
    await operator.untilQueued(waiting + turn);
  }
  return clients;
}

e2e("queue: who waits is served in order, as others leave, and the time is told", async (world) => {
  const scene = await queueing(world, { max_connections: 1 });
  const { backend, operator, sluice } = scene;
  let inside = await enter(world, sluice);
  const waiting = await line(world, scene, 6);
  assertEquals(backend.accepted, 1, "who waits does not touch the backend");
  assertEquals(await operator.metric('sluice_queue_length{tenant="acme"}'), 6);
  assertEquals((await operator.status()).limits.max_connections.used, 1);
  for (const [index, client] of waiting.entries()) {
    await inside.closeWrite();
    // One place, so that whoever is served now is the one that is read from: the others have to wait for it.
    assertEquals(await client.readText(2), "hi");
    assertEquals(backend.accepted, index + 2);
    inside = client;
  }
  await inside.closeWrite();
  const records = await sluice.waitForRecords(7, { code: "--", reason: "ok", attempts: 1 });
  // Records of two workers need not come in the order of their ends.
  assertEquals(records.filter(({ queue_ms }) => queue_ms === null).length, 1, "only the first never waited");
  for (const { queue_ms, total_ms } of records) assert(queue_ms === null || queue_ms > 0 && queue_ms <= total_ms);
  assertEquals((await operator.status()).limits["queue.size"].used, 0);
});

e2e("queue: beyond its size a session is refused at once; a place that is free again is taken", async (world) => {
  const scene = await queueing(world, { max_connections: 1, queue: { size: 2 } });
  const { operator, sluice } = scene;
  const inside = await enter(world, sluice);
  const [first, second] = await line(world, scene, 2);
  assertEquals(await refusal(world, sluice), "eof");
  const record = await sluice.waitForRecord({ code: "PQ", reason: "queue_full", attempts: 0 });
  assertEquals([record.backend, record.endpoint], [null, null]);
  assertEquals((await operator.status()).limits["queue.size"], { limit: 2, used: 2, left: 0 });
  first?.close();
  await sluice.waitForRecord({ reason: "client_abort" });
  const [third] = await line(world, scene, 1, 1);
  assertEquals(await refusal(world, sluice), "eof");
  await inside.closeWrite();
  assertEquals(await second?.readText(2), "hi");
  await second?.closeWrite();
  assertEquals(await third?.readText(2), "hi");
  await sluice.waitForRecords(2, { code: "PQ", reason: "queue_full" });
});

e2e("queue: a size of 0 is no queue", async (world) => {
  const { sluice } = await queueing(world, { max_connections: 1, queue: { size: 0 } });
  await enter(world, sluice);
  assertEquals(await refusal(world, sluice), "eof");
  await sluice.waitForRecord({ code: "PQ", reason: "queue_full" });
});

e2e("queue: after its timeout a session is refused, with a FIN", async (world) => {
  const scene = await queueing(world, { max_connections: 1, queue: { timeout: "400ms" } });
  const { backend, operator, sluice } = scene;
  const inside = await enter(world, sluice);
  assertEquals(await refusal(world, sluice), "eof");
  const record = await sluice.waitForRecord({ code: "sQ", reason: "queue_timeout", attempts: 0 });
  assert(record.queue_ms !== null && record.queue_ms >= 399 && record.total_ms >= 399, JSON.stringify(record));
  assertEquals(backend.accepted, 1);
  assertEquals((await operator.status()).limits["queue.size"].used, 0);
  await inside.roundTrip();
  await inside.closeWrite();
  await sluice.waitForRecord({ code: "--" });
  await enter(world, sluice);
});

e2e("queue: a client that leaves it without a word is gone at once, by FIN or RST", async (world) => {
  const scene = await queueing(world, { max_connections: 1 });
  const { operator, sluice, backend } = scene;
  const inside = await enter(world, sluice);
  const [closes] = await line(world, scene, 1);
  const resets = await world.connectResettable(sluice.address());
  await operator.untilQueued(2);
  const [stays] = await line(world, scene, 1, 2);
  closes?.close();
  await sluice.waitForRecord({ code: "CQ", reason: "client_abort", attempts: 0 });
  resets.reset();
  await sluice.waitForRecords(2, { code: "CQ", reason: "client_abort", attempts: 0 });
  await operator.untilQueued(1);
  await inside.closeWrite();
  assertEquals(await stays?.readText(2), "hi");
  assertEquals(backend.accepted, 2);
});

e2e("queue: what a client sends while it waits is delivered, also when it has half closed by then", async (world) => {
  const scene = await queueing(world, { max_connections: 1 });
  const { sluice } = scene;
  const inside = await enter(world, sluice);
  const [sends, ends] = await line(world, scene, 2);
  await sends?.write("early");
  await ends?.write("early, and all");
  await ends?.closeWrite();
  await inside.closeWrite();
  assertEquals(await sends?.readText(7), "hiearly");
  await sends?.roundTrip();
  await sends?.closeWrite();
  assertEquals((await ends?.readToEnd())?.text, "hiearly, and all");
  await sluice.waitForRecord({ code: "--", bytes_up: 14, bytes_down: 16 });
});

e2e("queue: for a token of a rate, no faster than it gives them, and in order", async (world) => {
  const [ratePerS, burst] = [10, 2];
  const scene = await queueing(world, { connection_rate: { rate: `${ratePerS}/s`, burst } });
  const { sluice } = scene;
  const start = performance.now();
  const clients: Wire[] = [];
  for (let turn = 0; turn < 12; turn++) clients.push(await knock(world, sluice));
  for (const [index, client] of clients.entries()) {
    assertEquals(await client.readText(2), "hi");
    const most = burst + ratePerS * (performance.now() - start) / 1000 + 0.01;
    assert(index + 1 <= most, `${index + 1} served where ${most} may be`);
    client.close();
  }
  await sluice.waitForRecords(12, { code: "--", reason: "ok" });
});

e2e("queue: one source that waits does not hold up another", async (world) => {
  const scene = await queueing(world, {
    per_source: { max_connections: 1, connection_rate: { rate: HARDLY, burst: 2 } },
  });
  const { operator, sluice } = scene;
  const [two, three] = [{ from: "127.0.0.2" }, { from: "127.0.0.3" }];
  const inside = await enter(world, sluice, two);
  const waits = await knock(world, sluice, two);
  await operator.untilQueued(1);
  const late = await knock(world, sluice, two);
  await operator.untilQueued(2);
  const other = await enter(world, sluice, three);
  await other.roundTrip();
  await inside.closeWrite();
  assertEquals(await waits.readText(2), "hi");
  await waits.closeWrite();
  await sluice.waitForRecords(2, { client: "127.0.0.2", code: "--" });
  // Its source has a place now, but no token.
  await operator.untilQueued(1);
  await operator.patch("acme", { limits: { per_source: { connection_rate: null } } });
  assertEquals(await late.readText(2), "hi");
});

e2e("queue: for a place at an endpoint, in order", async (world) => {
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const sluice = await world.sluice(operator.config(
    oneTenant([{ address: backend.address, max_connections: 2 }], {
      limits: { on_limit: "queue", queue: { timeout: "0s" } },
    }).tenants,
  ));
  const scene = { backend, operator, sluice };
  let [inside, other] = [await enter(world, sluice), await enter(world, sluice)];
  const waiting = await line(world, scene, 4);
  assertEquals(backend.accepted, 2);
  for (const client of waiting) {
    await inside.closeWrite();
    assertEquals(await client.readText(2), "hi");
    [inside, other] = [other, client];
  }
  await sluice.waitForRecords(4, { code: "--", attempts: 1 });
});

e2e("queue: killed by an operator, and drained with its tenant", async (world) => {
  const scene = await queueing(world, { max_connections: 1 }, { timeouts: { drain: "1h" } });
  const { operator, sluice, backend } = scene;
  await enter(world, sluice);
  const [killed, drained] = await line(world, scene, 2);
  const { items } = await operator.get("/v1/sessions?tenant=acme");
  const queued = items.filter(({ state }: { state: string }) => state === "queued");
  assertEquals(queued.map((one: Record<string, unknown>) => [one["backend"], one["endpoint"], one["attempts"]]), [
    [null, null, 0],
    [null, null, 0],
  ]);
  const port = (killed as unknown as { conn: Deno.TcpConn }).conn.localAddr.port;
  const { session } = queued.find(({ client_port }: { client_port: number }) => client_port === port);
  await operator.must("DELETE", `/v1/sessions/${session}`);
  assertEquals(await killed?.end(), "eof");
  await sluice.waitForRecord({ session, code: "KQ", reason: "killed", attempts: 0 });
  await operator.untilQueued(1);
  await operator.must("DELETE", "/v1/tenants/acme?drain=0s");
  assertEquals(await drained?.end(), "eof");
  await sluice.waitForRecord({ code: "KQ", reason: "drained", attempts: 0 });
  assertEquals(backend.accepted, 1);
});

e2e("queue: at the end of the program who waits is served while there is time, then drained", async (world) => {
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const sluice = await world.sluice(operator.config(
    oneTenant([backend.address], { limits: { max_connections: 1, on_limit: "queue", queue: { timeout: "0s" } } })
      .tenants,
    { shutdown: { grace: "2s" } },
  ));
  const inside = await enter(world, sluice);
  const [served, drained] = await line(world, { backend, operator, sluice }, 2);
  sluice.kill("SIGTERM");
  await inside.closeWrite();
  assertEquals(await served?.readText(2), "hi");
  assertEquals(await drained?.end(), "eof");
  assertEquals((await sluice.exit()).code, 0);
  await sluice.waitForRecord({ code: "KQ", reason: "drained" });
  await sluice.waitForRecord({ code: "KD", reason: "drained" });
});

e2e("queue: a tenant that is disabled sends away those that wait, with no reset", async (world) => {
  const scene = await queueing(world, { max_connections: 1 });
  const { operator, sluice } = scene;
  const inside = await enter(world, sluice);
  const waiting = await line(world, scene, 3);
  await operator.must("POST", "/v1/tenants/acme/disable");
  for (const client of waiting) assertEquals(await client.end(), "eof");
  await sluice.waitForRecords(3, { code: "PQ", reason: "tenant_disabled", attempts: 0 });
  await inside.roundTrip();
});

e2e("queue: max_duration ends a wait as well", async (world) => {
  const scene = await queueing(world, { max_connections: 1 }, { timeouts: { max_duration: "1s" } });
  const { sluice } = scene;
  await enter(world, sluice);
  const waits = await knock(world, sluice);
  // The first ends a moment before, and lets it in for the rest of its own time.
  await waits.readToEnd();
  await sluice.waitForRecords(2, { reason: "max_duration" });
});

e2e("queue: a limit that is raised lets as many in as it may; one that is lifted all", async (world) => {
  const scene = await queueing(world, { max_connections: 1 });
  const { operator, sluice, backend } = scene;
  await enter(world, sluice);
  const waiting = await line(world, scene, 8);
  await operator.patch("acme", { limits: { max_connections: 4 } });
  for (const client of waiting.slice(0, 3)) assertEquals(await client.readText(2), "hi");
  await operator.untilQueued(5);
  assertEquals(backend.accepted, 4);
  await operator.patch("acme", { limits: { max_connections: null } });
  for (const client of waiting.slice(3)) assertEquals(await client.readText(2), "hi");
  await operator.untilQueued(0);
});

e2e("queue: no on_limit: queue any more refuses who waits, as it says now, and lets nobody join", async (world) => {
  const scene = await queueing(world, { max_connections: 1 });
  const { operator, sluice } = scene;
  const inside = await enter(world, sluice);
  const [waits] = await line(world, scene, 1);
  await operator.patch("acme", { limits: { on_limit: "reset" } });
  await sluice.waitForRecord({ code: "PQ", reason: "tenant_connections" });
  assertEquals(await waits?.end(), "reset");
  assertEquals(await refusal(world, sluice), "reset");
  await sluice.waitForRecord({ code: "PR", reason: "tenant_connections" });
  await inside.roundTrip();
});

e2e("queue: a storm is served to the last, and never more at once than may be", async (world) => {
  let [open, most] = [0, 0];
  const backend = await world.backend(async (wire) => {
    most = Math.max(most, ++open);
    await wire.write("hi");
    await wire.readToEnd();
    open--;
  });
  const limits: LimitsConfig = { max_connections: 5, on_limit: "queue", queue: { timeout: "0s" } };
  const config: Config = oneTenant([backend.address], { limits });
  const sluice = await world.sluice(config);
  await Promise.all(Array.from({ length: 300 }, async () => {
    const client = await enter(world, sluice);
    await client.closeWrite();
    assertEquals(await client.end(), "eof");
  }));
  await sluice.waitForRecords(300, { code: "--", reason: "ok", attempts: 1 });
  // A session gives its place back before its backend has seen the end of it.
  assert(most <= 10, `${most} at once`);
  assert(sluice.matching(({ queue_ms }) => queue_ms !== null).length > 0, "somebody has waited");
});

e2e("queue: what is no limit of the tenant's never waits", async (world) => {
  const backend = await world.backend(banner("hi"));
  const limits: LimitsConfig = { max_connections: 3, on_limit: "queue", queue: { timeout: "0s" } };
  const config = (deny: string[]): Config =>
    oneTenant([backend.address], { listen: "127.0.0.1:0", limits, access: { deny } }, {
      limits: { max_connections: 2 },
    });
  const sluice = await world.sluice(config([]));
  await enter(world, sluice);
  await enter(world, sluice);
  assertEquals(await refusal(world, sluice), "eof");
  await sluice.waitForRecord({ code: "RR", reason: "process_connections" });
  await sluice.reload({ ...config(["127.0.0.2"]), limits: { max_connections: 100 } });
  assertEquals(await refusal(world, sluice, { from: "127.0.0.2" }), "eof");
  await sluice.waitForRecord({ code: "PR", reason: "denied" });
});
