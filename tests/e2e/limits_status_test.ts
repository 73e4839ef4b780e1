/** What is told of limits: a tenant's status, metrics, counters as JSON, and what `ctl` makes of them. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { banner, source } from "../helpers/behaviours.ts";
import { enter, knock, refusal } from "../helpers/clients.ts";
import { configOf, type LimitsConfig, oneTenant, tenantWith } from "../helpers/config.ts";
import { eventually } from "../helpers/eventually.ts";
import { type Body, Operator, OPERATOR_TOKEN } from "../helpers/operator.ts";
import { runProgram, runProgramWith } from "../helpers/sluice.ts";
import { e2e } from "../helpers/world.ts";

const HARDLY = "0.001/s";
const UNLIMITED = { limit: null, used: null, left: null, rate: null };

/** `ctl` with the operator's token. */
function ctl(operator: Operator, ...args: string[]): ReturnType<typeof runProgram> {
  const env = { SLUICE_ADMIN: `http://${operator.listen}`, SLUICE_TOKEN: OPERATOR_TOKEN };
  return runProgramWith(env, "ctl", ...args);
}

e2e("status: every limit is there without any, and nothing is left of one that is used up", async (world) => {
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const sluice = await world.sluice(operator.config(oneTenant([backend.address]).tenants));
  const held = [await enter(world, sluice), await enter(world, sluice)];
  const free = await operator.status();
  assertEquals(free.limits, {
    "max_connections": { limit: null, used: 2, left: null },
    "connection_rate": UNLIMITED,
    "bandwidth.up": UNLIMITED,
    "bandwidth.down": UNLIMITED,
    "queue.size": { limit: 0, used: 0, left: 0 },
    "per_source.max_connections": { limit: null, used: null, left: null },
  });
  assertEquals([free.sessions, free.sources, free.errors], [2, [], []]);

  const limits: LimitsConfig = {
    max_connections: 5,
    connection_rate: { rate: HARDLY, burst: 7 },
    bandwidth: { up: { rate: "1B/s", burst: "1000B" }, down: { rate: "10MiB/s" } },
    per_source: { max_connections: 3 },
    on_limit: "queue",
    queue: { size: 4, timeout: "0s" },
  };
  await operator.patch("acme", { limits });
  for (const from of ["127.0.0.2", "127.0.0.2", "127.0.0.3"]) held.push(await enter(world, sluice, { from }));
  await held[0]!.roundTrip("y".repeat(400));
  await knock(world, sluice);
  await operator.untilQueued(1);
  const status = await operator.status();
  assertEquals(status.sessions, 5);
  assertEquals(status.limits.max_connections, { limit: 5, used: 5, left: 0 });
  assertEquals(status.limits.connection_rate, { limit: 7, used: 3, left: 4, rate: 0.001 });
  assertEquals(status.limits["queue.size"], { limit: 4, used: 1, left: 3 });
  const { limit, used, left, rate } = status.limits["bandwidth.up"];
  assertEquals([limit, used + left, rate], [1000, 1000, 1]);
  assert(used > 380 && used <= 400, `400 bytes, less one a second: ${used}`);
  assertEquals(status.limits["bandwidth.down"].limit, 1024 * 1024);
  // Sessions from before there was a limit per source are not among them; one that waits is.
  assertEquals(status.limits["per_source.max_connections"], { limit: 3, used: 2, left: 1 });
  assertEquals(status.sources[0], { source: "127.0.0.2/32", sessions: 2 });
  assertEquals(status.sources.length, 3);

  await operator.patch("acme", { limits: { max_connections: 2 } });
  assertEquals((await operator.status()).limits.max_connections, { limit: 2, used: 5, left: 0 });
});

e2e("status: the ten busiest of many sources, those with most sessions first", async (world) => {
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const limits = { per_source: { max_connections: 100, ipv4_prefix: 24 } };
  const sluice = await world.sluice(operator.config(oneTenant([backend.address], { limits }).tenants));
  for (let source = 1; source <= 14; source++) {
    for (let turn = 0; turn < source; turn++) await enter(world, sluice, { from: `127.0.${source}.${turn + 1}` });
  }
  const { sources } = await operator.status();
  assertEquals(
    sources,
    Array.from({ length: 10 }, (_, index) => ({ source: `127.0.${14 - index}.0/24`, sessions: 14 - index })),
  );
});

