/** Tiers, slow start: who serves when endpoints go, and what becomes of those who come back. */
import { assert, assertEquals } from "@std/assert";
import { CheckedBackend } from "../helpers/checked.ts";
import type { BackendConfig, HealthConfig } from "../helpers/config.ts";
import { tally } from "../helpers/crowd.ts";
import { eventually } from "../helpers/eventually.ts";
import { Operator } from "../helpers/operator.ts";
import type { Sluice } from "../helpers/sluice.ts";
import { e2e, type World } from "../helpers/world.ts";

const GOOD = "+PONG\r\n";
const BAD = "-LOADING\r\n";
const HEALTH: HealthConfig = {
  active: {
    type: "expect",
    send: "PING\\r\\n",
    expect: "+PONG",
    interval: "50ms",
    timeout: "10s",
    jitter: "0%",
    rise: 1,
    fall: 1,
  },
};

async function checked(world: World, count: number): Promise<CheckedBackend[]> {
  const found: CheckedBackend[] = [];
  for (const name of "abcd".slice(0, count)) found.push(world.use(await CheckedBackend.listen(name, GOOD)));
  return found;
}

async function untilHealth(ops: Operator, health: Readonly<Record<string, string>>): Promise<void> {
  await eventually(async () => {
    const { backends } = await ops.status();
    return backends.every(({ endpoints }: { endpoints: { id: string; health: string }[] }) =>
      endpoints.every((one) => health[one.id] === undefined || one.health === health[one.id])
    );
  }, { what: `health ${JSON.stringify(health)}` });
}

/** The endpoints of `count` sessions that come and go, one after the other, as a word. */
async function visit(world: World, sluice: Sluice, count: number, listener = "in"): Promise<string> {
  let word = "";
  for (let turn = 0; turn < count; turn++) {
    const client = await world.connect(sluice.address("acme", listener));
    await client.write("hello");
    word += (await client.readText(6)).charAt(0);
    client.close();
  }
  return word;
}

e2e("tiers: the next one serves while the one before has none left; whoever is there stays there", async (world) => {
  const [a, b, c, d] = await checked(world, 4) as [CheckedBackend, CheckedBackend, CheckedBackend, CheckedBackend];
  const ops = await Operator.create();
  const endpoints = [a, b, c, d].map(({ address }, index) => ({
    id: "abcd"[index]!,
    address,
    tier: [0, 0, 1, 5][index]!,
  }));
  const listeners = [{ id: "in", address: "127.0.0.1:0", backend: "out" }];
  const backend = (rest: Partial<BackendConfig>): BackendConfig => ({ id: "out", endpoints, health: HEALTH, ...rest });
  const sluice = await world.sluice(ops.config([{ id: "acme", listeners, backends: [backend({})] }]));
  await untilHealth(ops, { a: "up", b: "up", c: "up", d: "up" });
  assertEquals(tally(await visit(world, sluice, 6)), { a: 3, b: 3 });
  a.answer = BAD;
  await untilHealth(ops, { a: "down" });
  assertEquals(await visit(world, sluice, 4), "bbbb");
  b.answer = BAD;
  await untilHealth(ops, { b: "down" });
  assertEquals(await visit(world, sluice, 4), "cccc");
  const live = await world.connect(sluice.address());
  await live.write("hello");
  assertEquals(await live.readText(6), "chello");
  c.answer = BAD;
  await untilHealth(ops, { c: "down" });
  assertEquals(await visit(world, sluice, 4), "dddd");
  b.answer = GOOD;
  await untilHealth(ops, { b: "up" });
  assertEquals(await visit(world, sluice, 4), "bbbb");
  // By hand: the tier of an endpoint is changed, and one is taken out, while a session lives.
  const path = "/v1/tenants/acme/backends/out/endpoints";
  await ops.must("PATCH", `${path}/d`, { tier: 0 });
  assertEquals(tally(await visit(world, sluice, 6)), { b: 3, d: 3 });
  await ops.must("POST", `${path}/b/drain`);
  assertEquals(await visit(world, sluice, 4), "dddd");
  await live.roundTrip();
});

e2e("slow start: who comes back begins with a small share, and has all of it in the end", async (world) => {
  const [a, b] = await checked(world, 2) as [CheckedBackend, CheckedBackend];
  const endpoints = [{ id: "a", address: a.address }, { id: "b", address: b.address }];
  const starts = { at_once: "0s", slowly: "1h", soon: "1s" };
  const ids = Object.keys(starts) as (keyof typeof starts)[];
  const ops = await Operator.create();
  const name = (id: string) => id.replace("_", "-");
  const config = ops.config([{
    id: "acme",
    listeners: ids.map((id) => ({ id: name(id), address: "127.0.0.1:0", backend: name(id) })),
    backends: ids.map((id) => ({ id: name(id), endpoints, health: HEALTH, slow_start: starts[id] })),
  }]);
  const sluice = await world.sluice(config);
  const share = async (id: keyof typeof starts) => tally(await visit(world, sluice, 40, name(id)))["a"] ?? 0;
  await untilHealth(ops, { a: "up", b: "up" });
  assertEquals(await share("slowly"), 20, "after a start all have their shares");
  a.answer = BAD;
  await untilHealth(ops, { a: "down" });
  assertEquals(await share("slowly"), 0);
  a.answer = GOOD;
  await untilHealth(ops, { a: "up" });
  assertEquals(await share("at_once"), 20);
  // A sixteenth of its weight of 1: about 2 of 40.
  const few = await share("slowly");
  assert(few <= 10, `few of 40: ${few}`);
  await eventually(async () => await share("soon") === 20, { what: "its whole share" });
});
