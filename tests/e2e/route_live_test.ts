/** Routes and shared listeners that come, change and go while sessions run: those go on, new ones see what is in force. */
import { assert, assertEquals } from "@std/assert";
import type { Backend } from "../helpers/backend.ts";
import { banner } from "../helpers/behaviours.ts";
import type { Config, SharedListenerConfig } from "../helpers/config.ts";
import { eventually } from "../helpers/eventually.ts";
import { makeHello } from "../helpers/hello.ts";
import { Operator } from "../helpers/operator.ts";
import { EDGE, edgeConfig, edgeOf, routedTenant, type RouteRow } from "../helpers/routing.ts";
import type { Sluice } from "../helpers/sluice.ts";
import type { Wire } from "../helpers/wire.ts";
import { e2e, type World } from "../helpers/world.ts";

const DRAIN_MS = 1200;

/** A client that asks for this name, served: its hello has come back behind the name of who serves it. */
async function served(world: World, sluice: Sluice, serverName: string, by: string, listener = "edge"): Promise<Wire> {
  const client = await world.connect(edgeOf(sluice, listener));
  const hello = makeHello({ serverName });
  await client.write(hello);
  assertEquals(await client.readText(by.length), by, serverName);
  assertEquals(await client.readExactly(hello.length), hello);
  return client;
}

/** A client that asks for this name and gets no route. */
async function unrouted(world: World, sluice: Sluice, serverName: string): Promise<void> {
  const client = await world.connect(edgeOf(sluice));
  await client.write(makeHello({ serverName }));
  assertEquals(await client.end(), "eof", serverName);
}

/** Two backends, `one` and `two`, as endpoints of the tenant acme. */
function acme(one: Backend, two: Backend, routes: readonly RouteRow[]): ReturnType<typeof routedTenant> {
  return routedTenant("acme", one.address, routes, {
    timeouts: { drain: `${DRAIN_MS}ms` },
    backends: [{ id: "two", endpoints: [{ id: "a", address: two.address }] }],
  });
}

e2e("route changes: over REST each is in force with its answer, and live sessions go on", async (world) => {
  const [one, two] = [await world.backend(banner("one")), await world.backend(banner("two"))];
  const operator = await Operator.create();
  const sluice = await world.sluice(
    operator.config([acme(one, two, [{ sni: ["acme.example"] }])], { listeners: [EDGE] }),
  );
  const live = [await served(world, sluice, "acme.example", "one")];
  const routes = "/v1/tenants/acme/routes";

  await unrouted(world, sluice, "new.example");
  await operator.must("POST", routes, { id: "new", listener: "edge", sni: ["new.example"], backend: "two" });
  live.push(await served(world, sluice, "new.example", "two"));
  await operator.must("PATCH", `${routes}/web`, { backend: "two" });
  live.push(await served(world, sluice, "acme.example", "two"));
  await operator.must("PATCH", `${routes}/web`, { sni: ["other.example"] });
  await unrouted(world, sluice, "acme.example");
  live.push(await served(world, sluice, "other.example", "two"));
  await operator.must("DELETE", `${routes}/new`);
  await unrouted(world, sluice, "new.example");
  await operator.must("DELETE", `${routes}/web`);
  await unrouted(world, sluice, "other.example");
  const { items } = await operator.get(routes);
  assertEquals(items, []);

  for (const client of live) await client.roundTrip("still here");
  assertEquals((await operator.status()).sessions, live.length);
  const { items: sessions } = await operator.get("/v1/sessions");
  assertEquals(
    sessions.map((session: { route: string; server_name: string }) => `${session.route} ${session.server_name}`).sort(),
    ["new new.example", "web acme.example", "web acme.example", "web other.example"],
  );
  for (const client of live) client.close();
  await sluice.waitForRecords(live.length, { tenant: "acme", code: "--" });
  assertEquals(sluice.matching(({ code }) => code.startsWith("K")), []);
});

e2e("route changes: a reload that swaps names between tenants disturbs nobody", async (world) => {
  const [one, two] = [await world.backend(banner("one")), await world.backend(banner("two"))];
  const config = (first: string, second: string): Config =>
    edgeConfig([
      routedTenant("acme", one.address, [{ sni: [first] }]),
      routedTenant("globex", two.address, [{ sni: [second] }]),
    ]);
  const sluice = await world.sluice(config("x.example", "y.example"));
  const live: Wire[] = [];
  for (let turn = 0; turn < 10; turn++) {
    const swapped = turn % 2 === 1;
    if (turn > 0) await sluice.reload(swapped ? config("y.example", "x.example") : config("x.example", "y.example"));
    live.push(await served(world, sluice, "x.example", swapped ? "two" : "one"));
    live.push(await served(world, sluice, "y.example", swapped ? "one" : "two"));
  }
  for (const client of live) await client.roundTrip();
  assertEquals(sluice.matching(({ code }) => code !== "--"), []);
});

