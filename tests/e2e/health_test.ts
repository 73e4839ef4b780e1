/** Active checks of endpoints, against scripted peers: what each kind takes for good, when it counts, and who is served. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { freePort, ownLoopback } from "../helpers/address.ts";
import { sayAndClose } from "../helpers/behaviours.ts";
import { CheckedBackend } from "../helpers/checked.ts";
import { type HealthConfig, tenantWith } from "../helpers/config.ts";
import { eventually } from "../helpers/eventually.ts";
import { Operator } from "../helpers/operator.ts";
import type { Sluice } from "../helpers/sluice.ts";
import { e2e, type World } from "../helpers/world.ts";
import { CERT, KEY } from "../unit/tls_fixture.ts";

const OFTEN = { interval: "50ms", timeout: "10s", jitter: "0%", rise: 1, fall: 1 } as const;
const PING: HealthConfig = { active: { type: "expect", send: "PING\\r\\n", expect: "+PONG", ...OFTEN } };
const GOOD = "+PONG\r\n";
const BAD = "-LOADING\r\n";

/** Waits until an endpoint of `acme` does so; returns the view of its first address. */
async function untilHealth(ops: Operator, endpoint: string, health: string) {
  return await eventually(async () => {
    const { backends } = await ops.status();
    const found = backends[0].endpoints.find(({ id }: { id: string }) => id === endpoint);
    return found.health === health ? found.addresses[0] : undefined;
  }, { what: `${endpoint} is ${health}` });
}

/** The endpoint that a new session gets. */
async function visit(world: World, sluice: Sluice, address = sluice.address()): Promise<string> {
  const client = await world.connect(address);
  await client.write("hello");
  await client.closeWrite();
  const { text } = await client.readToEnd();
  client.close();
  return text.slice(0, 1);
}

async function pair(world: World, answer: string | null): Promise<[CheckedBackend, CheckedBackend]> {
  const one = world.use(await CheckedBackend.listen("a", answer));
  return [one, world.use(await CheckedBackend.listen("b", answer))];
}

