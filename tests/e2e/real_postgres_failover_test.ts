/** A PostgreSQL primary in tier 0 and its streaming replica in tier 1: sessions go over when it stops, and back again. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { tenantWith } from "../helpers/config.ts";
import { eventually } from "../helpers/eventually.ts";
import { Operator } from "../helpers/operator.ts";
import { postgresIsPresent, PostgresServer, PostgresSession, psql, query } from "../helpers/postgres.ts";
import { reportAbsent } from "../helpers/programs.ts";
import { e2e } from "../helpers/world.ts";

if (!postgresIsPresent) reportAbsent("PostgreSQL that fails over", "postgresql");

/** What a server answers: whether it is a replica. */
const WHO = "select pg_is_in_recovery()";
/** An SSLRequest, which a server without TLS answers with N. */
const HEALTH = {
  active: {
    type: "expect",
    send: "hex:0000000804d2162f",
    expect: "N",
    interval: "200ms",
    timeout: "10s",
    rise: 2,
    fall: 2,
  },
} as const;

e2e("real: PostgreSQL sessions go to the replica when the primary stops, and back when it is up", async (world) => {
  const primary = await PostgresServer.primary(world);
  const replica = await PostgresServer.replica(world, primary);
  const ops = await Operator.create();
  const endpoints = [{ id: "primary", address: primary.address }, { id: "replica", address: replica.address, tier: 1 }];
  const out = { retry: { attempts: 2, backoff: "50ms" }, health: HEALTH };
  const sluice = await world.sluice(ops.config([tenantWith(endpoints, { out, timeouts: { connect: "1s" } })]));
  const place = sluice.address();
  const healthOf = async (id: string) =>
    (await ops.status()).backends[0].endpoints.find((one: { id: string }) => one.id === id).health;

  assertEquals(
    await query(place, "create table news (text text); insert into news values ('one'); " + WHO),
    [
      "CREATE TABLE",
      "INSERT 0 1",
      "f",
    ].join("\n"),
  );
  await eventually(async () => await query(replica.address, "select text from news") === "one", {
    what: "replication",
  });
  const cut = await PostgresSession.begin(await world.connect(place));
  assertEquals(await cut.query(WHO), ["f"]);

  await primary.stop();
  await assertRejects(() => cut.query(WHO), Error);
  const began = performance.now();
  assertEquals(await query(place, WHO), "t");
  const tookMs = performance.now() - began;
  assert(tookMs < 3000, `no longer than a connect, a pause and another: ${tookMs} ms`);
  assertEquals(await query(place, "select text from news"), "one");
  const write = await psql(place, "insert into news values ('lost')");
  assertStringIncludes(write.text, "read-only transaction");
  await eventually(async () => await healthOf("primary") === "down", { what: "a primary that is down" });
  const kept = await PostgresSession.begin(await world.connect(place));
  assertEquals(await kept.query("select text from news"), ["one"]);
  const over = await sluice.waitForRecord({ endpoint: "replica", code: "--" });
  assert(over.attempts <= 2);

  await primary.start();
  await eventually(async () => await healthOf("primary") === "up", { what: "a primary that is up" });
  assertEquals(await query(place, WHO), "f");
  assertEquals(await query(place, "insert into news values ('two')"), "INSERT 0 1");
  // Whoever is at the replica stays there, and sees what the primary sends again.
  await eventually(async () => (await kept.query("select text from news order by text")).join() === "one,two", {
    what: "replication after the primary is back",
  });
  assertEquals(await kept.query(WHO), ["t"]);
  assertEquals(await healthOf("replica"), "up");
}, { ignore: !postgresIsPresent });
