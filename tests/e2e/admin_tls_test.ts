/** The admin API over TLS, and with client certificates; certificates by openssl, also replaced by a reload. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { eventually } from "../helpers/eventually.ts";
import { adminAddress, adminConfig, TOKEN } from "../helpers/admin_process.ts";
import type { Sluice } from "../helpers/sluice.ts";
import { runProgram } from "../helpers/sluice.ts";
import { e2e } from "../helpers/world.ts";

async function run(command: string, args: string[], cwd: string) {
  const { code, stdout, stderr } = await new Deno.Command(command, { args, cwd, stdin: "null" }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** A CA `NAME.pem`, and certificates of it. */
async function makeCa(dir: string, name: string, ...leaves: string[]): Promise<void> {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const openssl = async (...args: string[]) => {
    const { code, stderr } = await run("openssl", args, dir);
    assertEquals(code, 0, stderr);
  };
  await openssl("req", "-x509", ...key, "-keyout", `${name}.key`, "-out", `${name}.pem`, "-subj", `/CN=${name}`);
  await Deno.writeTextFile(`${dir}/ext`, "subjectAltName=DNS:proxy.example,IP:127.0.0.1");
  for (const leaf of leaves) {
    await openssl("req", ...key, "-keyout", `${leaf}.key`, "-out", `${leaf}.csr`, "-subj", `/CN=${leaf}`);
    const signer = ["-CA", `${name}.pem`, "-CAkey", `${name}.key`, "-CAcreateserial", "-extfile", "ext"];
    await openssl("x509", "-req", "-in", `${leaf}.csr`, "-out", `${leaf}.pem`, ...signer);
  }
}

/** Status that curl gets for /v1/status; 0 when there is no answer. */
async function status(sluice: Sluice, dir: string, ...args: string[]): Promise<number> {
  const own = args.some((arg) => arg.startsWith("Authorization:"));
  const auth = own ? [] : ["-H", `Authorization: Bearer ${TOKEN}`];
  const url = `https://${adminAddress(sluice)}/v1/status`;
  const { stdout } = await run("curl", ["-s", "-o", "/dev/null", "-w", "%{http_code}", ...auth, ...args, url], dir);
  return Number(stdout);
}

async function subject(sluice: Sluice, dir: string): Promise<string> {
  const { stdout } = await run("openssl", ["s_client", "-connect", adminAddress(sluice), "-showcerts"], dir);
  return /subject=(.*)/.exec(stdout)?.[1] ?? "";
}

e2e("admin TLS: a certificate, its names as Host, and its replacement at a reload", async (world) => {
  const dir = await world.tempDir();
  await makeCa(dir, "ca", "one", "two");
  const config = adminConfig([], { tls: { cert: `${dir}/live.pem`, key: `${dir}/live.key` } });
  const use = (name: string) =>
    Promise.all(["pem", "key"].map((end) => Deno.copyFile(`${dir}/${name}.${end}`, `${dir}/live.${end}`)));
  await use("one");
  const sluice = await world.sluice(config);
  assertEquals(await status(sluice, dir, "--cacert", "ca.pem"), 200);
  assertEquals(await status(sluice, dir), 0);
  assertEquals(await status(sluice, dir, "--cacert", "ca.pem", "-H", "Host: proxy.example"), 200);
  assertEquals(await status(sluice, dir, "--cacert", "ca.pem", "-H", "Host: evil.example"), 421);
  assertMatch(await subject(sluice, dir), /one/);
  await use("two");
  await sluice.reload();
  await eventually(async () => /two/.test(await subject(sluice, dir)), { what: "the new certificate" });

  await Deno.writeTextFile(`${dir}/live.key`, "nothing");
  await sluice.reloadRefused(config);
  assertStringIncludes(sluice.output(), "admin.tls.key");
  assertMatch(await subject(sluice, dir), /two/);
});

e2e(
  "admin TLS: with client_ca only clients of that CA come through the handshake, and they need a token too",
  async (world) => {
    const dir = await world.tempDir();
    await makeCa(dir, "ca", "server", "client");
    await makeCa(dir, "rogue", "stranger");
    const tls = { cert: `${dir}/server.pem`, key: `${dir}/server.key`, client_ca: `${dir}/ca.pem` };
    const sluice = await world.sluice(adminConfig([], { tls }));
    const client = ["--cacert", "ca.pem", "--cert", "client.pem", "--key", "client.key"];
    assertEquals(await status(sluice, dir, ...client), 200);
    assertEquals(await status(sluice, dir, ...client, "-H", "Authorization: Bearer wrong"), 401);
    assertEquals(await status(sluice, dir, "--cacert", "ca.pem"), 0);
    assertEquals(await status(sluice, dir, "--cacert", "ca.pem", "--cert", "stranger.pem", "--key", "stranger.key"), 0);
    assertEquals(await status(sluice, dir, ...client), 200);
  },
);

e2e("admin TLS: what cannot be used is a clear error at the start", async (world) => {
  const dir = await world.tempDir();
  await makeCa(dir, "ca", "server", "other");
  const path = `${dir}/sluice.yaml`;
  const start = async (tls: Record<string, string>) => {
    await Deno.writeTextFile(path, JSON.stringify(adminConfig([], { tls })));
    return await runProgram("serve", "--config", path);
  };
  const cases: [Record<string, string>, string][] = [
    [{ cert: "none.pem", key: "server.key" }, "admin.tls.cert"],
    [{ cert: "server.pem", key: "none.key" }, "admin.tls.key"],
    [{ cert: "server.pem", key: "other.key" }, "admin.tls.key"],
    [{ cert: "server.key", key: "server.key" }, "admin.tls.cert"],
    [{ cert: "server.pem", key: "server.key", client_ca: "sluice.yaml" }, "admin.tls.client_ca"],
  ];
  for (const [tls, key] of cases) {
    const { code, stderr } = await start(tls);
    assertEquals(code, 1);
    assertStringIncludes(stderr, key);
    assert(!stderr.includes("PRIVATE KEY"));
  }
});
