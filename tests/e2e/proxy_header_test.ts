/** PROXY headers of every kind before a client's bytes: whose the session is then, and that the rest is untouched. */
import { assert, assertEquals } from "@std/assert";
import { banner, echo } from "../helpers/behaviours.ts";
import { type Config, configOf, type ProxyProtocolConfig, tenantWith } from "../helpers/config.ts";
import { makeHello } from "../helpers/hello.ts";
import { type ProxyPair, proxyV1, proxyV2 } from "../helpers/proxy_header.ts";
import { EDGE, edgeOf, routedTenant } from "../helpers/routing.ts";
import type { Wire } from "../helpers/wire.ts";
import { e2e } from "../helpers/world.ts";

const TRUSTING: ProxyProtocolConfig = { accept: "required", trusted: ["127.0.0.0/8"] };
const FOUR: ProxyPair = { source: "192.0.2.7", sourcePort: 4711, destination: "198.51.100.1", destinationPort: 443 };
const SIX: ProxyPair = { ...FOUR, source: "2001:db8::7", destination: "2001:db8:1:2:3:4:5:6" };
const MAPPED: ProxyPair = { ...FOUR, source: "::ffff:c000:207", destination: "::ffff:c633:6401" };

const text = (line: string) => new TextEncoder().encode(line);
const unixAddresses = new Uint8Array(216).fill(0x61);
const tlvs = [
  { type: 0x01, value: text("h2") },
  { type: 0x02, value: text("acme.example") },
  { type: 0x04, value: new Uint8Array(33) },
  { type: 0x05, value: text("unique-id") },
  { type: 0x20, value: new Uint8Array([1, 0, 0, 0, 0, 0x21, 0, 7, ...text("TLSv1.3")]) },
  { type: 0xe0, value: new Uint8Array(0) },
];

/** A listener `in` that wants a header, and the shared listener `edge`, which wants one too. */
function config(endpoint: string, proxy: ProxyProtocolConfig = TRUSTING): Config {
  const own = tenantWith([endpoint]);
  const listeners = own.listeners.map((one) => ({ ...one, proxy_protocol: proxy }));
  return configOf([{ ...own, listeners }, routedTenant("routed", endpoint, [{ default: true }])], {
    listeners: [{ ...EDGE, proxy_protocol: proxy }],
  });
}

/** Headers, and the client's address and port that the log has with each; "socket": those of the connection. */
const GOOD: readonly [what: string, header: Uint8Array, client: string, port?: number][] = [
  ["v1 TCP4", proxyV1(FOUR), "192.0.2.7", 4711],
  ["v1 TCP6", proxyV1(SIX), "2001:db8::7", 4711],
  ["v1 TCP6 of an IPv4 client", text("PROXY TCP6 ::ffff:192.0.2.7 ::1 1 65535\r\n"), "192.0.2.7", 1],
  ["v1 UNKNOWN", text("PROXY UNKNOWN\r\n"), "socket"],
  ["v1 UNKNOWN with more", text("PROXY UNKNOWN 192.0.2.7 192.0.2.8 1 2\r\n"), "socket"],
  ["v1 of 107 bytes", text(`PROXY UNKNOWN ${"f".repeat(91)}\r\n`), "socket"],
  ["v2 TCP4", proxyV2(FOUR), "192.0.2.7", 4711],
  ["v2 TCP6", proxyV2(SIX), "2001:db8::7", 4711],
  ["v2 TCP6 of an IPv4 client", proxyV2(MAPPED), "192.0.2.7", 4711],
  ["v2 with values", proxyV2(FOUR, { tlvs }), "192.0.2.7", 4711],
  ["v2 with a checksum", proxyV2(FOUR, { tlvs, checksum: "right" }), "192.0.2.7", 4711],
  ["v2 TCP6 with a checksum", proxyV2(SIX, { checksum: "right" }), "2001:db8::7", 4711],
  [
    "v2 with a large value",
    proxyV2(FOUR, { tlvs: [{ type: 0xe1, value: new Uint8Array(15_000) }] }),
    "192.0.2.7",
    4711,
  ],
  ["v2 LOCAL", proxyV2(null, { command: 0 }), "socket"],
  ["v2 LOCAL with addresses", proxyV2(FOUR, { command: 0 }), "socket"],
  ["v2 unspecified", proxyV2(null), "socket"],
  ["v2 unspecified with values", proxyV2(null, { tlvs }), "socket"],
  ["v2 of a datagram", proxyV2(FOUR, { family: 0x12 }), "socket"],
  ["v2 of a unix socket", proxyV2(FOUR, { family: 0x31, addresses: unixAddresses }), "unix"],
];

