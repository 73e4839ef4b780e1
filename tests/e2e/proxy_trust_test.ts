/** Who may say whose a connection is; what counts by the address that is said, and what does not believe it. */
import { assertEquals } from "@std/assert";
import { banner, echo } from "../helpers/behaviours.ts";
import { type Config, configOf, type ProxyProtocolConfig, type TenantSettings, tenantWith } from "../helpers/config.ts";
import { makeHello } from "../helpers/hello.ts";
import { Operator } from "../helpers/operator.ts";
import { type ProxyPair, proxyV1, proxyV2 } from "../helpers/proxy_header.ts";
import { EDGE, edgeOf, routedTenant } from "../helpers/routing.ts";
import type { Sluice } from "../helpers/sluice.ts";
import type { Wire } from "../helpers/wire.ts";
import { e2e, type World } from "../helpers/world.ts";

/** Where connections with headers come from; 127.0.0.1 is not among them. */
const FRONT = "127.0.0.9";
const TRUSTING: ProxyProtocolConfig = { accept: "required", trusted: [`${FRONT}/32`] };
const REST = { destination: "198.51.100.1", sourcePort: 4711, destinationPort: 443 };
const from = (source: string): ProxyPair => ({ ...REST, source, ...source.includes(":") && { destination: "::1" } });

function config(endpoint: string, settings: TenantSettings = {}, proxy = TRUSTING): Config {
  const own = tenantWith([endpoint], settings);
  return configOf([{ ...own, listeners: own.listeners.map((one) => ({ ...one, proxy_protocol: proxy })) }]);
}

/** A connection of the front, with this header. */
async function front(world: World, sluice: Sluice, header: Uint8Array): Promise<Wire> {
  const client = await world.connectResettable(sluice.address(), FRONT);
  await client.write(header);
  return client;
}

/** A client at this address, served. */
async function enterAs(world: World, sluice: Sluice, source: string): Promise<Wire> {
  const client = await front(world, sluice, proxyV2(from(source)));
  assertEquals(await client.readText(2), "hi", source);
  return client;
}

async function refusedAs(world: World, sluice: Sluice, source: string, reason: string): Promise<void> {
  const before = sluice.matching({ client: source, reason }).length;
  const client = await front(world, sluice, proxyV1(from(source)));
  assertEquals(await client.end(), "eof", source);
  const records = await sluice.waitForRecords(before + 1, { client: source, reason });
  assertEquals(records.at(-1)?.code, "PR");
}

e2e("proxy trust: who is not trusted is refused unread, whatever it sends", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice(config(backend.address));
  const sends = [
    new Uint8Array(),
    proxyV1(from("192.0.2.7")),
    proxyV2(from("127.0.0.9")),
    proxyV2(null, { command: 0 }),
  ];
  for (const [index, bytes] of sends.entries()) {
    const client = await world.connectResettable(sluice.address(), "127.0.0.1");
    await client.write(bytes).catch(() => {});
    await client.readToEnd();
    const record = (await sluice.waitForRecords(index + 1))[index];
    assertEquals([record?.code, record?.reason, record?.client], ["PR", "bad_proxy_header", "127.0.0.1"]);
  }
  assertEquals(backend.accepted, 0);
  const again = await front(world, sluice, proxyV1(from("192.0.2.7")));
  await again.roundTrip();
});

e2e("proxy trust: LOCAL with addresses is the front's own, for limits too", async (world) => {
  const backend = await world.backend(banner("hi"));
  const settings = { limits: { per_source: { max_connections: 1 } }, access: { deny: ["192.0.2.0/24"] } };
  const sluice = await world.sluice(config(backend.address, settings));
  const local = await front(world, sluice, proxyV2(from("198.51.100.7"), { command: 0 }));
  assertEquals(await local.readText(2), "hi");
  const other = await front(world, sluice, proxyV2(from("198.51.100.8"), { command: 0 }));
  assertEquals(await other.end(), "eof");
  const record = await sluice.waitForRecord({ reason: "source_connections" });
  assertEquals(record.client, FRONT);
  local.close();
  await sluice.waitForRecord({ client: FRONT, code: "--" });
  const denied = await front(world, sluice, proxyV2(from("192.0.2.7"), { command: 0 }));
  assertEquals(await denied.readText(2), "hi", "an address that is not the client's denies nobody");
});

