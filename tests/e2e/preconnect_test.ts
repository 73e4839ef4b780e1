/** Connections ahead: that they stand, that sessions get them, that dead ones go to nobody, and changes of their number. */
import { assert, assertEquals } from "@std/assert";
import { freePort, ownLoopback } from "../helpers/address.ts";
import type { Backend } from "../helpers/backend.ts";
import { banner } from "../helpers/behaviours.ts";
import { type BackendSettings, type TenantConfig, tenantWith } from "../helpers/config.ts";
import { eventually } from "../helpers/eventually.ts";
import { Operator } from "../helpers/operator.ts";
import { proxyV1 } from "../helpers/proxy_header.ts";
import type { Sluice } from "../helpers/sluice.ts";
import type { Wire } from "../helpers/wire.ts";
import { e2e, type World } from "../helpers/world.ts";

const IDLE = 'sluice_preconnect_idle{tenant="acme",backend="out",endpoint="a"}';
const BACKEND = "/v1/tenants/acme/backends/out";

function tenant(address: string, preconnect: BackendSettings["preconnect"], rest: BackendSettings = {}): TenantConfig {
  return tenantWith([address], { out: { ...preconnect && { preconnect }, ...rest } });
}

/** A backend that keeps the wires that are open, and echoes with the connection's number, from 0, before what comes. */
async function numbered(world: World, wires: Wire[]): Promise<Backend> {
  return await world.backend(async (wire, index) => {
    wires.push(wire);
    const buffer = new Uint8Array(4096);
    for (;;) {
      const got = await wire.readInto(buffer, 600_000);
      if (typeof got !== "number") return void wires.splice(wires.indexOf(wire), 1);
      await wire.write(new TextEncoder().encode(`${index} `));
      await wire.write(buffer.subarray(0, got));
    }
  });
}

function untilIdle(ops: Operator, count: number): Promise<boolean> {
  return eventually(async () => await ops.metric(IDLE) === count, { what: `${count} connections ahead` });
}

/** The number of the connection that a session has, which stays open. */
async function enter(world: World, sluice: Sluice): Promise<{ client: Wire; number: number }> {
  const client = await world.connect(sluice.address());
  await client.write("!");
  let text = "";
  while (!text.endsWith("!")) text += await client.readText(1);
  return { client, number: Number.parseInt(text) };
}

async function ask(client: Wire, number: number): Promise<void> {
  await client.write("more");
  assertEquals(await client.readText(`${number} more`.length), `${number} more`);
}

e2e(
  "preconnect: connections stand before sessions come, which get them at once; others take their place",
  async (world) => {
    const wires: Wire[] = [];
    const backend = await numbered(world, wires);
    const ops = await Operator.create();
    const sluice = await world.sluice(ops.config([tenant(backend.address, { min: 4, max: 4 })]));
    await untilIdle(ops, 4);
    assertEquals([backend.accepted, (await ops.status()).sessions], [4, 0]);
    const first = await enter(world, sluice);
    assert(first.number < 4, `one of the four: ${first.number}`);
    await untilIdle(ops, 4);
    assertEquals(backend.accepted, 5);
    const second = await enter(world, sluice);
    await ask(first.client, first.number);
    await second.client.closeWrite();
    await second.client.readToEnd();
    const record = await sluice.waitForRecord({ code: "--" });
    assertEquals([record.attempts, record.endpoint], [1, "a"]);
    assert(record.connect_ms! < 50, `no time to connect: ${record.connect_ms}`);
  },
);

