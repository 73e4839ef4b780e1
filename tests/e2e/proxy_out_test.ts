/** `send_proxy_protocol`: what an endpoint gets before a client's bytes, to the byte; what is counted, and what is not. */
import { assertEquals } from "@std/assert";
import { type ProxyPair, proxyV1, proxyV2 } from "../helpers/proxy_header.ts";
import { parseTarget, refusingAddress } from "../helpers/address.ts";
import { configOf, type EndpointConfig, oneTenant, type TenantConfig, tenantWith } from "../helpers/config.ts";
import { makeHello } from "../helpers/hello.ts";
import { EDGE, edgeOf, routedTenant } from "../helpers/routing.ts";
import { e2e } from "../helpers/world.ts";

const CLIENT = "127.0.0.77";
const WRITES = { v1: proxyV1, v2: proxyV2 } as const;

function sending(tenant: TenantConfig, version: "v1" | "v2"): TenantConfig {
  return { ...tenant, backends: tenant.backends.map((one) => ({ ...one, send_proxy_protocol: version })) };
}

function portOf(address: string): number {
  const target = parseTarget(address);
  if (target.transport !== "tcp") throw new TypeError("Cannot take a port: the address must be TCP");
  return target.port;
}

for (const version of ["v1", "v2"] as const) {
  e2e(`proxy out: ${version} before all else, also where the endpoint speaks first`, async (world) => {
    const backend = await world.backend();
    const sluice = await world.sluice(configOf([sending(tenantWith([backend.address]), version)]));
    const client = await world.connectResettable(sluice.address(), CLIENT);
    const wire = await backend.accept();
    // The port is the kernel's: the record has it when all is over, the header must have it now.
    const length = version === "v1" ? undefined : 28;
    const seen: number[] = [];
    while (length === undefined ? seen.at(-1) !== 0x0a : seen.length < length) seen.push(...await wire.readExactly(1));
    await wire.write("220 hi");
    assertEquals(await client.readText(6), "220 hi");
    await client.write("ping");
    assertEquals(await wire.readText(4), "ping");
    await client.closeWrite();
    assertEquals(await wire.end(), "eof");
    wire.close();
    const record = await sluice.waitForRecord({ client: CLIENT, code: "--" });
    assertEquals([record.bytes_up, record.bytes_down], [4, 6]);
    const pair: ProxyPair = {
      source: CLIENT,
      sourcePort: record.client_port ?? 0,
      destination: "127.0.0.1",
      destinationPort: portOf(sluice.address()),
    };
    assertEquals(new Uint8Array(seen), WRITES[version](pair));
  });

  e2e(`proxy out: ${version} with each further endpoint anew`, async (world) => {
    const backend = await world.backend();
    const nowhere: EndpointConfig[] = [refusingAddress(), refusingAddress()].map((address) => ({ address }));
    const config = oneTenant([...nowhere, { address: backend.address, tier: 1 }], { retry: { attempts: 3 } });
    const sluice = await world.sluice({ ...config, tenants: config.tenants.map((one) => sending(one, version)) });
    const client = await world.connectResettable(sluice.address(), CLIENT);
    await client.write("early");
    await client.closeWrite();
    const wire = await backend.accept();
    const got = (await wire.readToEnd()).bytes;
    wire.close();
    const record = await sluice.waitForRecord({ client: CLIENT, attempts: 3 });
    const header = WRITES[version]({
      source: CLIENT,
      sourcePort: record.client_port ?? 0,
      destination: "127.0.0.1",
      destinationPort: portOf(sluice.address()),
    });
    assertEquals(got, new Uint8Array([...header, ...new TextEncoder().encode("early")]));
    assertEquals(record.bytes_up, 5);
  });

  e2e(`proxy out: ${version} tells what a header before it told, hello and all`, async (world) => {
    const backend = await world.backend();
    const trusting = { accept: "required" as const, trusted: ["127.0.0.0/8"] };
    const tenant = sending(routedTenant("acme", backend.address, [{ sni: ["acme.example"] }]), version);
    const sluice = await world.sluice(configOf([tenant], { listeners: [{ ...EDGE, proxy_protocol: trusting }] }));
    const hello = makeHello({ serverName: "acme.example" });
    const told: ProxyPair[] = [
      { source: "192.0.2.7", sourcePort: 4711, destination: "198.51.100.1", destinationPort: 443 },
      { source: "2001:db8::7", sourcePort: 1, destination: "2001:db8:1:2:3:4:5:6", destinationPort: 65535 },
    ];
    for (const pair of told) {
      const client = await world.connect(edgeOf(sluice));
      await client.write(new Uint8Array([...proxyV2(pair, { checksum: "right" }), ...hello]));
      await client.closeWrite();
      const wire = await backend.accept();
      assertEquals((await wire.readToEnd()).bytes, new Uint8Array([...WRITES[version](pair), ...hello]));
      wire.close();
      await sluice.waitForRecord({ client: pair.source, client_port: pair.sourcePort, bytes_up: hello.length });
    }
    const local = await world.connectResettable(edgeOf(sluice), CLIENT);
    await local.write(new Uint8Array([...proxyV2(told[0]!, { command: 0 }), ...hello]));
    await local.closeWrite();
    const wire = await backend.accept();
    const got = (await wire.readToEnd()).bytes;
    wire.close();
    const record = await sluice.waitForRecord({ client: CLIENT });
    const pair = { source: CLIENT, sourcePort: record.client_port ?? 0, destination: "127.0.0.1" };
    const header = WRITES[version]({ ...pair, destinationPort: portOf(edgeOf(sluice)) });
    assertEquals(got, new Uint8Array([...header, ...hello]), "LOCAL: the addresses of the socket");
  });
}

e2e("proxy out: clients of a unix socket are UNKNOWN or LOCAL", async (world) => {
  const backend = await world.backend();
  const dir = await world.tempDir();
  const tenants = (["v1", "v2"] as const).map((version) =>
    sending(tenantWith([backend.address], { id: version, listen: `unix:${dir}/${version}.sock` }), version)
  );
  const sluice = await world.sluice(configOf(tenants));
  const expected = { v1: new TextEncoder().encode("PROXY UNKNOWN\r\n"), v2: proxyV2(null, { command: 0 }) };
  for (const version of ["v1", "v2"] as const) {
    const client = await world.connect(sluice.address(version));
    await client.write("x");
    await client.closeWrite();
    const wire = await backend.accept();
    const got = (await wire.readToEnd()).bytes;
    wire.close();
    assertEquals(got, new Uint8Array([...expected[version], 0x78]));
  }
});