e2e("proxy header: each kind gives its client, and nothing of it reaches the backend", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice(config(backend.address));
  const hello = makeHello({ serverName: "acme.example" });
  let expected = 0;
  for (const [what, header, address, port] of GOOD) {
    for (const [where, payload] of [[sluice.address(), text("ping")], [edgeOf(sluice), hello]] as const) {
      const client = await world.connectResettable(where, "127.0.0.9");
      await client.write(new Uint8Array([...header, ...payload]));
      assertEquals(await client.readExactly(payload.length), payload, what);
      await client.closeWrite();
      assertEquals(await client.end(), "eof", what);
      expected++;
      const record = (await sluice.waitForRecords(expected))[expected - 1]!;
      assertEquals([record.code, record.bytes_up, record.bytes_down], ["--", payload.length, payload.length], what);
      assertEquals(record.client, address === "socket" ? "127.0.0.9" : address, what);
      if (port !== undefined) assertEquals(record.client_port, port, what);
    }
  }
});

/** What is refused as soon as it can be no header any more; nobody waits for the rest. */
const BAD: readonly [what: string, bytes: Uint8Array][] = [
  ["no header", text("GET / HTTP/1.1\r\n\r\n")],
  ["a hello", makeHello({ serverName: "acme.example" })],
  ["one byte that begins none", text("X")],
  ["v1 in small letters", text("proxy TCP4 192.0.2.7 192.0.2.8 1 2\r\n")],
  ["v1 without carriage return", text("PROXY TCP4 192.0.2.7 192.0.2.8 1 2\n")],
  ["v1 with an address of the other family", text("PROXY TCP4 ::1 ::1 1 2\r\n")],
  ["v1 with a port too high", text("PROXY TCP4 192.0.2.7 192.0.2.8 65536 2\r\n")],
  ["v1 with a number too high", text("PROXY TCP4 192.0.2.256 192.0.2.8 1 2\r\n")],
  ["v1 with too little", text("PROXY TCP4 192.0.2.7 192.0.2.8 1\r\n")],
  ["v1 with a byte of zero", text("PROXY TCP4 192.0.2.7\0 192.0.2.8 1 2\r\n")],
  ["v1 that goes on and on", text(`PROXY UNKNOWN ${"f".repeat(94)}`)],
  ["v2 of version 1", proxyV2(FOUR).map((byte, at) => at === 12 ? 0x11 : byte)],
  ["v2 with an unknown command", proxyV2(FOUR, { command: 2 })],
  ["v2 with an unknown family", proxyV2(FOUR, { family: 0x41 })],
  ["v2 with an unknown protocol", proxyV2(FOUR, { family: 0x13 })],
  ["v2 that is too short for its addresses", proxyV2(FOUR, { length: 11 })],
  ["v2 whose values do not fit", proxyV2(FOUR, { tlvs, length: 12 + 3 })],
  ["v2 with a wrong checksum", proxyV2(FOUR, { tlvs, checksum: "wrong" })],
  ["v2 of 64 KiB", proxyV2(FOUR, { length: 0xffff })],
];

e2e("proxy header: what is none is refused, and touches no backend", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice(config(backend.address));
  let expected = 0;
  for (const [what, bytes] of BAD) {
    for (const where of [sluice.address(), edgeOf(sluice)]) {
      const client = await world.connectResettable(where, "127.0.0.9");
      await client.write(bytes);
      assertEquals(await client.end(), "eof", what);
      expected++;
      const record = (await sluice.waitForRecords(expected))[expected - 1]!;
      assertEquals([record.code, record.reason], ["PR", "bad_proxy_header"], what);
      assertEquals([record.client, record.attempts, record.backend], ["127.0.0.9", 0, null], what);
    }
  }
  assertEquals(backend.accepted, 0);
});