e2e("preconnect: the number changes at once, by PATCH and by reload; live sessions stay", async (world) => {
  const wires: Wire[] = [];
  const backend = await numbered(world, wires);
  const ops = await Operator.create();
  const config = (preconnect: BackendSettings["preconnect"]) => ops.config([tenant(backend.address, preconnect)]);
  const sluice = await world.sluice(config({ min: 6, max: 6 }));
  await untilIdle(ops, 6);
  const { client, number } = await enter(world, sluice);
  await untilIdle(ops, 6);
  await ops.must("PATCH", BACKEND, { preconnect: { min: 2, max: 2 } });
  await untilIdle(ops, 2);
  await eventually(() => backend.open === 3, { what: "an end of those that are too many" });
  await ops.must("PATCH", BACKEND, { preconnect: { min: 0, max: 0 } });
  await eventually(() => backend.open === 1, { what: "an end of all but the session's" });
  await untilIdle(ops, 0);
  await ask(client, number);
  const plain = await enter(world, sluice);
  assertEquals(plain.number, backend.accepted - 1, "a connection of its own");

  await sluice.reload(config({ min: 3, max: 3 }));
  await untilIdle(ops, 3);
  await sluice.reload(config(undefined));
  await untilIdle(ops, 0);
  await eventually(() => backend.open === 2, { what: "an end of all but the sessions'" });
  await ask(client, number);
  await ask(plain.client, plain.number);
});

e2e("preconnect: a session never gets a connection that has ended, nor one with something on it", async (world) => {
  const wires: Wire[] = [];
  const backend = await numbered(world, wires);
  const ops = await Operator.create();
  const sluice = await world.sluice(ops.config([tenant(backend.address, { min: 4, max: 4 })]));
  await eventually(() => wires.length === 4, { what: "four connections" });
  // Sessions come with the ends: the workers may not have heard of them yet.
  await Promise.all(wires.map((wire) => wire.closeWrite()));
  for (let turn = 0; turn < 6; turn++) {
    const { client, number } = await enter(world, sluice);
    assert(number >= 4, `none of those that have ended: ${number}`);
    client.close();
  }
  // They are opened again, after a pause.
  await untilIdle(ops, 4);
  await eventually(() => wires.length === 4, { what: "four connections, and those of sessions gone" });
  await Promise.all(wires.map((wire) => wire.write("junk")));
  const { client } = await enter(world, sluice);
  client.close();
  const records = await sluice.waitForRecords(7, {});
  assertEquals(records.filter(({ code }) => code !== "--" && code !== "CD"), []);
});

e2e("preconnect: an endpoint that speaks first, or is not there, serves and costs nothing", async (world) => {
  const speaker = await world.backend(banner("220 hi"));
  const host = ownLoopback();
  const port = freePort(host);
  const ops = await Operator.create();
  const out = (address: string) => tenant(address, { min: 2, max: 2 });
  const sluice = await world.sluice(ops.config([out(speaker.address)]));
  for (let turn = 0; turn < 4; turn++) {
    const client = await world.connect(sluice.address());
    assertEquals(await client.readText(6), "220 hi");
    await client.roundTrip();
    client.close();
  }
  await untilIdle(ops, 0);
  assert(speaker.accepted <= 4 + 2, `one a session, and those that were tried: ${speaker.accepted}`);

  await sluice.reload(ops.config([out(`${host}:${port}`)]));
  assertEquals(await (await world.connect(sluice.address())).end(), "eof");
  await sluice.waitForRecord({ code: "SC", reason: "connect_refused" });
  const failures = 'sluice_endpoint_connect_failures_total{tenant="acme",backend="out",endpoint="a"}';
  assertEquals(await ops.metric(failures), 1, "the session's alone");
  await world.backend(banner(""), { hostname: host, port });
  await (await world.connect(sluice.address())).roundTrip();
});

e2e("preconnect: a PROXY header goes out when a session takes the connection, before its bytes", async (world) => {
  const backend = await world.backend();
  const ops = await Operator.create();
  const out = tenant(backend.address, { min: 1, max: 1 }, { send_proxy_protocol: "v1" });
  const sluice = await world.sluice({ ...ops.config([out]), workers: 1 });
  await untilIdle(ops, 1);
  const wire = await backend.accept();
  const client = await world.connectResettable(sluice.address(), "127.0.0.77");
  await client.write("hello");
  await client.closeWrite();
  const { text } = await wire.readToEnd();
  wire.close();
  const record = await sluice.waitForRecord({ code: "--" });
  const header = proxyV1({
    source: "127.0.0.77",
    sourcePort: record.client_port ?? 0,
    destination: "127.0.0.1",
    destinationPort: Number(sluice.address().split(":")[1]),
  });
  assertEquals(text, `${new TextDecoder().decode(header)}hello`);
});
