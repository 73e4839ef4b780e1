/** Real TLS clients through a shared listener to the servers of three tenants in one nginx: each sees its own. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { formatAddress, freePort, ownLoopback, parseTarget } from "../helpers/address.ts";
import { makeCertificate } from "../helpers/certificates.ts";
import { startNginx } from "../helpers/nginx.ts";
import { findProgram, reportAbsent, run } from "../helpers/programs.ts";
import { edgeConfig, edgeOf, routedTenant } from "../helpers/routing.ts";
import type { Sluice } from "../helpers/sluice.ts";
import { e2e, type World } from "../helpers/world.ts";

const nginx = findProgram("nginx");
const openssl = findProgram("openssl");
const curl = findProgram("curl");
const present = nginx !== undefined && openssl !== undefined && curl !== undefined;
if (!present) reportAbsent("TLS clients through routes to nginx", "nginx openssl curl");

/** A post-quantum key share, which makes a hello larger than a segment of Ethernet. */
const LARGE_GROUP = "X25519MLKEM768";
const knowsLarge = present &&
  !/No such|Error with command|Call to SSL_CONF_cmd.*failed/i.test(
    (await run(openssl, ["s_client", "-groups", LARGE_GROUP, "-connect", "127.0.0.1:0"])).text,
  );
if (present && !knowsLarge) console.warn(`SKIPPED: this openssl does not know ${LARGE_GROUP}; recorded hellos have it`);

const TENANTS = [
  { id: "acme", name: "acme.example", sni: ["acme.example"] },
  { id: "globex", name: "www.globex.example", sni: ["*.globex.example"] },
  { id: "initech", name: "initech.example", sni: undefined },
] as const;

/** nginx with a server for each tenant, which says its name; the proxy before it. */
async function start(world: World): Promise<{ dir: string; sluice: Sluice; port: number }> {
  if (!nginx || !openssl) throw new Error("unreachable: the test is ignored without the programs");
  const dir = await world.tempDir();
  const host = ownLoopback();
  const servers = await Promise.all(TENANTS.map(async (tenant) => {
    await makeCertificate(openssl, dir, tenant.name);
    return { ...tenant, address: formatAddress(host, freePort(host)) };
  }));
  const blocks = servers.map(({ name, address }) => `
  server {
    listen ${address} ssl http2;
    ssl_certificate ${dir}/${name}.pem;
    ssl_certificate_key ${dir}/${name}.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    location / { return 200 "${name} was asked for $ssl_server_name\\n"; }
    location /large { root ${dir}; }
  }`);
  world.use(await startNginx(nginx, dir, blocks, servers.map(({ address }) => address)));
  const sluice = await world.sluice(edgeConfig(
    servers.map(({ id, sni, address }) => routedTenant(id, address, [sni ? { sni } : { default: true }])),
  ));
  const target = parseTarget(edgeOf(sluice));
  return { dir, sluice, port: target.transport === "tcp" ? target.port : 0 };
}

e2e("real: curl to three names on one port, each with its own certificate", async (world) => {
  if (!curl) throw new Error("unreachable: the test is ignored without curl");
  const { dir, sluice, port } = await start(world);
  const get = (name: string, path: string, ...flags: string[]) =>
    run(curl, [
      ...["-sS", "--resolve", `${name}:${port}:127.0.0.1`, "--cacert", `${dir}/${name}.pem`],
      ...["-w", "%{http_version}", ...flags, `https://${name}:${port}${path}`],
    ]);
  for (const { id, name } of TENANTS) {
    for (const [flag, version, alpn] of [["--http2", "2", "h2,http/1.1"], ["--http1.1", "1.1", "http/1.1"]] as const) {
      const { code, text } = await get(name, "/", flag);
      assertEquals([code, text], [0, `${name} was asked for ${name}\n${version}`]);
      const record = await sluice.waitForRecord({ tenant: id, server_name: name, alpn });
      assertEquals([record.route, record.listener], ["web", "edge"]);
    }
  }
  const { code, text } = await get("www.globex.example", "/", "--no-alpn");
  assertEquals([code, text], [0, "www.globex.example was asked for www.globex.example\n1.1"]);
  await sluice.waitForRecord({ server_name: "www.globex.example", alpn: null });

  // A name with another tenant's certificate is what the client notices, and nobody else.
  const wrong = await get("www.globex.example", "/", "--cacert", `${dir}/acme.example.pem`);
  assertEquals(wrong.code, 60, wrong.text);

  await Deno.mkdir(`${dir}/large`);
  await Deno.writeFile(`${dir}/large/file`, new Uint8Array(20_000_000).fill(7));
  const large = await get("acme.example", "/large/file", "-o", `${dir}/got`, "-w", "%{size_download}");
  assertEquals([large.code, large.text], [0, "20000000"]);
  assertEquals((await Deno.readFile(`${dir}/got`)).every((byte) => byte === 7), true);
}, { ignore: !present });

e2e("real: openssl with every version and with hellos of any size", async (world) => {
  if (!openssl) throw new Error("unreachable: the test is ignored without openssl");
  const { dir, sluice } = await start(world);
  const connect = async (name: string, ...flags: string[]) => {
    const server = name === "" ? ["-noservername"] : ["-servername", name];
    const place = ["s_client", "-connect", edgeOf(sluice), "-CAfile", `${dir}/${name || "initech.example"}.pem`];
    const { code, text } = await run(openssl, [...place, ...server, "-verify_return_error", ...flags]);
    assertEquals(code, 0, text);
    assertStringIncludes(text, "Verify return code: 0 (ok)");
    return text;
  };
  for (const { id, name } of TENANTS) {
    for (const version of ["-tls1_2", "-tls1_3"]) {
      assertMatch(await connect(name, version), new RegExp(`subject=CN = ${name.replaceAll(".", "\\.")}\n`));
    }
    const two = await sluice.waitForRecords(2, { tenant: id, server_name: name });
    assertEquals(two.map(({ alpn }) => alpn), [null, null]);
  }
  assertStringIncludes(await connect(""), "subject=CN = initech.example");
  await sluice.waitForRecord({ tenant: "initech", server_name: null });

  // Protocols by the hundred make a hello of many kilobytes; those that fit are in the log, in the client's order.
  const protocols = ["h2", ...Array.from({ length: 400 }, (_, index) => `protocol-${index}`)];
  assertStringIncludes(await connect("acme.example", "-alpn", protocols.join(",")), "ALPN protocol: h2");
  const record = await sluice.waitForRecord(({ alpn }) => alpn?.startsWith("h2,protocol-0,protocol-1,") === true);
  assertEquals([record.tenant, record.bytes_up > 4000], ["acme", true]);
}, { ignore: !present });

e2e("real: openssl with a post-quantum key share", async (world) => {
  if (!openssl) throw new Error("unreachable: the test is ignored without openssl");
  const { dir, sluice } = await start(world);
  const place = ["s_client", "-connect", edgeOf(sluice), "-CAfile", `${dir}/acme.example.pem`];
  const groups = ["-groups", `${LARGE_GROUP}:X25519`, "-servername", "acme.example"];
  const { code, text } = await run(openssl, [...place, ...groups]);
  assertEquals(code, 0, text);
  await sluice.waitForRecord(({ tenant, bytes_up }) => tenant === "acme" && bytes_up > 1200);
}, { ignore: !knowsLarge });