e2e("proxy header: byte by byte, each seen before the next", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice({ ...config(backend.address), workers: 1 });
  const hello = makeHello({ serverName: "acme.example", alpn: ["h2"] });
  const headers = GOOD.filter(([, header]) => header.length < 400);
  const streams = headers.map(([, header]) => new Uint8Array([...header, ...hello]));
  const clients = await Promise.all(streams.map(() => world.connect(edgeOf(sluice))));
  const kept = await world.connect(sluice.address());
  await kept.write(proxyV1(FOUR));
  for (let at = 0; at < Math.max(...streams.map(({ length }) => length)); at++) {
    await Promise.all(streams.map(async (bytes, index) => {
      if (at < bytes.length) await clients[index]!.write(bytes.subarray(at, at + 1));
    }));
    await kept.roundTrip("x");
  }
  for (const [index, [what]] of headers.entries()) {
    const client: Wire = clients[index]!;
    assertEquals(await client.readExactly(hello.length), hello, what);
    client.close();
  }
  const records = await sluice.waitForRecords(headers.length, { server_name: "acme.example", alpn: "h2" });
  assertEquals(records.filter(({ client }) => client === "2001:db8::7").length, 3);
  assert(records.every(({ bytes_up }) => bytes_up === hello.length));
});

e2e("proxy header: only the first is one; a backend may speak right behind it", async (world) => {
  const backend = await world.backend(banner("hi"));
  const sluice = await world.sluice(config(backend.address));
  const client = await world.connect(sluice.address());
  await client.write(proxyV2(FOUR));
  assertEquals(await client.readText(2), "hi");
  const second = proxyV2(SIX);
  await client.write(second);
  assertEquals(await client.readExactly(second.length), second);
  client.close();
  const twice = await world.connect(sluice.address());
  const line = proxyV1(SIX);
  await twice.write(new Uint8Array([...proxyV1(FOUR), ...line]));
  assertEquals(await twice.readText(2), "hi");
  assertEquals(await twice.readExactly(line.length), line);
  twice.close();
  const records = await sluice.waitForRecords(2, { client: "192.0.2.7", client_port: 4711 });
  assertEquals(records.map(({ bytes_up }) => bytes_up).sort((a, b) => a - b), [second.length, line.length].sort());
});

e2e("proxy header: it has its own time; who is late or goes has codes that say so", async (world) => {
  const backend = await world.backend(echo);
  const timeout = "600ms";
  const sluice = await world.sluice(config(backend.address, { ...TRUSTING, timeout }));
  const header = proxyV1(FOUR);
  for (const where of [sluice.address(), edgeOf(sluice)]) {
    const before = sluice.matching({ code: "cR" }).length;
    const silent = await world.connect(where);
    const half = await world.connect(where);
    await half.write(header.subarray(0, header.length - 1));
    for (const client of [silent, half]) assertEquals(await client.end(), "eof");
    const late = await sluice.waitForRecords(before + 2, { code: "cR", reason: "route_timeout" });
    for (const { total_ms } of late) assert(total_ms >= 550 && total_ms < 4000, `${total_ms} ms`);
  }
  let gone = 0;
  for (const where of [sluice.address(), edgeOf(sluice)]) {
    for (const sent of [0, 5, header.length - 1]) {
      const client = await world.connect(where);
      await client.write(header.subarray(0, sent));
      await client.closeWrite();
      assertEquals(await client.end(), "eof");
      await sluice.waitForRecords(++gone, { code: "CR", reason: "client_abort" });
    }
  }
  assertEquals(backend.accepted, 0);

  // Behind the header the times of the tenant hold.
  const live = await world.connect(sluice.address());
  await live.write(header);
  await live.roundTrip();
  await sluice.reload();
  await live.roundTrip();
});
