/**
 * A configuration that changes under load, by file, signal and API in turn: streams that stay and clients that come
 * notice nothing.
 */
import { assert, assertEquals } from "@std/assert";
import { formatAddress, freePort, ownLoopback } from "../helpers/address.ts";
import { type Config, type ListenerConfig, type TenantConfig, tenantWith } from "../helpers/config.ts";
import { pace } from "../helpers/eventually.ts";
import { assertUnharmed, EchoProcess, Flock } from "../helpers/flock.ts";
import { Operator } from "../helpers/operator.ts";
import { e2e } from "../helpers/world.ts";

const RELOADS = 20;
const STREAMS = 1000;
const VISITS_PER_S = 1000;
/** Many a session comes and goes on each configuration. */
const CHANGE_EACH_MS = 150;
/** A SYN that was dropped comes again after a second, and so does the first lost segment of a visit. */
const STALL_MS = 1000;

e2e("live reload: 20 changes under 1,000 streams and 1,000 new connections a second harm none", async (world) => {
  const [first, second] = [world.use(await EchoProcess.start()), world.use(await EchoProcess.start())];
  const operator = await Operator.create();
  const host = ownLoopback();
  const main = formatAddress(host, freePort(host));
  const extraHost = ownLoopback();
  const extra = formatAddress(extraHost, freePort(extraHost));

  const acmeAt = (turn: number): TenantConfig => {
    const extras: ListenerConfig[] = turn % 2 === 0 ? [{ id: "extra", address: extra, backend: "other" }] : [];
    return {
      id: "acme",
      labels: { turn: String(turn) },
      limits: { max_connections: 4000 + turn },
      timeouts: { idle: `${600 + turn}s` },
      listeners: [{ id: "in", address: main, backend: "out" }, ...extras],
      backends: [
        {
          id: "out",
          balance: turn % 3 === 0 ? "least_connections" : "round_robin",
          endpoints: [
            { id: "a", address: first.address, weight: 1 + turn % 7 },
            ...(turn % 4 < 2 ? [{ id: "b", address: second.address }] : []),
          ],
        },
        { id: "other", endpoints: [{ id: "c", address: second.address }] },
      ],
    };
  };
  const configAt = (turn: number): Config => {
    const guest = tenantWith([first.address], { id: `guest-${turn % 5}` });
    return operator.config([acmeAt(turn), guest], { limits: { max_connections: 20_000 + turn } });
  };

  const sluice = await world.sluice(configAt(0));
  const flock = world.use(await Flock.start(main, { streams: STREAMS, periodMs: 250, rate: VISITS_PER_S }));
  let generation: number = (await operator.get("/v1/status")).generation;
  for (let turn = 1; turn <= RELOADS; turn++) {
    await pace(CHANGE_EACH_MS);
    const way = ["file", "signal", "api"][turn % 3];
    if (way === "file") {
      sluice.write(configAt(turn));
    } else if (way === "signal") {
      sluice.write(configAt(turn));
      sluice.kill("SIGHUP");
    } else {
      const answer = await operator.must("PUT", "/v1/tenants/acme", acmeAt(turn));
      assertEquals(answer.body.labels, { turn: String(turn) });
    }
    await operator.untilLabel("acme", "turn", String(turn));
    const status = await operator.get("/v1/status");
    assert(status.generation > generation, `a generation more by ${way}: ${status.generation} after ${generation}`);
    generation = status.generation;
    assertEquals(await world.accepts(extra), turn % 2 === 0, `the other listener after turn ${turn} by ${way}`);
    assertEquals((await operator.get("/v1/tenants/acme/status")).sessions >= STREAMS, true);
  }
  const { seconds, streams, visits } = await flock.stop();
  assertUnharmed(streams, STALL_MS, "streams");
  assertUnharmed(visits, STALL_MS, "visits");
  assertEquals(streams.ended, STREAMS);
  assert(visits.ended >= 0.5 * VISITS_PER_S * seconds, `${visits.ended} visits in ${seconds} s`);
  const records = await sluice.waitForRecords(STREAMS + visits.ended, { tenant: "acme", listener: "in" }, 60_000);
  assertEquals(records.filter(({ code }) => code !== "--"), []);
}, { deadlineMs: 180_000 });

e2e("live reload: what has not changed is a no-op, by file, by signal and by API", async (world) => {
  const echo = world.use(await EchoProcess.start());
  const operator = await Operator.create();
  const config = operator.config([tenantWith([echo.address])]);
  const sluice = await world.sluice(config);
  const client = await world.connect(sluice.address());
  await client.roundTrip();
  const { generation } = await operator.get("/v1/status");

  sluice.write(config);
  const { body } = await operator.must("POST", "/v1/config/reload");
  assertEquals([body.ok, body.changed, body.generation], [true, false, generation]);
  const tenant = await operator.read("/v1/tenants/acme");
  const put = await operator.must("PUT", "/v1/tenants/acme", tenant.body, { ifMatch: tenant.etag });
  assertEquals(put.etag, tenant.etag, "the validator changes when the object does, and only then");
  await sluice.reload(config);
  assertEquals((await operator.get("/v1/status")).generation, generation);
  await client.roundTrip();
});