e2e("route changes: reloads under a stream of clients give none of them to nobody", async (world) => {
  const [one, two] = [await world.backend(banner("one")), await world.backend(banner("two"))];
  const config = (backend: string, more: number): Config =>
    edgeConfig([acme(one, two, [
      { sni: ["acme.example"], backend },
      ...Array.from({ length: more }, (_, index) => ({ id: `more-${index}`, sni: [`n${index}.example`] })),
    ])]);
  const sluice = await world.sluice(config("out", 0));
  let stop = false;
  const hello = makeHello({ serverName: "acme.example" });
  const clients = Array.from({ length: 4 }, async () => {
    const seen = new Set<string>();
    while (!stop) {
      const client = await world.connect(edgeOf(sluice));
      await client.write(hello);
      seen.add(await client.readText(3));
      await client.closeWrite();
      await client.readToEnd();
      client.close();
    }
    return seen;
  });
  for (let turn = 1; turn <= 12; turn++) await sluice.reload(config(turn % 2 === 1 ? "two" : "out", turn));
  stop = true;
  for (const seen of await Promise.all(clients)) assert(seen.has("one") && seen.has("two"), [...seen].join());
  assertEquals(sluice.matching(({ code }) => code !== "--"), []);
});

e2e("route changes: a hello that is on its way takes what is in force when it is whole", async (world) => {
  const [one, two] = [await world.backend(banner("one")), await world.backend(banner("two"))];
  const config = (backend: string): Config => edgeConfig([acme(one, two, [{ sni: ["acme.example"], backend }])]);
  const sluice = await world.sluice(config("out"));
  const hello = makeHello({ serverName: "acme.example" });
  const waiting = await world.connect(edgeOf(sluice));
  await waiting.write(hello.subarray(0, 20));
  await sluice.reload(config("two"));
  await served(world, sluice, "acme.example", "two");
  await waiting.write(hello.subarray(20));
  assertEquals(await waiting.readText(3), "two");
  assertEquals(await waiting.readExactly(hello.length), hello);
});

e2e("shared listeners: one that moves keeps its sessions, one that goes drains them; others stay", async (world) => {
  const [one, two] = [await world.backend(banner("one")), await world.backend(banner("two"))];
  const stays = { ...EDGE, id: "stays" };
  const config = (listeners: readonly SharedListenerConfig[], withEdge: boolean): Config =>
    edgeConfig([
      acme(one, two, [
        ...(withEdge ? [{ sni: ["acme.example"] }] : []),
        { id: "kept", listener: "stays", sni: ["acme.example"], backend: "two" },
      ]),
    ], { listeners });
  const sluice = await world.sluice(config([EDGE, stays], true));
  const [edge, kept] = [edgeOf(sluice), edgeOf(sluice, "stays")];
  const other = await served(world, sluice, "acme.example", "two", "stays");
  const first = await served(world, sluice, "acme.example", "one");
  await sluice.reload(config([{ ...EDGE, address: "127.0.0.2:0" }, stays], true));
  const moved = await served(world, sluice, "acme.example", "one");
  assert(edgeOf(sluice).startsWith("127.0.0.2:"));
  assertEquals(await world.accepts(edge), false);

  const half = await world.connect(edgeOf(sluice));
  await half.write(makeHello({ serverName: "acme.example" }).subarray(0, 9));
  const since = performance.now();
  await sluice.reload(config([stays], false));
  assertEquals(await world.accepts(edgeOf(sluice)), false);
  for (const client of [first, moved]) await client.roundTrip("while it drains");
  for (const client of [first, moved]) assertEquals(await client.end(), "eof");
  assert(performance.now() - since >= DRAIN_MS - 50);
  const drained = { code: "KD", reason: "drained", tenant: "acme", listener: "edge", route: "web" };
  await sluice.waitForRecords(2, drained);
  assertEquals(await half.end(), "eof");
  assertEquals(edgeOf(sluice, "stays"), kept);
  await other.roundTrip();
  (await served(world, sluice, "acme.example", "two", "stays")).close();
});

e2e(
  "shared listeners: a tenant that goes takes its routes along, drained; the listener serves the others",
  async (world) => {
    const [one, two] = [await world.backend(banner("one")), await world.backend(banner("two"))];
    const operator = await Operator.create();
    const timeouts = { drain: `${DRAIN_MS}ms` };
    const sluice = await world.sluice(operator.config([
      routedTenant("acme", one.address, [{ sni: ["acme.example"] }], { timeouts }),
      routedTenant("globex", two.address, [{ sni: ["globex.example"], default: true }]),
    ], { listeners: [EDGE] }));
    const [goes, stays] = [
      await served(world, sluice, "acme.example", "one"),
      await served(world, sluice, "globex.example", "two"),
    ];
    const since = performance.now();
    await operator.must("DELETE", "/v1/tenants/acme");
    await served(world, sluice, "acme.example", "two");
    await goes.roundTrip("while it drains");
    assertEquals(await goes.end(), "eof");
    assert(performance.now() - since >= DRAIN_MS - 50);
    await sluice.waitForRecord({ tenant: "acme", code: "KD", reason: "drained" });
    await stays.roundTrip();

    await operator.must("POST", "/v1/tenants/globex/disable");
    const client = await world.connect(edgeOf(sluice));
    await client.write(makeHello({ serverName: "globex.example" }));
    assertEquals(await client.end(), "eof");
    const record = await sluice.waitForRecord({ reason: "tenant_disabled" });
    assertEquals([record.tenant, record.route, record.server_name], ["globex", "web", "globex.example"]);
    await operator.must("POST", "/v1/tenants/globex/enable");
    await eventually(async () => {
      const again = await served(world, sluice, "globex.example", "two");
      again.close();
      return true;
    });
  },
);
