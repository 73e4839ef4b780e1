/** How clients of a shared listener end that get no route, are late, go away, or send what nobody understands. */
import { assert, assertEquals } from "@std/assert";
import { banner, echo } from "../helpers/behaviours.ts";
import { tenantWith } from "../helpers/config.ts";
import { eventually, pace } from "../helpers/eventually.ts";
import { makeHello, recordedHellos } from "../helpers/hello.ts";
import { Operator } from "../helpers/operator.ts";
import { EDGE, edgeConfig, edgeOf, hail, routedTenant } from "../helpers/routing.ts";
import { e2e } from "../helpers/world.ts";

/** How long the whole of a hello may take. */
const DETECT_MS = 5000;

e2e("route ends: without a route a client is refused, of no tenant, and touches no backend", async (world) => {
  const backend = await world.backend(echo);
  const operator = await Operator.create();
  const acme = routedTenant("acme", backend.address, [{ sni: ["acme.example"] }]);
  const sluice = await world.sluice(operator.config([acme], { listeners: [EDGE] }));
  const { client } = await hail(world, sluice, { serverName: "Nobody.Example", alpn: ["h2"] });
  assertEquals(await client.end(), "eof");
  const record = await sluice.waitForRecord({ code: "PR", reason: "no_route" });
  assertEquals([record.tenant, record.route, record.backend, record.endpoint], [null, null, null, null]);
  assertEquals([record.listener, record.client], ["edge", "127.0.0.1"]);
  assertEquals([record.server_name, record.alpn, record.attempts], ["nobody.example", "h2", 0]);

  const plain = await world.connect(edgeOf(sluice));
  await plain.write("SSH-2.0-x\r\n");
  assertEquals(await plain.end(), "eof");
  const [, second] = await sluice.waitForRecords(2, { code: "PR", reason: "no_route" });
  assertEquals(second?.server_name, null);
  assertEquals(backend.accepted, 0);
  assertEquals((await operator.status()).sessions, 0);
  assertEquals(await operator.metric('sluice_sessions_refused_total{tenant="",reason="no_route"}'), 2);
  assertEquals(await operator.metric('sluice_sessions_closed_total{tenant="",code="PR"}'), 2);
  assertEquals(await operator.metric('sluice_sessions_total{tenant="",listener="edge"}'), 2);
});

e2e("route ends: a hello has a time, however its bytes are spread over it", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice(edgeConfig([routedTenant("acme", backend.address, [{ default: true }])]));
  const hello = makeHello({ serverName: "acme.example", padding: 200 });
  const [silent, half, drip] = [
    await world.connect(edgeOf(sluice)),
    await world.connect(edgeOf(sluice)),
    await world.connect(edgeOf(sluice)),
  ];
  await half.write(hello.subarray(0, hello.length - 1));
  const since = performance.now();
  let over = false;
  const dripping = (async () => {
    for (let at = 0; !over && at < hello.length - 1; at++) {
      await drip.write(hello.subarray(at, at + 1)).catch(() => over = true);
      await pace(50);
    }
  })();
  const ends = Promise.all([silent, half, drip].map((client) => client.end()));
  const served = await world.connect(edgeOf(sluice));
  await served.write(hello);
  assertEquals(await served.readExactly(hello.length), hello);
  const [first, second] = await ends;
  assert(performance.now() - since >= DETECT_MS - 100);
  over = true;
  await dripping;
  assertEquals([first, second], ["eof", "eof"]);
  for (const { total_ms, bytes_up } of await sluice.waitForRecords(3, { code: "cR", reason: "route_timeout" })) {
    assert(total_ms >= DETECT_MS - 50 && total_ms < DETECT_MS + 3000, `${total_ms} ms`);
    assertEquals(bytes_up, 0);
  }
  await served.roundTrip();
  assertEquals(backend.accepted, 1);
});

