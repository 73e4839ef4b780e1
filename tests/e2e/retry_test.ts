/** A connect that fails is tried again on the next endpoint, before the backend's first byte only. */
import { assert, assertEquals } from "@std/assert";
import { refusingAddress } from "../helpers/address.ts";
import { echo } from "../helpers/behaviours.ts";
import { oneTenant } from "../helpers/config.ts";
import { e2e } from "../helpers/world.ts";

e2e("retry: a session whose endpoint refuses is served by the next one", async (world) => {
  const good = await world.backend(echo);
  const sluice = await world.sluice(oneTenant([refusingAddress(), good.address]));
  for (let turn = 0; turn < 10; turn++) {
    const client = await world.connect(sluice.address());
    await client.roundTrip("once");
    client.close();
  }
  const records = await sluice.waitForRecords(10, { code: "--", endpoint: "b", bytes_up: 4, bytes_down: 4 });
  // A retry takes nobody's turn: every other session starts at the endpoint that works.
  const attempts = records.map((record) => record.attempts).sort();
  assertEquals(attempts, [1, 1, 1, 1, 1, 2, 2, 2, 2, 2]);
  assertEquals(good.accepted, 10);
});

e2e("retry: a session whose endpoint hangs is served by the next one after timeouts.connect", async (world) => {
  const good = await world.backend(echo);
  const hole = await world.blackHole();
  const sluice = await world.sluice(oneTenant([hole.address, good.address], { timeouts: { connect: "300ms" } }));
  const clients = await Promise.all([world.connect(sluice.address()), world.connect(sluice.address())]);
  await Promise.all(clients.map((client) => client.roundTrip("early words")));
  for (const client of clients) client.close();
  const records = await sluice.waitForRecords(2, { code: "--", endpoint: "b" });
  const retried = records.find((record) => record.attempts === 2);
  assert(retried?.connect_ms && retried.connect_ms >= 300, `the failed attempt counts: ${retried?.connect_ms}`);
});

e2e("retry: attempts bounds the endpoints that one session tries", async (world) => {
  const sluice = await world.sluice(
    oneTenant([refusingAddress(), refusingAddress(), refusingAddress(), refusingAddress()]),
  );
  assertEquals(await (await world.connect(sluice.address())).end(), "eof");
  const record = await sluice.waitForRecord();
  assertEquals([record.code, record.reason, record.attempts], ["SC", "connect_refused", 3]);
});

e2e("retry: attempts 1 tries one endpoint only", async (world) => {
  const good = await world.backend(echo);
  const sluice = await world.sluice(oneTenant([refusingAddress(), good.address], { retry: { attempts: 1 } }));
  for (let turn = 0; turn < 10; turn++) {
    const client = await world.connect(sluice.address());
    await client.closeWrite();
    await client.readToEnd();
  }
  const records = await sluice.waitForRecords(10);
  assertEquals(records.filter(({ code, endpoint }) => code === "--" && endpoint === "b").length, 5);
  assertEquals(records.filter(({ code, endpoint }) => code === "SC" && endpoint === "a").length, 5);
  assert(records.every((record) => record.attempts === 1), "each session tried once");
});

e2e("retry: a session that the backend has answered is never tried again", async (world) => {
  const abrupt = await world.backend(async (wire) => {
    await wire.readText(4);
    await wire.write("half an ans");
    wire.close();
  });
  const other = await world.backend(echo);
  const sluice = await world.sluice(oneTenant([abrupt.address, { address: other.address, weight: 0 }]));
  const client = await world.connect(sluice.address());
  await client.write("once");
  assertEquals((await client.readToEnd()).text, "half an ans");
  client.close();
  await sluice.waitForRecord({ attempts: 1, endpoint: "a", bytes_down: 11 });
  assertEquals(other.accepted, 0);
});
