/** Endpoints that are names: with a name server that does what the test says. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { freePort, ownLoopback } from "../helpers/address.ts";
import { Backend } from "../helpers/backend.ts";
import { banner, sayAndClose } from "../helpers/behaviours.ts";
import { type EndpointConfig, oneTenant, tenantWith } from "../helpers/config.ts";
import { eventually } from "../helpers/eventually.ts";
import { Operator } from "../helpers/operator.ts";
import { runProgramWith, type Sluice } from "../helpers/sluice.ts";
import { e2e, type World } from "../helpers/world.ts";
import { a, DnsServer, type Script, srv } from "../unit/dns_server.ts";

const NOBODY: Script = () => ({ rcode: 3 });
const BROKEN: Script = () => ({ rcode: 2 });

/** A name server, and the environment in which it is asked. */
async function nameServer(world: World, script: Script): Promise<{ dns: DnsServer; env: Record<string, string> }> {
  const dns = world.use(await DnsServer.start(script));
  const path = `${await world.tempDir()}/resolv.conf`;
  await Deno.writeTextFile(path, `nameserver [127.0.0.1]:${dns.port}\noptions timeout:1 attempts:1\n`);
  return { dns, env: { SLUICE_RESOLV_CONF: path } };
}

/** Answers for one host: A and AAAA records of these addresses. */
function hostOf(name: string, ips: readonly string[], ttl = 60): Script {
  return (asked) => {
    if (asked.name !== name) return { rcode: 3 };
    return { answers: ips.map((ip) => a(name, ip, ttl)).filter(({ type }) => type === asked.type) };
  };
}

/** Backends that say their name, at one port of as many addresses. */
async function atOnePort(
  world: World,
  names: string,
  behaviour = sayAndClose,
): Promise<{ ips: string[]; port: number }> {
  const ips = [...names].map(ownLoopback);
  const port = freePort(ips[0]!);
  for (const [index, hostname] of ips.entries()) await world.backend(behaviour(names[index]!), { hostname, port });
  return { ips, port };
}

async function visit(world: World, sluice: Sluice): Promise<string> {
  const client = await world.connect(sluice.address());
  const { text } = await client.readToEnd();
  client.close();
  return text;
}

/** The endpoints of as many sessions, each once. */
async function met(world: World, sluice: Sluice, visits: number): Promise<string> {
  const found = new Set<string>();
  for (let turn = 0; turn < visits; turn++) found.add(await visit(world, sluice));
  return [...found].sort().join("");
}

e2e("each address of a name is used and shown; a new answer is followed, and sessions run on", async (world) => {
  const { ips: [one, two, three], port } = await atOnePort(world, "abc", banner);
  const { dns, env } = await nameServer(world, hostOf("db.test", [one!, two!]));
  const ops = await Operator.create();
  const sluice = await world.sluice(ops.config([tenantWith([`db.test:${port}`])]), { env });
  const held = new Map<string, Awaited<ReturnType<World["connect"]>>>();
  for (let turn = 0; turn < 2; turn++) {
    const client = await world.connect(sluice.address());
    held.set(await client.readText(1), client);
  }
  assertEquals([...held.keys()].sort(), ["a", "b"]);
  const addressesOf = async () => {
    const [endpoint] = (await ops.status()).backends[0].endpoints;
    return endpoint.addresses.map(({ address, sessions }: { address: string; sessions: number }) =>
      `${address} ${sessions}`
    ).sort();
  };
  assertEquals(await addressesOf(), [`${one}:${port} 1`, `${two}:${port} 1`].sort());

  dns.script = hostOf("db.test", [two!, three!]);
  await sluice.reload();
  const expected = [`${two}:${port} 1`, `${three}:${port} 0`].sort();
  await eventually(async () => JSON.stringify(await addressesOf()) === JSON.stringify(expected), {
    what: "the new addresses",
  });
  for (const client of held.values()) await client.roundTrip();
  const names = new Set<string>();
  for (let turn = 0; turn < 4; turn++) names.add(await (await world.connect(sluice.address())).readText(1));
  assertEquals([...names].sort(), ["b", "c"]);
});

e2e("a name is followed when its TTL is over, without being asked to", async (world) => {
  const { ips: [one, two], port } = await atOnePort(world, "ab");
  const { dns, env } = await nameServer(world, hostOf("db.test", [one!], 1));
  const sluice = await world.sluice(oneTenant([`db.test:${port}`]), { env });
  assertEquals(await met(world, sluice, 3), "a");
  dns.script = hostOf("db.test", [two!], 1);
  await sluice.waitForLine(/names stand for something else/);
  assertEquals(await met(world, sluice, 3), "b");
});

