/** `ctl`, `token` and `completions` as programs, against a real admin API: over TCP with tokens, a unix socket, and TLS. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { banner } from "../helpers/behaviours.ts";
import { oneTenant } from "../helpers/config.ts";
import { eventually, within } from "../helpers/eventually.ts";
import { programArgs } from "../helpers/sluice.ts";
import { e2e, type World } from "../helpers/world.ts";

const ROOT = new URL("../../", import.meta.url);

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. */
async function run(program: string, args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  const child = new Deno.Command(program, {
    args: [...args],
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1", ...env },
  }).spawn();
  try {
    const { code, stdout, stderr } = await within(child.output(), `the end of ${program} ${args.join(" ")}`);
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}

/** Runs `sluice` with these arguments. */
function sluiceProgram(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  return run(Deno.execPath(), programArgs(...args), env);
}

/** A token of `sluice token new`, and its entry for the configuration. */
async function newToken(...args: string[]): Promise<{ token: string; entry: Record<string, string> }> {
  const { code, stdout } = await sluiceProgram(["token", "new", "--json", ...args]);
  assertEquals(code, 0);
  return JSON.parse(stdout);
}

/** `serve` with an admin API, and `ctl` that reaches it. */
async function managed(world: World, admin: Record<string, unknown>) {
  const backend = await world.backend(banner("hi"));
  const config = { ...oneTenant([backend.address]), admin };
  const sluice = await world.sluice(config);
  const line = await sluice.waitForLine(/^admin address=/);
  const at = line.replace("admin address=", "").split(" ")[0] ?? "";
  return { sluice, at, backend };
}

e2e("ctl manages tenants and sessions with a token of token new", async (world) => {
  const ops = await newToken("--name", "ops");
  const tenants = await newToken("--tenant", "other");
  const { sluice, at } = await managed(world, { listen: "127.0.0.1:0", tokens: [ops.entry, tenants.entry] });
  const dir = await world.tempDir();
  const env = { SLUICE_ADMIN: `http://${at}`, SLUICE_TOKEN: ops.token };
  const ctl = (...args: string[]) => sluiceProgram(["ctl", ...args], env);

  const listed = await ctl("tenants", "list");
  assertEquals([listed.code, listed.stderr], [0, ""]);
  assertMatch(listed.stdout, /^TENANT +ENABLED.*\nacme +yes /);

  await Deno.writeTextFile(`${dir}/other.yaml`, "id: other\nlabels: { plan: silver }\n");
  const dry = await ctl("tenants", "apply", "-f", `${dir}/other.yaml`, "--dry-run");
  assertStringIncludes(dry.stdout, "other: would be created\n");
  assertEquals((await ctl("tenants", "get", "other")).code, 1, "a dry run changes nothing");
  const applied = await ctl("tenants", "apply", "-f", `${dir}/other.yaml`);
  assertMatch(applied.stdout, /^other: created \(generation \d+\)\n$/);
  assertEquals((await ctl("tenants", "apply", "-f", `${dir}/other.yaml`)).stdout, "other: unchanged\n");
  await Deno.writeTextFile(`${dir}/wrong.yaml`, "id: other\nlimits:\n  max_connections: many\n");
  const refused = await ctl("tenants", "apply", "-f", `${dir}/wrong.yaml`);
  assertEquals(refused.code, 1);
  assertStringIncludes(refused.stderr, `${dir}/wrong.yaml:3:20: /limits/max_connections: `);

  const restricted = await sluiceProgram(["ctl", "tenants", "list", "--json"], { ...env, SLUICE_TOKEN: tenants.token });
  assertEquals(JSON.parse(restricted.stdout).items.map(({ id }: { id: string }) => id), ["other"]);
  const stranger = await sluiceProgram(["ctl", "tenants", "list"], { ...env, SLUICE_TOKEN: "slc_wrong" });
  assertEquals(stranger.code, 1);
  assertStringIncludes(stranger.stderr, "(401); give a token with SLUICE_TOKEN or --token-file");

  const client = await world.connect(sluice.address());
  assertEquals(await client.readText(2), "hi");
  const sessions = await ctl("sessions", "list", "--tenant", "acme", "--json");
  const [session] = JSON.parse(sessions.stdout).items;
  assertEquals(session.tenant, "acme");
  const killed = await ctl("sessions", "kill", session.session);
  assertEquals([killed.code, killed.stdout], [0, "1 session killed\n"]);
  assertEquals((await sluice.waitForRecord()).reason, "killed");

  const gone = await ctl("tenants", "delete", "other");
  assertMatch(gone.stdout, /^other: deleted \(generation \d+\)\n$/);
  const events = await ctl("events", "--json");
  assertEquals(events.code, 0, events.stderr);
  assertEquals(events.stdout.split("\n").filter((line) => line !== "").every((line) => JSON.parse(line).id > 0), true);
}, { deadlineMs: 120_000 });

e2e("ctl drain --wait ends with the last session", async (world) => {
  const dir = await world.tempDir();
  const { sluice, at } = await managed(world, { listen: `unix:${dir}/admin.sock` });
  assertEquals(at, `unix:${dir}/admin.sock`);
  const client = await world.connect(sluice.address());
  assertEquals(await client.readText(2), "hi");

  const args = ["ctl", "drain", "acme", "--drain", "1h", "--wait", "--admin", at];
  const drain = new Deno.Command(Deno.execPath(), {
    args: programArgs(...args),
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  try {
    const lines: string[] = [];
    const pump = (async () => {
      for await (const text of drain.stderr.pipeThrough(new TextDecoderStream())) lines.push(text);
    })();
    await eventually(() => lines.join("").includes("acme: 1 session left"), { what: "the first line of progress" });
    await client.closeWrite();
    const { code } = await within(drain.status, "the end of the drain");
    await pump;
    assertEquals(code, 0, lines.join(""));
    assertMatch(await new Response(drain.stdout).text(), /^acme: draining.*\nacme: no sessions left\n$/);
    assertMatch(lines.join(""), /acme: 0 sessions left after/);
  } catch (error) {
    drain.kill("SIGKILL");
    throw error;
  }
});

e2e(
  "ctl shows a certificate to an API that asks for one, and trusts only the authority that it is given",
  async (world) => {
    const dir = await world.tempDir();
    await certificates(dir);
    const tls = { cert: `${dir}/server.pem`, key: `${dir}/server.key`, client_ca: `${dir}/ca.pem` };
    const ops = await newToken();
    const { at } = await managed(world, { listen: "127.0.0.1:0", tokens: [ops.entry], tls });
    const status = (...flags: string[]) =>
      sluiceProgram(["ctl", "status", "--admin", `https://${at}`, ...flags], { SLUICE_TOKEN: ops.token });
    const ca = ["--ca", `${dir}/ca.pem`];
    const identity = ["--cert", `${dir}/client.pem`, "--key", `${dir}/client.key`];

    const known = await status(...ca, ...identity);
    assertEquals([known.code, known.stderr], [0, ""]);
    assertMatch(known.stdout, /generation +1\n/);
    for (const flags of [ca, identity]) {
      const refused = await status(...flags);
      assertEquals([refused.code, refused.stdout], [1, ""], flags.join(" "));
      assertStringIncludes(refused.stderr, "Cannot reach the admin API at https://");
    }
  },
);

/** An authority, and certificates of a server at 127.0.0.1 and of a client. */
async function certificates(dir: string): Promise<void> {
  const openssl = async (...args: string[]) => {
    const { code, stderr } = await run("openssl", args);
    assertEquals(code, 0, stderr);
  };
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const authority = ["-addext", "basicConstraints=critical,CA:TRUE", "-subj", "/CN=authority"];
  await openssl("req", "-x509", ...key, ...authority, "-keyout", `${dir}/ca.key`, "-out", `${dir}/ca.pem`);
  for (const [name, usage] of [["server", "serverAuth"], ["client", "clientAuth"]] as const) {
    const path = `${dir}/${name}`;
    await Deno.writeTextFile(`${path}.ext`, `subjectAltName=IP:127.0.0.1\nextendedKeyUsage=${usage}\n`);
    await openssl("req", ...key, "-subj", `/CN=${name}`, "-keyout", `${path}.key`, "-out", `${path}.csr`);
    const signer = ["-CA", `${dir}/ca.pem`, "-CAkey", `${dir}/ca.key`, "-CAcreateserial", "-extfile", `${path}.ext`];
    await openssl("x509", "-req", "-in", `${path}.csr`, ...signer, "-out", `${path}.pem`);
  }
}

e2e("completions: bash completes commands, flags, choices and files", async (world) => {
  const dir = await world.tempDir();
  const { code, stdout } = await sluiceProgram(["completions", "bash"]);
  assertEquals(code, 0);
  await Deno.writeTextFile(`${dir}/sluice.bash`, stdout);
  await Deno.writeTextFile(`${dir}/tenant.yaml`, "id: a\n");
  const complete = async (...words: string[]) => {
    const script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sluice; echo "${COMPREPLY[*]}"';
    const ran = await run("bash", ["-c", script, "bash", `${dir}/sluice.bash`, ...words]);
    assertEquals([ran.code, ran.stderr], [0, ""]);
    return ran.stdout.trim().split(" ");
  };
  assertEquals(await complete("sluice", "ct"), ["ctl"]);
  assertEquals((await complete("sluice", "ctl", "tenants", "")).slice(0, 3), ["list", "get", "status"]);
  assertEquals(await complete("sluice", "ctl", "--admin", "http://x", "tenants", "l"), ["list"]);
  assertEquals(await complete("sluice", "ctl", "tenants", "apply", "--d"), ["--dry-run"]);
  assertEquals(await complete("sluice", "token", "new", "--role", ""), ["admin", "viewer", "tenant"]);
  assertEquals(await complete("sluice", "ctl", "tenants", "apply", "-f", `${dir}/ten`), [`${dir}/tenant.yaml`]);
});