e2e("proxy trust: limits per source and access lists go by the header's address", async (world) => {
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const settings: TenantSettings = {
    limits: { per_source: { max_connections: 2, ipv6_prefix: 64 } },
    access: { allow: ["192.0.2.0/24", "2001:db8::/32", "203.0.113.5/32"], deny: ["192.0.2.128/25"] },
  };
  const { tenants } = config(backend.address, settings);
  const sluice = await world.sluice(operator.config(tenants));
  for (const source of ["192.0.2.200", "203.0.113.6", "2001:db9::1", FRONT]) {
    await refusedAs(world, sluice, source, "denied");
  }
  const held = [await enterAs(world, sluice, "192.0.2.7"), await enterAs(world, sluice, "192.0.2.7")];
  await refusedAs(world, sluice, "192.0.2.7", "source_connections");
  held.push(await enterAs(world, sluice, "192.0.2.8"));
  held.push(await enterAs(world, sluice, "2001:db8::1"), await enterAs(world, sluice, "2001:db8::2"));
  await refusedAs(world, sluice, "2001:db8::3", "source_connections");
  held.push(await enterAs(world, sluice, "203.0.113.5"));
  assertEquals(backend.accepted, held.length);

  const { sources } = await operator.status();
  const counted = sources.map(({ source, sessions }: { source: string; sessions: number }) => `${source} ${sessions}`);
  assertEquals(counted.sort(), ["192.0.2.7/32 2", "192.0.2.8/32 1", "2001:db8::/64 2", "203.0.113.5/32 1"]);
  const { items } = await operator.get("/v1/sessions?source=2001:db8::/32");
  assertEquals(items.map(({ client }: { client: string }) => client).sort(), ["2001:db8::1", "2001:db8::2"]);

  held.shift()?.close();
  await sluice.waitForRecord(({ client, code }) => client === "192.0.2.7" && code !== "PR");
  await enterAs(world, sluice, "192.0.2.7");
});

e2e("proxy trust: sources of routes go by the header's address", async (world) => {
  const [one, two] = [await world.backend(banner("one")), await world.backend(banner("two"))];
  const sluice = await world.sluice(configOf([
    routedTenant("acme", one.address, [{ sources: ["192.0.2.0/24"] }]),
    routedTenant("globex", two.address, [{ default: true }]),
  ], { listeners: [{ ...EDGE, proxy_protocol: TRUSTING }] }));
  for (const [source, by] of [["192.0.2.7", "one"], ["198.51.100.7", "two"], [FRONT, "two"]] as const) {
    const client = await world.connectResettable(edgeOf(sluice), FRONT);
    await client.write(new Uint8Array([...proxyV2(from(source)), ...makeHello({ serverName: "x.example" })]));
    assertEquals(await client.readText(3), by);
    client.close();
    const record = await sluice.waitForRecord({ client: source });
    assertEquals([record.server_name, record.route], ["x.example", "web"]);
  }
});

e2e("proxy trust: accept: off leaves such bytes alone, as what the client says", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice(config(backend.address, {}, { accept: "off" }));
  for (const header of [proxyV1(from("192.0.2.7")), proxyV2(from("192.0.2.7"), { checksum: "wrong" })]) {
    const client = await front(world, sluice, header);
    assertEquals(await client.readExactly(header.length), header);
    client.close();
    await sluice.waitForRecord({ client: FRONT, bytes_up: header.length });
  }
});

e2e("proxy trust: accept and trusted change with a reload, for new connections", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice(config(backend.address, {}, { accept: "off" }));
  const live = await front(world, sluice, new Uint8Array());
  await live.roundTrip();
  await sluice.reload(config(backend.address));
  const header = proxyV1(from("192.0.2.7"));
  const next = await front(world, sluice, header);
  await next.roundTrip();
  await sluice.reload(config(backend.address, {}, { ...TRUSTING, trusted: ["10.0.0.0/8"] }));
  await (await front(world, sluice, header)).readToEnd();
  await sluice.waitForRecord({ reason: "bad_proxy_header", client: FRONT });
  for (const client of [live, next]) await client.roundTrip();
  next.close();
  await sluice.waitForRecord(({ client, code }) => client === "192.0.2.7" && code !== "PR");
});

e2e("proxy trust: whoever opens a unix socket has been let in by its mode", async (world) => {
  const backend = await world.backend(echo);
  const listen = `unix:${await world.tempDir()}/in.sock`;
  const own = tenantWith([backend.address], { listen });
  const listeners = own.listeners.map((one) => ({ ...one, proxy_protocol: TRUSTING }));
  const sluice = await world.sluice(configOf([{ ...own, listeners }]));
  const client = await world.connect(sluice.address());
  await client.write(proxyV2(from("192.0.2.7")));
  await client.roundTrip();
  client.close();
  await sluice.waitForRecord({ client: "192.0.2.7", client_port: 4711 });
});