e2e("status: refusals are counted by reason in metrics and in /v1/stats, and by ctl", async (world) => {
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const sluice = await world.sluice(operator.config([
    tenantWith([backend.address], {
      access: { deny: ["127.0.0.9"] },
      limits: { max_connections: 1, per_source: { connection_rate: { rate: HARDLY, burst: 3 } } },
    }),
    tenantWith([backend.address], { id: "globex" }),
  ]));
  await enter(world, sluice);
  for (let turn = 0; turn < 4; turn++) await refusal(world, sluice, { from: "127.0.0.9" });
  for (let turn = 0; turn < 4; turn++) await refusal(world, sluice);
  await enter(world, sluice, { tenant: "globex" });
  await sluice.waitForRecords(8);
  const expected = { denied: 4, tenant_connections: 4 };
  for (const [reason, count] of Object.entries(expected)) {
    assertEquals(await operator.metric(`sluice_sessions_refused_total{tenant="acme",reason="${reason}"}`), count);
  }
  assertEquals(await operator.series('sluice_sessions_refused_total{tenant="globex",reason="denied"}'), undefined);
  const { tenants } = await operator.get("/v1/stats?tenant=acme");
  const refused = Object.entries(tenants[0].sessions.refused).filter(([, count]) => count !== 0);
  assertEquals(Object.fromEntries(refused), expected);
  assertEquals(tenants[0].sessions.queued, 0);
  const { code, stdout } = await ctl(operator, "stats", "--tenant", "acme");
  assertEquals(code, 0);
  assertMatch(stdout, /REFUSED BY +SESSIONS\n(.*\n)*denied +4\n/);
  assertMatch(stdout, /\ntenant_connections +4\n/);
});

e2e("status: ctl tenants status shows limits, sources and endpoints", async (world) => {
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const limits: LimitsConfig = {
    max_connections: 2,
    connection_rate: { rate: HARDLY, burst: 10 },
    bandwidth: { down: { rate: "10MiB/s", burst: "2MiB" } },
    per_source: { max_connections: 2 },
  };
  const sluice = await world.sluice(operator.config(oneTenant([backend.address], { limits }).tenants));
  await enter(world, sluice);
  await enter(world, sluice, { from: "127.0.0.2" });
  await eventually(async () => (await operator.status()).limits["bandwidth.down"].used === 0);
  const { code, stdout, stderr } = await ctl(operator, "tenants", "status", "acme");
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /^acme: 2 sessions\n/);
  assertMatch(stdout, /\nLIMIT +USED +OF +LEFT +SHARE +RATE\n/);
  assertMatch(stdout, /\nmax_connections +2 +2 +0 +100% +-\n/);
  assertMatch(stdout, /\nconnection_rate +2 +10 +8 +20% +0.001\/s\n/);
  assertMatch(stdout, /\nbandwidth.up +- +unlimited +- +- +-\n/);
  assertMatch(stdout, /\nbandwidth.down +0 ?B +2(\.0)? ?MiB +2(\.0)? ?MiB +0% +10(\.0)? ?MiB\/s\n/);
  assertMatch(stdout, /\nper_source.max_connections +1 +2 +1 +50% +-\n/);
  assertMatch(stdout, /\nSOURCE +SESSIONS\n127\.0\.0\.[12]\/32 +1\n127\.0\.0\.[12]\/32 +1\n/);
  const json = await ctl(operator, "tenants", "status", "acme", "--json");
  assertEquals(JSON.parse(json.stdout).limits.max_connections, { limit: 2, used: 2, left: 0 });
});

