/** The access log: every field of every session, in both formats, also for refused ones. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { ACCESS_FIELDS, type AccessRecord, parseAccessLine, parseTextLine } from "../helpers/access_log.ts";
import { banner, echo } from "../helpers/behaviours.ts";
import { type Config, oneTenant } from "../helpers/config.ts";
import { eventually, pace } from "../helpers/eventually.ts";
import { e2e, type World } from "../helpers/world.ts";

async function session(world: World, address: string, text: string): Promise<void> {
  const client = await world.connect(address);
  await client.roundTrip(text);
  await client.closeWrite();
  assertEquals(await client.end(), "eof");
}

function withLog(config: Config, log: NonNullable<Config["log"]>): Config {
  return { ...config, log };
}

/** Time of a ULID: its first ten characters in Crockford's base 32 are milliseconds. */
function ulidTime(ulid: string): number {
  return [...ulid.slice(0, 10)].reduce(
    (sum, letter) => sum * 32 + "0123456789ABCDEFGHJKMNPQRSTVWXYZ".indexOf(letter),
    0,
  );
}

e2e("access log: a normal session has every field, each with a sensible value", async (world) => {
  const backend = await world.backend(async (wire) => {
    await pace(150);
    await banner("welcome")(wire, 0);
  });
  const sluice = await world.sluice(oneTenant([backend.address]));
  const client = await world.connect(sluice.address());
  assertEquals(await client.readText(7), "welcome");
  await client.roundTrip("12345");
  await pace(100);
  await client.closeWrite();
  assertEquals(await client.end(), "eof");

  const record = await sluice.waitForRecord();
  assertEquals(Object.keys(record).sort(), [...ACCESS_FIELDS].sort());
  assertMatch(record.ts, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assertMatch(record.session, /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
  assert(Math.abs(ulidTime(record.session) - Date.now()) < 60_000, "the session's time is now");
  assert(Math.abs(Date.parse(record.ts) - Date.now()) < 60_000, "the record's time is now");
  assertEquals(
    [record.tenant, record.listener, record.route, record.backend, record.endpoint],
    ["acme", "in", null, "out", "a"],
  );
  assertEquals([record.client, record.server_name, record.alpn], ["127.0.0.1", null, null]);
  assert(record.client_port !== null && record.client_port > 0);
  assertEquals([record.bytes_up, record.bytes_down], [5, 12]);
  assertEquals([record.attempts, record.code, record.reason, record.queue_ms], [1, "--", "ok", null]);
  const { connect_ms, first_byte_ms, total_ms } = record;
  assert(connect_ms !== null && connect_ms >= 0 && connect_ms < 150, `connected at once: ${connect_ms}`);
  assert(first_byte_ms !== null && first_byte_ms >= 150, `the first byte came late: ${first_byte_ms}`);
  assert(total_ms >= first_byte_ms + 99, `the session went on after it: ${total_ms}`);
  for (const rtt of [record.rtt_client_us, record.rtt_server_us]) assert(rtt !== null && rtt > 0 && rtt < 1e6);
});

e2e("access log: a refused session has every field as well", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice(oneTenant([backend.address], { limits: { max_connections: 0 } }));
  await (await world.connect(sluice.address())).end();
  const record = await sluice.waitForRecord();
  assertEquals(Object.keys(record).sort(), [...ACCESS_FIELDS].sort());
  assertEquals(
    [record.tenant, record.listener, record.endpoint, record.client],
    ["acme", "in", null, "127.0.0.1"],
  );
  assertEquals([record.connect_ms, record.first_byte_ms], [null, null]);
  assertEquals([record.attempts, record.code, record.reason], [0, "PR", "tenant_connections"]);
});

e2e("access log: sessions have ids of their own, rising with time", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice(oneTenant([backend.address], {}, { workers: 1 }));
  for (let turn = 0; turn < 50; turn++) await session(world, sluice.address(), "x");
  const ids = (await sluice.waitForRecords(50)).map((record) => record.session);
  assertEquals(new Set(ids).size, 50);
  assertEquals([...ids].sort((one, other) => ulidTime(one) - ulidTime(other)), ids);
});

e2e("access log: a burst of sessions is logged without a gap", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice(oneTenant([backend.address]));
  for (let wave = 0; wave < 10; wave++) {
    await Promise.all(Array.from({ length: 100 }, () => session(world, sluice.address(), "burst")));
  }
  const records = await sluice.waitForRecords(1000, { code: "--", bytes_up: 5, bytes_down: 5 });
  assertEquals(new Set(records.map((record) => record.session)).size, 1000);
});

e2e("access log: text format has the same fields as key=value", async (world) => {
  const backend = await world.backend(echo);
  const path = `${await world.tempDir()}/access.log`;
  const sluice = await world.sluice(
    withLog(oneTenant([backend.address]), { format: "text", access: { sink: `file:${path}` } }),
    { ownLog: true },
  );
  await session(world, sluice.address(), "hello");
  const line = await eventually(() => Deno.readTextFileSync(path).split("\n").find((text) => text.includes("code=")));
  const fields = parseTextLine(line);
  for (const name of ACCESS_FIELDS) assert(fields.has(name), `${name} must be in ${line}`);
  const values = ["tenant", "listener", "endpoint", "bytes_up", "bytes_down", "code", "reason"].map((name) =>
    fields.get(name)
  );
  assertEquals(values, ["acme", "in", "a", "5", "5", "--", "ok"]);
});