e2e("route ends: a client that goes in the middle of its hello has aborted", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice(edgeConfig([routedTenant("acme", backend.address, [{ default: true }])]));
  const hello = makeHello({ serverName: "acme.example" });
  let expected = 0;
  for (const sent of [0, 1, 6, hello.length - 1]) {
    const closes = await world.connectResettable(edgeOf(sluice));
    const resets = await world.connectResettable(edgeOf(sluice));
    for (const client of [closes, resets]) await client.write(hello.subarray(0, sent));
    await closes.closeWrite();
    assertEquals(await closes.end(), "eof");
    resets.reset();
    expected += 2;
    await sluice.waitForRecords(expected, { code: "CR", reason: "client_abort", bytes_up: 0 });
  }
  assertEquals(backend.accepted, 0);

  const whole = await world.connect(edgeOf(sluice));
  await whole.write(hello);
  await whole.closeWrite();
  assertEquals((await whole.readToEnd()).bytes, hello);
  await sluice.waitForRecord({ code: "--", bytes_up: hello.length });
});

e2e("route ends: a hello that is malformed or without end is refused at once", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice(edgeConfig([routedTenant("acme", backend.address, [{ default: true }])]));
  const hello = makeHello({ serverName: "acme.example" });
  const changed = (at: number, value: number): Uint8Array => {
    const bytes = new Uint8Array(hello);
    bytes[at] = value;
    return bytes;
  };
  const bad = [
    changed(3, 0xff), // a record that is longer than any
    changed(6, 1), // a message of 64 KiB
    changed(8, hello[8]! - 1), // a message that is shorter than what is in it
    changed(45, 1), // vectors that do not fit
    new Uint8Array([22, 3, 1, 0, 0]), // a record of nothing
    new Uint8Array([22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc]), // whole only behind 16 KiB
  ];
  for (const [index, bytes] of bad.entries()) {
    const client = await world.connect(edgeOf(sluice));
    await client.write(bytes);
    assertEquals(await client.end(), "eof", `hello ${index}`);
    const records = await sluice.waitForRecords(index + 1);
    assertEquals([records[index]?.code, records[index]?.reason], ["PR", "bad_client_hello"], `hello ${index}`);
  }
  assertEquals(backend.accepted, 0);

  const large = makeHello({ serverName: "acme.example", padding: 16_200 });
  const client = await world.connect(edgeOf(sluice));
  await client.write(large);
  assertEquals(await client.readExactly(large.length), large);
});

e2e("route ends: a server that speaks first, on a listener of its tenant's own beside it", async (world) => {
  const speaks = await world.backend(banner("220 hi"));
  const listens = await world.backend(echo);
  const own = tenantWith([speaks.address], { id: "smtp" });
  const shared = routedTenant("acme", listens.address, [{ sni: ["acme.example"] }]);
  const both = { ...own, routes: [{ id: "all", listener: "edge", default: true, backend: "out" }] };
  const sluice = await world.sluice(edgeConfig([both, shared]));
  const client = await world.connect(sluice.address("smtp"));
  assertEquals(await client.readText(6), "220 hi");
  const { client: routed, hello } = await hail(world, sluice, { serverName: "acme.example" });
  assertEquals(await routed.readExactly(hello.length), hello);
  const asked = await world.connect(edgeOf(sluice));
  await asked.write("EHLO x\r\n");
  assertEquals(await asked.readText(14), "220 hiEHLO x\r\n");
  for (const one of [client, asked]) one.close();
  await sluice.waitForRecord({ tenant: "smtp", listener: "in", route: null });
  await sluice.waitForRecord({ tenant: "smtp", listener: "edge", route: "all" });
});

e2e("route ends: every recorded client is understood", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice(edgeConfig([routedTenant("acme", backend.address, [{ default: true }])]));
  for (const { name, bytes, serverName } of recordedHellos()) {
    const client = await world.connect(edgeOf(sluice));
    await client.write(bytes);
    assertEquals(await client.readExactly(bytes.length), bytes, name);
    client.close();
    const record = await eventually(() => sluice.matching({ bytes_up: bytes.length, server_name: serverName }).at(-1), {
      what: `a record of ${name}`,
    });
    assertEquals(record.tenant, "acme", name);
  }
});
