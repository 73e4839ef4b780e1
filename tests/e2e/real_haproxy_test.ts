/** HAProxy before the proxy sends PROXY headers, and HAProxy and nginx behind it read ours. */
import { assert, assertEquals } from "@std/assert";
import { formatAddress, freePort, ownLoopback, parseTarget } from "../helpers/address.ts";
import { echo, sayAndClose } from "../helpers/behaviours.ts";
import { makeCertificate } from "../helpers/certificates.ts";
import { type Config, configOf, tenantWith } from "../helpers/config.ts";
import { startHaproxy } from "../helpers/haproxy.ts";
import { makeHello } from "../helpers/hello.ts";
import { startNginx } from "../helpers/nginx.ts";
import { findProgram, reportAbsent, run } from "../helpers/programs.ts";
import { EDGE, edgeOf, routedTenant } from "../helpers/routing.ts";
import { e2e, type World } from "../helpers/world.ts";

const haproxy = findProgram("haproxy");
const nginx = findProgram("nginx");
const openssl = findProgram("openssl");
if (!haproxy) reportAbsent("PROXY headers of HAProxy", "haproxy");
if (!nginx) reportAbsent("PROXY headers to nginx", "nginx");
if (!openssl) reportAbsent("PROXY headers with values of TLS", "openssl");

const TRUSTING = { accept: "required", trusted: ["127.0.0.0/8"] } as const;
const CLIENT = "127.0.0.77";

function somewhere(): string {
  const host = ownLoopback();
  return formatAddress(host, freePort(host));
}

/** How HAProxy is told to send a header. */
const WAYS = [
  "send-proxy",
  "send-proxy-v2",
  "send-proxy-v2 proxy-v2-options crc32c",
  "send-proxy-v2 proxy-v2-options crc32c,unique-id,authority",
];

e2e(
  "real: HAProxy sends headers of both versions, with checksums and values; its checks are its own",
  async (world) => {
    if (!haproxy) throw new Error("unreachable: the test is ignored without haproxy");
    const backend = await world.backend(echo);
    const own = tenantWith([backend.address]);
    const sluice = await world.sluice(configOf([
      { ...own, listeners: own.listeners.map((one) => ({ ...one, proxy_protocol: TRUSTING })) },
      routedTenant("routed", backend.address, [{ sni: ["acme.example"] }]),
    ], { listeners: [{ ...EDGE, proxy_protocol: TRUSTING }] }));
    const hello = makeHello({ serverName: "acme.example" });
    const cases = WAYS.flatMap((way) => [
      { way, to: sluice.address(), payload: new TextEncoder().encode("ping"), tenant: "acme", at: somewhere() },
      { way, to: edgeOf(sluice), payload: hello, tenant: "routed", at: somewhere() },
    ]);
    const sections = cases.map(({ way, to, at }, index) => `
listen l${index}
  bind ${at}
  unique-id-format id-%ci-%cp
  server s ${to} ${way} ${index === 2 ? "check inter 100ms" : ""}`);
    world.use(await startHaproxy(haproxy, await world.tempDir(), sections.join("\n"), cases.map(({ at }) => at)));
    for (const { way, payload, tenant, at } of cases) {
      const before = sluice.matching({ client: CLIENT, tenant }).length;
      const client = await world.connectResettable(at, CLIENT);
      await client.write(payload);
      assertEquals(await client.readExactly(payload.length), payload, way);
      await client.closeWrite();
      assertEquals(await client.end(), "eof", way);
      const record = (await sluice.waitForRecords(before + 1, { client: CLIENT, tenant }))[before];
      assertEquals([record?.code, record?.bytes_up, record?.bytes_down], ["--", payload.length, payload.length], way);
    }
    // The checks of the third case: LOCAL, from HAProxy's own address.
    await sluice.waitForRecord(({ client, bytes_up }) => client === "127.0.0.1" && bytes_up === 0);
    assertEquals(sluice.matching({ reason: "bad_proxy_header" }), []);
  },
  { ignore: !haproxy },
);