e2e("access log: standard output is the sink unless told otherwise, and none is none", async (world) => {
  const backend = await world.backend(echo);
  const toStdout = await world.sluice(withLog(oneTenant([backend.address]), { format: "json" }), { ownLog: true });
  await session(world, toStdout.address(), "x");
  const record = await eventually(() => toStdout.stdout.map(parseAccessLine).find((found) => found !== undefined));
  assertEquals([record.tenant, record.code], ["acme", "--"]);

  const silent = await world.sluice(
    withLog(oneTenant([backend.address]), { format: "json", access: { sink: "none" } }),
    { ownLog: true },
  );
  await session(world, silent.address(), "x");
  assertEquals((await silent.stop()).code, 0);
  assertEquals(silent.stdout.map(parseAccessLine).filter((found) => found !== undefined), []);
});

e2e("access log: sample 0 leaves out finished sessions, never refused ones", async (world) => {
  const backend = await world.backend(echo);
  const config = oneTenant([backend.address]);
  const closed = oneTenant([backend.address], { id: "closed", limits: { max_connections: 0 } }).tenants;
  const sluice = await world.sluice({
    ...config,
    tenants: [...config.tenants, ...closed],
    log: { access: { sample: 0 } },
  });
  for (let turn = 0; turn < 20; turn++) await session(world, sluice.address(), "unseen");
  await (await world.connect(sluice.address("closed"))).end();
  await sluice.waitForRecord({ tenant: "closed", reason: "tenant_connections" });
  assertEquals((await sluice.stop()).code, 0);
  assertEquals(sluice.matching({ code: "--" }), []);
});

e2e("access log: a sampled share of finished sessions", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice({ ...oneTenant([backend.address]), log: { access: { sample: 0.5 } } });
  for (let wave = 0; wave < 8; wave++) {
    await Promise.all(Array.from({ length: 50 }, () => session(world, sluice.address(), "half")));
  }
  assertEquals((await sluice.stop()).code, 0);
  const logged = sluice.records().length;
  assert(logged > 100 && logged < 300, `about half of 400: ${logged}`);
});

e2e("access log: long sessions are told about while they last", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice({ ...oneTenant([backend.address]), log: { access: { progress: "200ms" } } });
  const client = await world.connect(sluice.address());
  await client.roundTrip("first");
  const early = await sluice.waitForRecords(2);
  await client.roundTrip("second");
  const known = early.length;
  await sluice.waitForRecord((record: AccessRecord) => record.bytes_up === 11);
  assert(sluice.records().length > known);
  assertEquals(new Set(sluice.records().map((record) => record.session)).size, 1);
  await client.closeWrite();
  assertEquals(await client.end(), "eof");
  await sluice.waitForRecord({ code: "--", reason: "ok", bytes_up: 11 });
});

e2e("access log: what ended before the end of the program is in the file", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice(oneTenant([backend.address]));
  await Promise.all(Array.from({ length: 200 }, () => session(world, sluice.address(), "last")));
  assertEquals((await sluice.stop()).code, 0);
  assertEquals(sluice.matching({ code: "--" }).length, 200);
});

e2e("access log: a rotated file is left for a new one at SIGHUP", async (world) => {
  const backend = await world.backend(echo);
  const path = `${await world.tempDir()}/access.log`;
  const config = withLog(oneTenant([backend.address]), { format: "json", access: { sink: `file:${path}` } });
  const sluice = await world.sluice(config, { ownLog: true });
  await session(world, sluice.address(), "before");
  await eventually(() => Deno.readTextFileSync(path).includes('"bytes_up":6'));
  Deno.renameSync(path, `${path}.1`);
  await sluice.reload(config);
  await session(world, sluice.address(), "after!!");
  await eventually(() => Deno.readTextFileSync(path).includes('"bytes_up":7'));
  assert(!Deno.readTextFileSync(`${path}.1`).includes('"bytes_up":7'));
});

e2e("access log: one that nobody reads slows no session, and not the end", async (world) => {
  const backend = await world.backend(echo);
  const path = `${await world.tempDir()}/access.fifo`;
  await new Deno.Command("mkfifo", { args: [path] }).output();
  const reader = new Deno.Command("sh", {
    args: ["-c", `exec 3<>"${path}"; echo open; exec sleep 600`],
    stdout: "piped",
  })
    .spawn();
  world.use({
    [Symbol.asyncDispose]: async () => {
      reader.kill("SIGKILL");
      await reader.stdout.cancel();
      await reader.status;
    },
  });
  const sluice = await world.sluice(
    withLog(oneTenant([backend.address]), { format: "json", access: { sink: `file:${path}` } }),
    { ownLog: true },
  );
  for (let wave = 0; wave < 20; wave++) {
    await Promise.all(Array.from({ length: 50 }, () => session(world, sluice.address(), "unread")));
  }
  assertEquals((await sluice.stop("SIGTERM", 10_000)).code, 0);
});
