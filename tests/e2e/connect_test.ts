/** Endpoints that refuse, hang or accept late: codes, reasons, attempts and times. */
import { assert, assertEquals } from "@std/assert";
import { refusingAddress } from "../helpers/address.ts";
import { banner, echo } from "../helpers/behaviours.ts";
import { oneTenant } from "../helpers/config.ts";
import { pace } from "../helpers/eventually.ts";
import { e2e } from "../helpers/world.ts";

/** What a busy machine may add to a time. */
const SLACK_MS = 2000;

e2e("connect: a refusing endpoint ends the session at once", async (world) => {
  const sluice = await world.sluice(oneTenant([refusingAddress()], { timeouts: { connect: "30s" } }));
  const client = await world.connect(sluice.address());
  assertEquals(await client.end(), "eof");
  const record = await sluice.waitForRecord();
  assertEquals(
    [record.code, record.reason, record.attempts, record.backend, record.endpoint],
    ["SC", "connect_refused", 1, "out", "a"],
  );
  assertEquals([record.connect_ms, record.first_byte_ms, record.bytes_up, record.bytes_down], [null, null, 0, 0]);
  assert(record.total_ms < SLACK_MS, `a refusal takes no time: ${record.total_ms} ms`);
});

e2e("connect: a client that speaks first is told of the refusal as well", async (world) => {
  const sluice = await world.sluice(oneTenant([refusingAddress()]));
  const client = await world.connect(sluice.address());
  await client.write("is anybody there").catch(() => {});
  const { bytes } = await client.readToEnd();
  assertEquals(bytes.length, 0);
  await sluice.waitForRecord({ code: "SC", reason: "connect_refused", bytes_up: 0 });
});

e2e("connect: a path without a socket is a refusal", async (world) => {
  const dir = await world.tempDir();
  await Deno.writeTextFile(`${dir}/plain-file`, "");
  const sluice = await world.sluice(oneTenant([`unix:${dir}/absent`, `unix:${dir}/plain-file`]));
  assertEquals(await (await world.connect(sluice.address())).end(), "eof");
  await sluice.waitForRecord({ code: "SC", reason: "connect_refused", attempts: 2 });
});

e2e("connect: an endpoint that never answers is given up after timeouts.connect", async (world) => {
  const hole = await world.blackHole();
  const sluice = await world.sluice(oneTenant([hole.address], { timeouts: { connect: "400ms" } }));
  const client = await world.connect(sluice.address());
  assertEquals(await client.end(), "eof");
  const record = await sluice.waitForRecord();
  assertEquals([record.code, record.reason, record.attempts], ["sC", "connect_timeout", 1]);
  assertEquals(record.connect_ms, null);
  assert(record.total_ms >= 400 && record.total_ms < 400 + SLACK_MS, `400 ms, not ${record.total_ms}`);
});

e2e("connect: each attempt has its own timeouts.connect", async (world) => {
  const holes = [await world.blackHole(), await world.blackHole()];
  const sluice = await world.sluice(oneTenant(holes.map((hole) => hole.address), { timeouts: { connect: "300ms" } }));
  assertEquals(await (await world.connect(sluice.address())).end(), "eof");
  const record = await sluice.waitForRecord();
  assertEquals([record.code, record.reason, record.attempts], ["sC", "connect_timeout", 2]);
  assert(record.total_ms >= 600 && record.total_ms < 600 + SLACK_MS, `600 ms, not ${record.total_ms}`);
});

e2e("connect: an endpoint whose queue has room again within the timeout is reached", async (world) => {
  const hole = await world.blackHole();
  const sluice = await world.sluice(oneTenant([hole.address], { timeouts: { connect: "20s" } }));
  const client = await world.connect(sluice.address());
  await client.write("patient");
  await pace(100);
  const server = await hole.release();
  assertEquals(await server.readText(7), "patient");
  server.close();
  client.close();
  const record = await sluice.waitForRecord();
  assertEquals([record.code, record.attempts, record.bytes_up], ["--", 1, 7]);
  assert(record.connect_ms !== null && record.connect_ms >= 100, `the wait counts as connecting: ${record.connect_ms}`);
});

e2e("connect: a backend that takes its time costs first_byte_ms, not connect_ms", async (world) => {
  const backend = await world.backend(async (wire) => {
    await pace(400);
    await banner("late")(wire, 0);
  });
  const sluice = await world.sluice(oneTenant([backend.address]));
  const client = await world.connect(sluice.address());
  assertEquals(await client.readText(4), "late");
  await client.closeWrite();
  const record = await sluice.waitForRecord();
  assert(record.connect_ms !== null && record.connect_ms < 400, `connected at once: ${record.connect_ms}`);
  assert(record.first_byte_ms !== null && record.first_byte_ms >= 400, `spoke late: ${record.first_byte_ms}`);
});

e2e("connect: one dead endpoint does not disturb the sessions of another backend", async (world) => {
  const good = await world.backend(echo);
  const hole = await world.blackHole();
  const config = oneTenant([hole.address], { timeouts: { connect: "60s" } });
  const sluice = await world.sluice({
    ...config,
    workers: 1,
    tenants: [...config.tenants, ...oneTenant([good.address], { id: "globex" }).tenants],
  });
  const stuck = await Promise.all(Array.from({ length: 20 }, () => world.connect(sluice.address())));
  for (let turn = 0; turn < 20; turn++) await (await world.connect(sluice.address("globex"))).roundTrip();
  for (const client of stuck) client.close();
});

e2e(
  "connect: a unix endpoint whose queue is full is given up within the timeout, and used again later",
  async (world) => {
    const path = `${await world.tempDir()}/full.sock`;
    const listener = Deno.listen({ transport: "unix", path });
    world.use({ [Symbol.dispose]: () => listener.close() });
    const fillers = await fill(path);
    world.use({ [Symbol.dispose]: () => fillers.forEach((filler) => filler.close()) });
    const sluice = await world.sluice(oneTenant([`unix:${path}`], { timeouts: { connect: "500ms" } }));
    assertEquals(await (await world.connect(sluice.address())).end(), "eof");
    const record = await sluice.waitForRecord();
    assert(record.code === "SC" || record.code === "sC", `the server's fault: ${record.code}`);

    for (const _ of fillers) (await listener.accept()).close();
    const client = await world.connect(sluice.address());
    const server = await listener.accept();
    await server.write(new TextEncoder().encode("room"));
    assertEquals(await client.readText(4), "room");
    server.close();
  },
);

/** Connects to a unix socket until its queue is full. */
async function fill(path: string): Promise<Deno.UnixConn[]> {
  const fillers: Deno.UnixConn[] = [];
  for (;;) {
    try {
      fillers.push(await Deno.connect({ transport: "unix", path }));
    } catch (error) {
      if (fillers.length === 0) throw error;
      return fillers;
    }
  }
}