e2e("a name that is not there keeps nobody from starting, and is used when it is", async (world) => {
  const { ips: [one], port } = await atOnePort(world, "a");
  const { dns, env } = await nameServer(world, NOBODY);
  const ops = await Operator.create();
  const sluice = await world.sluice(ops.config([tenantWith([`db.test:${port}`])]), { env });
  await sluice.waitForLine(/sluice\.yaml:\d+:\d+.*cannot be resolved now: db\.test: no such name/);
  assertEquals(await visit(world, sluice), "");
  await sluice.waitForRecord({ code: "SC", reason: "no_endpoint" });
  const [endpoint] = (await ops.status()).backends[0].endpoints;
  assertEquals([endpoint.addresses, endpoint.name_error], [[], "no such name"]);

  dns.script = hostOf("db.test", [one!]);
  await sluice.waitForLine(/names stand for something else/);
  assertEquals(await visit(world, sluice), "a");
});

e2e("a name server that says nothing holds a start up for a moment only", async (world) => {
  const { ips: [one], port } = await atOnePort(world, "a");
  const { env } = await nameServer(world, () => null);
  const endpoints: EndpointConfig[] = [{ address: `db.test:${port}` }, { address: `${one}:${port}` }];
  const sluice = await world.sluice(oneTenant(endpoints), { env });
  assertEquals(await visit(world, sluice), "a");
});

e2e("the last good answer stays while the name server is in trouble", async (world) => {
  const { ips: [one], port } = await atOnePort(world, "a");
  const { dns, env } = await nameServer(world, hostOf("db.test", [one!]));
  const ops = await Operator.create();
  const sluice = await world.sluice(ops.config([tenantWith([`db.test:${port}`])]), { env });
  for (const script of [BROKEN, NOBODY]) {
    dns.script = script;
    dns.take();
    await sluice.reload();
    await eventually(() => dns.asked.length >= 2, { what: "questions" });
    await eventually(async () => (await ops.status()).backends[0].endpoints[0].name_error !== null, {
      what: "trouble",
    });
    assertEquals(await visit(world, sluice), "a");
  }
});

e2e("services give ports, weights and tiers", async (world) => {
  await using first = new AsyncDisposableStack();
  const backends = await Promise.all([..."abc"].map((name) => Backend.listen(sayAndClose(name))));
  for (const backend of backends.slice(0, 2)) first.use(backend);
  world.use(backends[2]!);
  const ports = backends.map(({ address }) => Number(address.split(":")[1]));
  const service = "_db._tcp.test";
  const records = [
    srv(service, "one.test", ports[0]!, { priority: 10, weight: 2 }),
    srv(service, "one.test", ports[1]!, { priority: 10, weight: 1 }),
    srv(service, "one.test", ports[2]!, { priority: 20, weight: 1 }),
  ];
  const { env } = await nameServer(world, ({ name, type }) => {
    if (name === service && type === "SRV") return { answers: records };
    return hostOf("one.test", ["127.0.0.1"])({ name, type, over: "udp" });
  });
  const sluice = await world.sluice(oneTenant([{ address: service, srv: true }]), { env });
  let word = "";
  for (let turn = 0; turn < 6; turn++) word += await visit(world, sluice);
  assertEquals([...word].sort().join(""), "aaaabb");
  await first.disposeAsync();
  for (const { address } of backends.slice(0, 2)) {
    await eventually(async () => !await world.accepts(address), { what: `nobody at ${address}` });
  }
  assertEquals(await visit(world, sluice), "c");
});

e2e("check tells a name that cannot be resolved as advice", async (world) => {
  const { env } = await nameServer(world, NOBODY);
  const dir = await world.tempDir();
  await Deno.writeTextFile(`${dir}/sluice.yaml`, JSON.stringify(oneTenant(["db.test:1"])));
  const { code, stdout } = await runProgramWith(env, "check", "--config", `${dir}/sluice.yaml`);
  assertEquals(code, 0, stdout);
  assertMatch(stdout, /^advice: .*endpoints\[0\]\.address: cannot be resolved now: db\.test: no such name\n/);
  assertStringIncludes(stdout, "ok: 1 tenant");
  assert(!stdout.includes("problem"));
});
