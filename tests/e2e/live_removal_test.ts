/** What is taken away through the API while sessions live on it, comes back at once, or gets less than is in use. */
import { assert, assertEquals } from "@std/assert";
import { formatAddress, freePort, ownLoopback } from "../helpers/address.ts";
import type { Backend } from "../helpers/backend.ts";
import { banner, echo } from "../helpers/behaviours.ts";
import { type TenantConfig, tenantWith } from "../helpers/config.ts";
import { eventually } from "../helpers/eventually.ts";
import { Operator } from "../helpers/operator.ts";
import type { Sluice } from "../helpers/sluice.ts";
import type { Wire } from "../helpers/wire.ts";
import { e2e, type World } from "../helpers/world.ts";

const DRAIN_MS = 1500;
const SLACK_MS = 2500;

/** A `serve` with a tenant `acme` at a known address, and one that is never touched. */
interface Scene {
  readonly sluice: Sluice;
  readonly operator: Operator;
  readonly backend: Backend;
  readonly address: string;
  readonly acme: TenantConfig;
}

async function sceneOf(world: World, ownDrain = `${DRAIN_MS}ms`): Promise<Scene> {
  const backend = await world.backend(echo);
  const host = ownLoopback();
  const address = formatAddress(host, freePort(host));
  const operator = await Operator.create();
  const acme = tenantWith([backend.address], { listen: address, timeouts: { drain: ownDrain } });
  const sluice = await world.sluice(operator.config([acme, tenantWith([backend.address], { id: "stays" })]));
  return { sluice, operator, backend, address, acme };
}

async function liveAt(world: World, address: string): Promise<Wire> {
  const client = await world.connect(address);
  await client.roundTrip();
  return client;
}

/** The session goes on, then is closed when its time is over. */
async function assertDrained(client: Wire, since: number): Promise<void> {
  await client.roundTrip("while it drains");
  assertEquals(await client.end(), "eof");
  const ms = performance.now() - since;
  assert(ms >= DRAIN_MS - 50 && ms < DRAIN_MS + SLACK_MS, `closed after ${DRAIN_MS} ms: ${Math.round(ms)} ms`);
}

e2e("live removal: a tenant that is deleted drains; one of its name that comes at once is another", async (world) => {
  // The request's time counts, not the tenant's.
  const { sluice, operator, address, acme } = await sceneOf(world, "60s");
  const old = await liveAt(world, address);
  const other = await liveAt(world, sluice.address("stays"));
  const since = performance.now();
  const answer = await operator.must("DELETE", `/v1/tenants/acme?drain=${DRAIN_MS}ms`);
  assertEquals(answer.status, 202, "sessions drain");
  await operator.refused(404, "GET", "/v1/tenants/acme");
  assert(!await world.accepts(address));

  const back = await operator.must("PUT", "/v1/tenants/acme", acme, { ifNoneMatch: "*" });
  assertEquals(back.status, 201);
  const newcomer = await liveAt(world, address);
  await assertDrained(old, since);
  await sluice.waitForRecord({ tenant: "acme", code: "KD", reason: "drained" });
  await newcomer.roundTrip();
  await other.roundTrip();
  await eventually(async () => (await operator.get("/v1/tenants/acme/status")).sessions === 1);
  assertEquals(sluice.matching({ code: "KD" }).length, 1);
});

e2e("live removal: a listener that is deleted drains its sessions for as long as the request says", async (world) => {
  const { operator, address } = await sceneOf(world, "60s");
  const old = await liveAt(world, address);
  const { listeners } = await operator.get("/v1/tenants/acme") as { listeners: { id: string }[] };
  const since = performance.now();
  await operator.must("DELETE", `/v1/tenants/acme/listeners/${listeners[0]?.id}?drain=${DRAIN_MS}ms`);
  await assertDrained(old, since);
});

e2e("live removal: a tenant without sessions is gone with the answer", async (world) => {
  const { operator, address, acme } = await sceneOf(world);
  for (let turn = 0; turn < 5; turn++) {
    assertEquals((await operator.must("DELETE", "/v1/tenants/acme")).status, 204);
    assert(!await world.accepts(address));
    await operator.must("PUT", "/v1/tenants/acme", acme);
    const client = await world.connect(address);
    await client.roundTrip();
    await client.closeWrite();
    assertEquals(await client.end(), "eof");
    await eventually(async () => (await operator.get("/v1/tenants/acme/status")).sessions === 0);
  }
});

