/** Pauses between attempts, the budget of further ones, and what a client sends meanwhile. */
import { assert, assertEquals } from "@std/assert";
import { refusingAddress } from "../helpers/address.ts";
import { banner, echo, hold } from "../helpers/behaviours.ts";
import { type BackendSettings, type EndpointConfig, tenantWith } from "../helpers/config.ts";
import { eventually } from "../helpers/eventually.ts";
import { Operator } from "../helpers/operator.ts";
import { receivePattern, sendPattern } from "../helpers/pattern.ts";
import type { Sluice } from "../helpers/sluice.ts";
import { e2e, type World } from "../helpers/world.ts";

/** What a busy machine may add to a time. */
const SLACK_MS = 2000;
const RETRIES = 'sluice_retries_total{tenant="acme"}';

/** Endpoints that refuse come first, then one that works: in tiers, so that every session meets them all. */
function refusingFirst(count: number, good: string): EndpointConfig[] {
  return [
    ...Array.from({ length: count }, () => ({ address: refusingAddress() })),
    { address: good, tier: 1 },
  ];
}

/** What a client is told that leaves when it has heard something. */
async function visit(world: World, sluice: Sluice): Promise<string> {
  const client = await world.connect(sluice.address());
  await client.closeWrite();
  const { text } = await client.readToEnd();
  client.close();
  return text;
}

e2e("backoff: each pause is longer than the one before, and no byte that is sent meanwhile is lost", async (world) => {
  const sent = 700_000;
  const arrivals: number[] = [];
  const received: number[] = [];
  const good = await world.backend(async (wire) => {
    arrivals.push(performance.now());
    received.push((await receivePattern(wire, 7)).bytes);
    await wire.write("all");
  });
  const ops = await Operator.create();
  const retry = { attempts: 3, backoff: "200ms", budget: "100%" };
  const sluice = await world.sluice(ops.config([tenantWith(refusingFirst(2, good.address), { retry })]));
  const client = await world.connect(sluice.address());
  const began = performance.now();
  await sendPattern(client, 7, sent);
  await client.closeWrite();
  assertEquals((await client.readToEnd()).text, "all");
  assertEquals(received, [sent]);
  // 200 and 400 ms, each shortened by up to a half.
  const waitedMs = arrivals[0]! - began;
  assert(waitedMs >= 290 && waitedMs < 600 + SLACK_MS, `300 to 600 ms of pauses: ${waitedMs}`);
  const record = await sluice.waitForRecord({ code: "--" });
  assertEquals([record.attempts, record.endpoint, record.bytes_up, record.bytes_down], [3, "c", sent, 3]);
  assert(record.connect_ms! >= 300 && record.connect_ms! < 600 + SLACK_MS, `pauses count: ${record.connect_ms}`);
  assertEquals(await ops.metric(RETRIES), 2);
});

e2e("backoff: who pauses holds no endpoint, and may leave; there is no pause before nothing", async (world) => {
  const good = await world.backend(hold);
  const ops = await Operator.create();
  const retry = { attempts: 2, backoff: "60s" };
  const sluice = await world.sluice(ops.config([tenantWith(refusingFirst(1, good.address), { retry })]));
  const client = await world.connectResettable(sluice.address());
  await client.write("early");
  const session = await eventually(async () => {
    const { items } = await ops.get("/v1/sessions?tenant=acme");
    return items[0]?.attempts === 1 ? items[0] : undefined;
  }, { what: "a session that pauses" });
  assertEquals([session.state, session.bytes_up], ["connecting", 0]);
  assertEquals(await ops.metric('sluice_endpoint_sessions_active{tenant="acme",backend="out",endpoint="a"}'), 0);
  client.reset();
  const record = await sluice.waitForRecord({ code: "CC", reason: "client_abort" });
  assertEquals([record.attempts, record.bytes_up, good.accepted], [1, 0, 0]);

  await ops.patch("acme", { backends: tenantWith([refusingAddress()], { retry }).backends });
  assertEquals(await visit(world, sluice), "");
  const ended = await sluice.waitForRecord({ code: "SC", reason: "connect_refused" });
  assert(ended.attempts === 1 && ended.total_ms < SLACK_MS, `at once: ${ended.total_ms} ms`);
});

e2e("retry budget: over it a session fails at once; it is lifted while a session lives", async (world) => {
  const good = await world.backend(banner("hi"));
  const ops = await Operator.create();
  const endpoints = refusingFirst(1, good.address);
  const tenant = (retry: NonNullable<BackendSettings["retry"]>) => tenantWith(endpoints, { retry });
  const bounded = { attempts: 2, budget: "10%" };
  const sluice = await world.sluice(ops.config([tenant(bounded)]));
  const live = await world.connect(sluice.address());
  assertEquals(await live.readText(2), "hi");

  const words: string[] = [];
  for (let turn = 0; turn < 40; turn++) words.push(await visit(world, sluice));
  const served = words.filter((word) => word === "hi").length;
  // Three in ten seconds are always allowed, or a tenth of 41; that the machine takes its time may give a few more.
  assert(served >= 2 && served <= 8, `${served} of 40 served`);
  const failed = await sluice.waitForRecords(40 - served, { code: "SC", reason: "connect_refused" });
  assert(failed.every(({ attempts, endpoint }) => attempts === 1 && endpoint === "a"));
  assert(failed.every(({ total_ms }) => total_ms < SLACK_MS), "fast");

  await ops.patch("acme", { backends: tenant({ ...bounded, budget: "100%" }).backends });
  for (let turn = 0; turn < 10; turn++) assertEquals(await visit(world, sluice), "hi");
  await sluice.reload(ops.config([tenant({ ...bounded, budget: "0%" })]));
  assertEquals(await visit(world, sluice), "");
  await sluice.reload(ops.config([tenant({ ...bounded, attempts: 1 })]));
  assertEquals(await visit(world, sluice), "");
  await sluice.reload(ops.config([tenant({})]));
  assertEquals(await visit(world, sluice), "hi");
  await live.roundTrip();
});

e2e(
  "retry: an endpoint that was tried is not tried again by that session, which ends for its last attempt",
  async (world) => {
    const good = await world.backend(echo);
    const sluice = await world.sluice((await Operator.create()).config([
      tenantWith([refusingAddress(), { address: good.address, max_connections: 1 }], {
        balance: "first",
        retry: { attempts: 10, backoff: "10ms" },
      }),
    ]));
    const first = await world.connect(sluice.address());
    await first.roundTrip();
    // The second one is full: nobody is left.
    assertEquals(await (await world.connect(sluice.address())).end(), "eof");
    const record = await sluice.waitForRecord({ code: "SC" });
    assertEquals([record.reason, record.attempts], ["connect_refused", 1]);
    await first.roundTrip();
  },
);