e2e("an endpoint that is down gets no sessions, and its share again when it is up", async (world) => {
  const [a, b] = await pair(world, GOOD);
  const ops = await Operator.create();
  const sluice = await world.sluice(ops.config([tenantWith([a.address, b.address], { health: PING })]));
  for (const id of ["a", "b"]) await untilHealth(ops, id, "up");
  const both = [await visit(world, sluice), await visit(world, sluice)];
  assertEquals(both.sort(), ["a", "b"]);

  a.answer = BAD;
  const { error, since } = await untilHealth(ops, "a", "down");
  assertMatch(error, /the answer|expect/);
  assert(Date.parse(since) > 0);
  for (let turn = 0; turn < 6; turn++) assertEquals(await visit(world, sluice), "b");
  assertEquals(await ops.metric('sluice_endpoint_up{tenant="acme",backend="out",endpoint="a"}'), 0);
  assertEquals(await ops.metric('sluice_endpoint_up{tenant="acme",backend="out",endpoint="b"}'), 1);

  a.answer = GOOD;
  await untilHealth(ops, "a", "up");
  const again = [await visit(world, sluice), await visit(world, sluice)];
  assertEquals(again.sort(), ["a", "b"]);
  await sluice.waitForLine(/the endpoint is down.*endpoint[=":]+a/);
  await sluice.waitForLine(/the endpoint is up.*endpoint[=":]+a/);
});

e2e("fall bad checks in a row take an endpoint down, rise good ones bring it up", async (world) => {
  const [a] = await pair(world, GOOD);
  a.script.push(GOOD, BAD, BAD, GOOD, BAD, BAD);
  a.answer = BAD;
  const ops = await Operator.create();
  const health = { active: { ...PING.active!, rise: 2, fall: 3 } };
  await world.sluice(ops.config([tenantWith([a.address], { health })]));
  await untilHealth(ops, "a", "down");
  assert(a.checks.length >= 7, `${a.checks.length} checks`);
  const before = a.checks.length;
  a.script.push(GOOD, BAD, GOOD);
  a.answer = GOOD;
  await untilHealth(ops, "a", "up");
  assert(a.checks.length >= before + 4, `${a.checks.length} checks, ${before} before`);
});

e2e("sessions are refused when all are down; panic_threshold uses them all the same", async (world) => {
  const [a, b] = await pair(world, BAD);
  const ops = await Operator.create();
  const tenant = tenantWith([a.address, b.address], { health: PING });
  const sluice = await world.sluice(ops.config([tenant]));
  for (const id of ["a", "b"]) await untilHealth(ops, id, "down");
  assertEquals(await visit(world, sluice), "");
  await sluice.waitForRecord({ code: "SC", reason: "no_endpoint" });
  const backends = [{ ...tenant.backends[0]!, panic_threshold: "50%" }];
  await ops.patch("acme", { backends });
  assertMatch(await visit(world, sluice), /[ab]/);
});

e2e("tcp: the connection is all; what refuses it is down", async (world) => {
  const host = ownLoopback();
  const port = freePort(host);
  const ops = await Operator.create();
  const health: HealthConfig = { active: { type: "tcp", ...OFTEN } };
  const sluice = await world.sluice(ops.config([tenantWith([`${host}:${port}`], { health })]));
  assertMatch((await untilHealth(ops, "a", "down")).error, /connection refused/i);
  await world.backend(sayAndClose("a"), { hostname: host, port });
  await untilHealth(ops, "a", "up");
  assertEquals(await visit(world, sluice), "a");
});

e2e("http: a status that is good, a path and a host", async (world) => {
  const [a, b] = await pair(world, "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n");
  b.answer = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
  const ops = await Operator.create();
  const health: HealthConfig = { active: { type: "http", path: "/health?deep", host: "acme.example", ...OFTEN } };
  const sluice = await world.sluice(ops.config([tenantWith([a.address, b.address], { health })]));
  await untilHealth(ops, "a", "up");
  assertMatch((await untilHealth(ops, "b", "down")).error, /503/);
  assertMatch(a.checks[0]!, /^GET \/health\?deep HTTP\/1\.1\r\n(.+\r\n)*Host: acme\.example\r\n/);
  assertEquals(await visit(world, sluice), "a");
});

e2e("http: with status it is that one alone", async (world) => {
  const [a, b] = await pair(world, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  b.answer = "HTTP/1.1 418 I'm a teapot\r\n\r\n";
  const ops = await Operator.create();
  const health: HealthConfig = { active: { type: "http", status: 418, ...OFTEN } };
  await world.sluice(ops.config([tenantWith([a.address, b.address], { health })]));
  await untilHealth(ops, "a", "down");
  await untilHealth(ops, "b", "up");
});

e2e("tls: a whole handshake; what does not speak it is down", async (world) => {
  using tls = Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert: CERT, key: KEY });
  const serving = (async () => {
    for await (const conn of tls) conn.handshake().catch(() => {}).finally(() => conn.close());
  })();
  serving.catch(() => {});
  const [plain] = await pair(world, "220 hello\r\n");
  const ops = await Operator.create();
  const endpoints = [`127.0.0.1:${tls.addr.port}`, plain.address];
  const health: HealthConfig = { active: { type: "tls", ...OFTEN } };
  await world.sluice(ops.config([tenantWith(endpoints, { health })]));
  await untilHealth(ops, "a", "up");
  await untilHealth(ops, "b", "down");
  // Nobody trusts the certificate.
  const backends = tenantWith(endpoints, { health: { active: { ...health.active!, verify: true } } }).backends;
  await ops.patch("acme", { backends });
  await untilHealth(ops, "a", "down");
});

e2e("a check that is not answered in time is bad", async (world) => {
  const [a] = await pair(world, null);
  const ops = await Operator.create();
  const health = { active: { ...PING.active!, timeout: "100ms" } };
  await world.sluice(ops.config([tenantWith([a.address], { health })]));
  assertMatch((await untilHealth(ops, "a", "down")).error, /within 100ms/);
});

e2e("a reload keeps what checks have found, for the first session after it too", async (world) => {
  const [a, b] = await pair(world, GOOD);
  a.answer = BAD;
  const ops = await Operator.create();
  const active = { ...PING.active!, interval: "1h" };
  const configOf = (idle: string) =>
    ops.config([tenantWith([a.address, b.address], { health: { active }, timeouts: { idle } })]);
  const sluice = await world.sluice(configOf("1m"));
  const before = await untilHealth(ops, "a", "down");
  await untilHealth(ops, "b", "up");
  for (const idle of ["2m", "3m"]) {
    await sluice.reload(configOf(idle));
    for (let turn = 0; turn < 4; turn++) assertEquals(await visit(world, sluice), "b");
  }
  assertEquals(await untilHealth(ops, "a", "down"), before);
  assertEquals([a.checks.length, b.checks.length], [1, 1]);
});

e2e("in maintenance an endpoint is not checked; by hand counts more than by check", async (world) => {
  const [a, b] = await pair(world, GOOD);
  const ops = await Operator.create();
  const sluice = await world.sluice(ops.config([tenantWith([a.address, b.address], { health: PING })]));
  for (const id of ["a", "b"]) await untilHealth(ops, id, "up");
  const endpoint = "/v1/tenants/acme/backends/out/endpoints/a";
  await ops.must("POST", `${endpoint}/drain`);
  for (let turn = 0; turn < 4; turn++) assertEquals(await visit(world, sluice), "b");
  await untilHealth(ops, "a", "up");
  await ops.must("POST", `${endpoint}/maintenance`);
  await untilHealth(ops, "a", "unknown");
  const seen = a.checks.length;
  const others = b.checks.length;
  await eventually(() => b.checks.length > others + 3, { what: "more checks of the other" });
  assert(a.checks.length <= seen + 1, "one may have been under way");
  await ops.must("POST", `${endpoint}/ready`);
  await untilHealth(ops, "a", "up");
});