e2e(
  "live removal: a listener that is deleted and made again at once serves new sessions, drains old ones",
  async (world) => {
    const { sluice, operator, address } = await sceneOf(world);
    const old = await liveAt(world, address);
    const since = performance.now();
    const path = "/v1/tenants/acme/listeners/in";
    const listener = await operator.get(path);
    assertEquals((await operator.must("DELETE", path)).status, 202);
    assert(!await world.accepts(address));
    await operator.must("PUT", path, listener);
    const newcomer = await liveAt(world, address);
    await assertDrained(old, since);
    await sluice.waitForRecord({ listener: "in", code: "KD", reason: "drained" });
    await newcomer.roundTrip();
  },
);

e2e(
  "live removal: a backend that is in use is not deleted; one that is left drains, and may come back",
  async (world) => {
    const { sluice, operator, backend, address } = await sceneOf(world);
    const fresh = await world.backend(echo);
    const old = await liveAt(world, address);
    const before = await operator.read("/v1/tenants/acme");
    await operator.refused(422, "DELETE", "/v1/tenants/acme/backends/out");
    assertEquals((await operator.read("/v1/tenants/acme")).etag, before.etag, "nothing has changed");
    await old.roundTrip();

    const backends = "/v1/tenants/acme/backends";
    await operator.must("PUT", `${backends}/fresh`, { id: "fresh", endpoints: [{ id: "a", address: fresh.address }] });
    await operator.must("PATCH", "/v1/tenants/acme/listeners/in", { backend: "fresh" });
    const second = await liveAt(world, address);
    assertEquals([backend.accepted, fresh.accepted], [1, 1]);
    await old.roundTrip();

    const since = performance.now();
    const gone = await operator.get(`${backends}/out`);
    assertEquals((await operator.must("DELETE", `${backends}/out`)).status, 202);
    await operator.must("PUT", `${backends}/out`, gone);
    await assertDrained(old, since);
    await sluice.waitForRecord({ backend: "out", code: "KD", reason: "drained" });
    await second.roundTrip();
    await operator.must("PATCH", "/v1/tenants/acme/listeners/in", { backend: "out" });
    await liveAt(world, address);
    assertEquals([backend.accepted, fresh.accepted], [2, 1]);
    await second.roundTrip();
  },
);

e2e("live limits: lowered below what is in use, live sessions run on and new ones are refused", async (world) => {
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const sluice = await world.sluice(
    operator.config([tenantWith([backend.address], { limits: { max_connections: 8 } })]),
  );
  const served = async (): Promise<Wire> => {
    const client = await world.connect(sluice.address());
    assertEquals(await client.readText(2), "hi");
    return client;
  };
  const refused = async (count: number): Promise<void> => {
    assertEquals(await (await world.connect(sluice.address())).end(), "eof");
    await sluice.waitForRecords(count, { code: "PR", reason: "tenant_connections" });
  };
  const used = async () => (await operator.get("/v1/tenants/acme/status")).limits.max_connections;
  const live: Wire[] = [];
  for (let turn = 0; turn < 5; turn++) live.push(await served());

  await operator.patch("acme", { limits: { max_connections: 2 } });
  assertEquals(await used(), { limit: 2, used: 5, left: 0 });
  await refused(1);
  for (const client of live) await client.roundTrip("still here");

  for (const client of live.splice(0, 3)) await client.closeWrite();
  await eventually(async () => (await used()).used === 2);
  await refused(2);
  await live.pop()?.closeWrite();
  await eventually(async () => (await used()).used === 1);
  live.push(await served());
  await refused(3);

  await operator.patch("acme", { limits: { max_connections: 0 } });
  await refused(4);
  await operator.patch("acme", { limits: { max_connections: null } });
  for (let turn = 0; turn < 10; turn++) live.push(await served());
  for (const client of live) await client.roundTrip("and here");
  assertEquals(backend.accepted, 5 + 1 + 10, "a refused client never touches the backend");
});