e2e("real: HAProxy that ends TLS tells of it in its header", async (world) => {
  if (!haproxy || !openssl) throw new Error("unreachable: the test is ignored without haproxy and openssl");
  const backend = await world.backend(sayAndClose("hello from behind"));
  const own = tenantWith([backend.address]);
  const sluice = await world.sluice(
    configOf([{ ...own, listeners: own.listeners.map((one) => ({ ...one, proxy_protocol: TRUSTING })) }]),
  );
  const dir = await world.tempDir();
  await makeCertificate(openssl, dir, "acme.example");
  const both = await Promise.all(["pem", "key"].map((end) => Deno.readTextFile(`${dir}/acme.example.${end}`)));
  await Deno.writeTextFile(`${dir}/both.pem`, both.join(""));
  const at = somewhere();
  const options = "proxy-v2-options ssl,cert-cn,ssl-cipher,cert-sig,cert-key,authority,unique-id,crc32c";
  const section = `
listen l
  bind ${at} ssl crt ${dir}/both.pem
  unique-id-format %[uuid()]
  server s ${sluice.address()} send-proxy-v2 ${options}`;
  world.use(await startHaproxy(haproxy, dir, section, [at]));
  const client = ["s_client", "-connect", at, "-servername", "acme.example", "-quiet", "-bind", `${CLIENT}:0`];
  const { text } = await run(openssl, client);
  assert(text.includes("hello from behind"), text);
  const record = await sluice.waitForRecord({ client: CLIENT });
  assertEquals(record.tenant, "acme");
}, { ignore: !haproxy || !openssl });

/** A tenant `vN` whose backend gets headers, at a listener of its own. */
function sending(version: "v1" | "v2", endpoint: string, listen = "127.0.0.1:0") {
  const tenant = tenantWith([endpoint], { id: version, listen });
  return { ...tenant, backends: tenant.backends.map((one) => ({ ...one, send_proxy_protocol: version })) };
}

/** What a web server that says whose connection it sees is told, by a client at `from`. */
async function ask(world: World, address: string, from: string): Promise<string> {
  const client = await world.connectResettable(address, from);
  await client.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const { text } = await client.readToEnd();
  client.close();
  return text.slice(text.indexOf("\r\n\r\n") + 4).trim();
}

e2e("real: HAProxy behind reads our headers: both families, client and where it connected to", async (world) => {
  if (!haproxy) throw new Error("unreachable: the test is ignored without haproxy");
  const at = somewhere();
  const section = `
frontend f
  mode http
  bind ${at} accept-proxy
  http-request return status 200 content-type text/plain lf-string "%[src] %[src_port] %[dst] %[dst_port]"`;
  world.use(await startHaproxy(haproxy, await world.tempDir(), section, [at]));
  const config: Config = configOf([
    ...(["v1", "v2"] as const).map((version) => sending(version, at)),
    { ...sending("v2", at, "[::1]:0"), id: "six" },
  ]);
  const sluice = await world.sluice(config);
  for (const [tenant, from] of [["v1", CLIENT], ["v2", CLIENT], ["six", "::1"]] as const) {
    const target = parseTarget(sluice.address(tenant));
    if (target.transport !== "tcp") throw new Error("the listener must be TCP");
    const answer = await ask(world, sluice.address(tenant), from);
    const record = await sluice.waitForRecord({ tenant });
    assertEquals(answer, `${from} ${record.client_port} ${target.hostname} ${target.port}`);
    assertEquals(record.bytes_up, 46, "the header is not the client's");
  }
}, { ignore: !haproxy });

e2e("real: a client is known over HAProxy, the proxy and HAProxy, and to nginx", async (world) => {
  if (!haproxy || !nginx) throw new Error("unreachable: the test is ignored without haproxy and nginx");
  const [front, behind, web] = [somewhere(), somewhere(), somewhere()];
  const nginxServer = `
  server {
    listen ${web} proxy_protocol;
    location / { return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr"; }
  }`;
  world.use(await startNginx(nginx, await world.tempDir(), [nginxServer], [web]));
  const tenants = (["v1", "v2"] as const).flatMap((version) => [
    { ...sending(version, behind), id: `${version}-haproxy` },
    { ...sending(version, web), id: `${version}-nginx` },
  ]).map((tenant) => ({
    ...tenant,
    listeners: tenant.listeners.map((one) => ({ ...one, proxy_protocol: TRUSTING })),
  }));
  const sluice = await world.sluice(configOf(tenants));
  const fronts = tenants.map(({ id }) => ({ id, at: id === "v1-haproxy" ? front : somewhere() }));
  const sections = fronts.map(({ id, at }) => `
listen ${id}
  bind ${at}
  server s ${sluice.address(id)} send-proxy-v2`);
  const reader = `
frontend behind
  mode http
  bind ${behind} accept-proxy
  http-request return status 200 content-type text/plain lf-string "%[src] %[src_port] %[dst]"`;
  world.use(
    await startHaproxy(haproxy, await world.tempDir(), [reader, ...sections].join("\n"), [behind, front]),
  );
  for (const { id, at } of fronts) {
    const answer = await ask(world, at, CLIENT);
    const record = await sluice.waitForRecord({ tenant: id, client: CLIENT });
    const target = parseTarget(at);
    assertEquals(answer, `${CLIENT} ${record.client_port} ${target.transport === "tcp" ? target.hostname : ""}`, id);
  }
}, { ignore: !haproxy || !nginx });