e2e("status: time that sessions are held back is in metrics, in /v1/stats and in ctl stats", async (world) => {
  const backend = await world.backend(source(1, 10_000_000));
  const operator = await Operator.create();
  const limits = { bandwidth: { down: { rate: "100KiB/s", burst: "10KiB" } } };
  const sluice = await world.sluice(operator.config(oneTenant([backend.address], { limits }).tenants));
  const series = (direction: string) =>
    operator.series(`sluice_throttled_seconds_total{tenant="acme",direction="${direction}"}`);
  assertEquals(await series("down"), undefined, "a series begins when there is something to tell");
  const client = await world.connect(sluice.address());
  const start = performance.now();
  await client.readExactly(60 * 1024);
  const seconds = await series("down") ?? 0;
  const elapsed = (performance.now() - start) / 1000;
  assert(seconds > 0.3 && seconds <= elapsed, `${seconds} s of ${elapsed}`);
  assertEquals(await series("up"), undefined);
  client.close();
  await sluice.waitForRecord();
  const { tenants } = await operator.get("/v1/stats?tenant=acme");
  assert(tenants[0].throttled.down_ms >= seconds * 1000 - 1 && tenants[0].throttled.up_ms === 0);
  assertMatch((await ctl(operator, "stats", "--tenant", "acme")).stdout, /HELD BACK +TIME\ndown +\d+/);
});

e2e("status: a tenant's token sees its own limits, may lower and not raise them", async (world) => {
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const token = "the-token-of-acme-and-nobody-else";
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token));
  const own = { name: "acme-ci", sha256: new Uint8Array(hash).toHex(), role: "tenant", tenant: "acme" };
  const limits: LimitsConfig = {
    max_connections: 10,
    connection_rate: { rate: "10/s", burst: 20 },
    bandwidth: { down: { rate: "1MiB/s", burst: "1MiB" } },
    per_source: { max_connections: 5 },
    on_limit: "queue",
    queue: { size: 10, timeout: "5s" },
  };
  const config: Body = configOf(["acme", "globex"].map((id) => tenantWith([backend.address], { id, limits })));
  const { admin } = operator;
  await world.sluice({ ...config, admin: { ...admin, tokens: [...admin.tokens, own] } });
  const ask = async (method: string, path: string, body?: unknown) => {
    const response = await fetch(`http://${operator.listen}${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/merge-patch+json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json() };
  };
  assertEquals((await ask("GET", "/v1/tenants/acme/status")).body.limits.max_connections.limit, 10);
  assertEquals((await ask("GET", "/v1/tenants/globex/status")).status, 404);
  const lower: readonly unknown[] = [
    { max_connections: 9 },
    { connection_rate: { rate: "9/s" } },
    { connection_rate: { burst: 19 } },
    { bandwidth: { down: { rate: "1000KiB/s" }, up: { rate: "1MiB/s" } } },
    { per_source: { max_connections: 4, connection_rate: { rate: "1/s" } } },
    { per_source: { ipv4_prefix: 24 } },
    { queue: { size: 9, timeout: "4s" } },
    { per_connection: { bandwidth: { up: { rate: "1KiB/s" } } } },
  ];
  const raise: readonly unknown[] = [
    { max_connections: 11 },
    { max_connections: null },
    { connection_rate: { rate: "11/s" } },
    { connection_rate: null },
    { bandwidth: { down: { rate: "2MiB/s" } } },
    { bandwidth: { down: { burst: null } } },
    { per_source: { max_connections: 6 } },
    { per_source: { ipv6_prefix: 80 } },
    { queue: { size: 11 } },
    { queue: { timeout: "0s" } },
    { dry_run: true },
    null,
  ];
  for (const limits of raise) {
    const { status, body } = await ask("PATCH", "/v1/tenants/acme", { limits });
    assertEquals([status, body.errors?.[0]?.pointer.startsWith("/limits")], [403, true], JSON.stringify(limits));
  }
  for (const limits of lower) {
    const { status, body } = await ask("PATCH", "/v1/tenants/acme", { limits });
    assertEquals(status, 200, `${JSON.stringify(limits)}: ${JSON.stringify(body)}`);
  }
});
