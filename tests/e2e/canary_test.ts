/** A canary moves by itself: to the end while it does well, back as soon as it does not; over reloads, never in the file. */
import { assert, assertEquals } from "@std/assert";
import { refusingAddress } from "../helpers/address.ts";
import { sayAndClose } from "../helpers/behaviours.ts";
import { knock } from "../helpers/clients.ts";
import type { BackendConfig, TenantConfig } from "../helpers/config.ts";
import { eventually } from "../helpers/eventually.ts";
import { type Body, Operator } from "../helpers/operator.ts";
import type { Sluice } from "../helpers/sluice.ts";
import { e2e, type World } from "../helpers/world.ts";

type Canary = NonNullable<BackendConfig["canary"]>;

/** Clients, each with an address of its own. */
const CLIENTS = Array.from({ length: 200 }, (_, index) => `127.0.1.${index + 1}`);
const AT_ONCE = 20;

function tenantOf(stable: string, next: string, canary: Canary | undefined, port = "127.0.0.1:0"): TenantConfig {
  return {
    id: "acme",
    listeners: [{ id: "in", address: port, backend: "web" }],
    backends: [
      { id: "stable", endpoints: [{ id: "a", address: stable }] },
      { id: "next", endpoints: [{ id: "a", address: next }], retry: { attempts: 1 } },
      {
        id: "web",
        split: [{ backend: "stable", weight: 9 }, { backend: "next", weight: 1 }],
        ...canary === undefined ? {} : { canary },
      },
    ],
  };
}

/** What each client is told by its backend, in order: `s`, `n`, or nothing where its connect failed. */
async function visit(world: World, sluice: Sluice, clients: readonly string[] = CLIENTS): Promise<string[]> {
  const words: string[] = [];
  for (let at = 0; at < clients.length; at += AT_ONCE) {
    words.push(
      ...await Promise.all(
        clients.slice(at, at + AT_ONCE).map(async (from) => {
          const client = await knock(world, sluice, { from });
          const { text } = await client.readToEnd();
          client.close();
          return text;
        }),
      ),
    );
  }
  return words;
}

function countOf(words: readonly string[], word: string): number {
  return words.filter((one) => one === word).length;
}

async function canaryOf(operator: Operator): Promise<Body> {
  const { backends } = await operator.status();
  return backends.find(({ id }: { id: string }) => id === "web").canary;
}

/** The moves in the audit, oldest first. */
async function movesOf(operator: Operator): Promise<string[]> {
  const { items } = await operator.get("/v1/audit?limit=100");
  return items.filter(({ actor }: { actor: string }) => actor === "canary").map(({ verb }: { verb: string }) => verb)
    .reverse();
}

async function namedBackends(world: World): Promise<[string, string]> {
  const [stable, next] = [await world.backend(sayAndClose("s")), await world.backend(sayAndClose("n"))];
  return [stable.address, next.address];
}

e2e(
  "canary: its share is that of the step, the same clients each time, and more of them with the next step",
  async (world) => {
    const [stable, next] = await namedBackends(world);
    const operator = await Operator.create();
    const at = (steps: number[]) => operator.config([tenantOf(stable, next, { steps, step_for: "1h" })]);
    const sluice = await world.sluice(at([30, 100]));
    const first = await visit(world, sluice);
    assert(countOf(first, "n") > 25 && countOf(first, "n") < 95, `about 60 of 200: ${countOf(first, "n")}`);
    assertEquals(await visit(world, sluice), first);
    await sluice.reload(at([70, 100]));
    const second = await visit(world, sluice);
    assert(countOf(second, "n") > 105 && countOf(second, "n") < 175, `about 140 of 200: ${countOf(second, "n")}`);
    for (const [index, word] of first.entries()) if (word === "n") assertEquals(second[index], "n", CLIENTS[index]);
    // Without a canary the weights are those of the file.
    await sluice.reload(operator.config([tenantOf(stable, next, undefined)]));
    assert(countOf(await visit(world, sluice), "n") < 60);
    assertEquals(await canaryOf(operator), undefined);
    assertEquals(await movesOf(operator), ["started", "started"]);
  },
);

e2e("canary: one that does well is promoted, and stays so over a reload", async (world) => {
  const [stable, next] = await namedBackends(world);
  const operator = await Operator.create();
  const canary = { steps: [20, 60, 100], step_for: "1s", abort_when: { error_ratio: "5%", connect_p99: "1m" } };
  const config = operator.config([tenantOf(stable, next, canary)]);
  const sluice = await world.sluice(config);
  const written = (await operator.get("/v1/tenants/acme")).backends[2];
  await eventually(async () => {
    // Whoever comes meanwhile is served.
    assertEquals((await visit(world, sluice, CLIENTS.slice(0, 40))).filter((word) => !/^[sn]$/.test(word)), []);
    return (await canaryOf(operator)).state === "promoted";
  }, { what: "the promotion" });
  assertEquals(await movesOf(operator), ["started", "step", "step", "promoted"]);
  const { step, weight, reason } = await canaryOf(operator);
  assertEquals([step, weight, reason], [3, 100, null]);
  assertEquals(countOf(await visit(world, sluice), "n"), CLIENTS.length);
  assertEquals((await operator.get("/v1/tenants/acme")).backends[2], written, "the file is as it was");

  await sluice.reload(operator.config([{ ...config.tenants[0]!, labels: { touched: "yes" } }]));
  assertEquals([(await canaryOf(operator)).state, (await movesOf(operator)).length], ["promoted", 4]);
  assertEquals(countOf(await visit(world, sluice), "n"), CLIENTS.length);
});

e2e("canary: one whose connects are refused is rolled back, and begins anew when it is mended", async (world) => {
  const [stable, next] = await namedBackends(world);
  const operator = await Operator.create();
  const canary = { steps: [50, 100], step_for: "1h", abort_when: { error_ratio: "5%" } };
  const sluice = await world.sluice(operator.config([tenantOf(stable, refusingAddress(), canary)]));
  assertEquals((await canaryOf(operator)).weight, 50);
  const words = await visit(world, sluice);
  const failed = countOf(words, "");
  assert(failed >= 20, `some met the canary: ${failed}`);
  await eventually(async () => (await canaryOf(operator)).state === "rolled_back", { what: "the roll-back" });
  const status = await canaryOf(operator);
  assertEquals([status.step, status.weight], [1, 0]);
  assert(/^error ratio 100% is over 5%: \d+ of \d+ connects failed$/.test(status.reason), status.reason);
  assertEquals(countOf(await visit(world, sluice), "s"), CLIENTS.length, "nobody meets it any more");
  assert(sluice.output().includes("a canary is rolled back"));

  await sluice.reload();
  assertEquals([(await canaryOf(operator)).state, await movesOf(operator)], ["rolled_back", [
    "started",
    "rolled_back",
  ]]);
  await sluice.reload(operator.config([tenantOf(stable, next, canary)]));
  assertEquals(await movesOf(operator), ["started", "rolled_back", "started"]);
  const mended = await visit(world, sluice);
  assertEquals(countOf(mended, "s") + countOf(mended, "n"), CLIENTS.length);
  assert(countOf(mended, "n") >= 20);
});
