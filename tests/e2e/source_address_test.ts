/** What an endpoint is told by whom: `source_address` and PROXY headers, of sessions and of checks alike. */
import { assertEquals } from "@std/assert";
import { parseTarget } from "../helpers/address.ts";
import { banner } from "../helpers/behaviours.ts";
import { type BackendSettings, tenantWith } from "../helpers/config.ts";
import { eventually } from "../helpers/eventually.ts";
import { Operator } from "../helpers/operator.ts";
import { type ProxyPair, proxyV1, proxyV2 } from "../helpers/proxy_header.ts";
import { DenoWire, type Wire } from "../helpers/wire.ts";
import { e2e } from "../helpers/world.ts";

const FROM = "127.0.0.9";

/** Whom the other side has for a peer. */
function peerOf(wire: Wire): Deno.NetAddr {
  const address = wire instanceof DenoWire ? wire.conn.remoteAddr : undefined;
  if (address?.transport !== "tcp") throw new TypeError("Cannot name a peer: the wire must be one of Deno's over TCP");
  return address;
}

function portOf(address: string): number {
  const target = parseTarget(address);
  if (target.transport !== "tcp") throw new TypeError("Cannot take a port: the address must be TCP");
  return target.port;
}

const latin1 = (bytes: Uint8Array) => new TextDecoder("latin1").decode(bytes);

for (const version of ["v1", "v2"] as const) {
  e2e(`towards endpoints: sessions and checks come from source_address, with a header (${version})`, async (world) => {
    const heard: { text: string; from: Deno.NetAddr }[] = [];
    const backend = await world.backend(async (wire) => {
      const one = { text: "", from: peerOf(wire) };
      heard.push(one);
      const buffer = new Uint8Array(4096);
      while (!one.text.includes("PING")) {
        const got = await wire.readInto(buffer, 600_000);
        if (typeof got !== "number") return;
        one.text += latin1(buffer.subarray(0, got));
      }
      await wire.write("+PONG");
      await wire.readToEnd(600_000);
    });
    const ops = await Operator.create();
    const out: BackendSettings = {
      source_address: FROM,
      send_proxy_protocol: version,
      health: { active: { type: "expect", send: "PING", expect: "+PONG", interval: "1h", timeout: "10s" } },
    };
    const sluice = await world.sluice(ops.config([tenantWith([backend.address], { out })]));
    await eventually(async () => (await ops.status()).backends[0].endpoints[0].health === "up", { what: "a check" });
    const [check] = heard;
    const destination = { destination: "127.0.0.1", destinationPort: portOf(backend.address) };
    const ofCheck: ProxyPair = { source: FROM, sourcePort: check!.from.port, ...destination };
    const expected = version === "v1" ? proxyV1(ofCheck) : proxyV2(null, { command: 0 });
    assertEquals([check!.from.hostname, check!.text], [FROM, `${latin1(expected)}PING`]);

    const client = await world.connectResettable(sluice.address(), "127.0.0.77");
    await client.write("PING");
    assertEquals(await client.readText(5), "+PONG");
    await client.closeWrite();
    await client.readToEnd();
    const record = await sluice.waitForRecord({ client: "127.0.0.77", code: "--" });
    const header = (version === "v1" ? proxyV1 : proxyV2)({
      source: "127.0.0.77",
      sourcePort: record.client_port ?? 0,
      destination: "127.0.0.1",
      destinationPort: portOf(sluice.address()),
    });
    assertEquals([heard[1]!.from.hostname, heard[1]!.text], [FROM, `${latin1(header)}PING`]);
    assertEquals([record.bytes_up, record.bytes_down], [4, 5], "headers are not counted");
  });
}

e2e("source_address: another one, one that nobody has, and none, while a session lives", async (world) => {
  const peers: string[] = [];
  const backend = await world.backend(async (wire, index) => {
    peers.push(peerOf(wire).hostname);
    await banner("hi")(wire, index);
  });
  const ops = await Operator.create();
  const tenant = (source_address: string | undefined) =>
    tenantWith([backend.address], { out: source_address === undefined ? {} : { source_address } });
  const sluice = await world.sluice(ops.config([tenant(FROM)]));
  const enter = async () => {
    const client = await world.connect(sluice.address());
    assertEquals(await client.readText(2), "hi");
    return client;
  };
  const live = await enter();
  const path = "/v1/tenants/acme/backends/out";
  await ops.must("PATCH", path, { source_address: "127.0.0.10" });
  await enter();
  // TEST-NET-1 (RFC 5737) is no machine's own.
  await ops.must("PATCH", path, { source_address: "192.0.2.1" });
  assertEquals(await (await world.connect(sluice.address())).end(), "eof");
  await sluice.waitForRecord({ code: "SC", reason: "connect_refused" });
  await sluice.reload(ops.config([tenant(undefined)]));
  await enter();
  assertEquals(peers, [FROM, "127.0.0.10", "127.0.0.1"]);
  await live.roundTrip();
});
