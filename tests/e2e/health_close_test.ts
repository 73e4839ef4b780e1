/** What becomes of live sessions when their endpoint goes down. */
import { assertEquals } from "@std/assert";
import { CheckedBackend } from "../helpers/checked.ts";
import { type HealthConfig, tenantWith } from "../helpers/config.ts";
import { eventually } from "../helpers/eventually.ts";
import { Operator } from "../helpers/operator.ts";
import type { Sluice } from "../helpers/sluice.ts";
import type { Wire } from "../helpers/wire.ts";
import { e2e, type World } from "../helpers/world.ts";

const GOOD = "+PONG\r\n";
const CHECK = {
  type: "expect",
  send: "PING\\r\\n",
  expect: "+PONG",
  interval: "50ms",
  timeout: "10s",
  fall: 2,
} as const;

interface Scene {
  readonly ops: Operator;
  readonly sluice: Sluice;
  readonly backends: readonly [CheckedBackend, CheckedBackend];
  /** A session at each of the two. */
  readonly sessions: ReadonlyMap<string, Wire>;
}

/** Two endpoints with a live session each. */
async function scene(world: World, on_down: HealthConfig["on_down"]): Promise<Scene> {
  const a = world.use(await CheckedBackend.listen("a", GOOD));
  const b = world.use(await CheckedBackend.listen("b", GOOD));
  const ops = await Operator.create();
  const health: HealthConfig = { active: CHECK, ...on_down === undefined ? {} : { on_down } };
  const sluice = await world.sluice(ops.config([tenantWith([a.address, b.address], { health })]));
  const sessions = new Map<string, Wire>();
  for (let turn = 0; turn < 2; turn++) {
    const client = await world.connect(sluice.address());
    await client.write("hello");
    sessions.set((await client.readText(6)).slice(0, 1), client);
  }
  assertEquals([...sessions.keys()].sort(), ["a", "b"]);
  return { ops, sluice, backends: [a, b], sessions };
}

async function untilDown({ ops }: Scene, endpoint: string): Promise<void> {
  await eventually(async () => {
    const { backends } = await ops.status();
    return backends[0].endpoints.find(({ id }: { id: string }) => id === endpoint).health === "down";
  }, { what: `${endpoint} is down` });
}

e2e("on_down: close ends the sessions of the endpoint that goes down, and no others", async (world) => {
  const all = await scene(world, "close");
  all.backends[0].answer = "-ERR\r\n";
  assertEquals((await all.sessions.get("a")!.readToEnd()).text, "");
  const record = await all.sluice.waitForRecord({ endpoint: "a" });
  assertEquals([record.code, record.reason], ["DD", "endpoint_down"]);
  await all.sluice.waitForLine(/the endpoint is down.*closed[=":]+1/);
  await all.sessions.get("b")!.roundTrip();
  const next = await world.connect(all.sluice.address());
  await next.write("hello");
  assertEquals(await next.readText(6), "bhello");
});

e2e("on_down: keep lets them run on", async (world) => {
  const all = await scene(world, undefined);
  all.backends[0].answer = "-ERR\r\n";
  await untilDown(all, "a");
  for (const session of all.sessions.values()) await session.roundTrip();
});
