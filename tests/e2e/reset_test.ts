/**
 * A reset of either side in each phase: what the other side sees for each `reset_propagation`, and what is logged.
 * A reset is passed on as a reset only when no byte already read would be lost by it.
 */
import { assertEquals, assertRejects } from "@std/assert";
import { oneTenant } from "../helpers/config.ts";
import { eventually } from "../helpers/eventually.ts";
import { receivePattern, sendPattern } from "../helpers/pattern.ts";
import { e2e } from "../helpers/world.ts";

const MODES = ["none", "to_backend", "both"] as const;

e2e("reset: by the client while the connection to the endpoint hangs", async (world) => {
  const hole = await world.blackHole();
  const sluice = await world.sluice(oneTenant([hole.address], { timeouts: { connect: "60s" } }));
  const seen = new Set<string>();
  for (const early of ["", "early bytes"]) {
    const client = await world.connectResettable(sluice.address());
    if (early !== "") await client.write(early);
    client.reset();
    const record = await sluice.waitForRecord(({ session }) => !seen.has(session));
    seen.add(record.session);
    assertEquals(
      [record.code, record.reason, record.attempts, record.connect_ms, record.bytes_up],
      ["CC", "client_abort", 1, null, 0],
    );
  }
});

for (const mode of MODES) {
  const toBackend = mode === "none" ? "eof" : "reset";
  const toClient = mode === "both" ? "reset" : "eof";
  const tcp = { reset_propagation: mode };

  e2e(`reset: by the client during data, reset_propagation ${mode}: the backend sees ${toBackend}`, async (world) => {
    const backend = await world.backend();
    const sluice = await world.sluice(oneTenant([backend.address], { tcp }));
    const client = await world.connectResettable(sluice.address());
    const server = await backend.accept();
    await client.write("up");
    assertEquals(await server.readText(2), "up");
    client.reset();
    assertEquals(await server.end(), toBackend);
    await sluice.waitForRecord({ code: "CD", reason: "client_abort", bytes_up: 2 });
  });

  e2e(`reset: by the backend during data, reset_propagation ${mode}: the client sees ${toClient}`, async (world) => {
    const backend = await world.backend(undefined, { resettable: true });
    const sluice = await world.sluice(oneTenant([backend.address], { tcp }));
    const client = await world.connect(sluice.address());
    const server = await backend.accept();
    await client.write("up");
    assertEquals(await server.readText(2), "up");
    server.reset();
    assertEquals(await client.end(), toClient);
    await sluice.waitForRecord({ code: "SD", reason: "server_abort", bytes_up: 2 });
  });

  e2e(`reset: by the backend after the client's EOF, reset_propagation ${mode}`, async (world) => {
    const backend = await world.backend(undefined, { resettable: true });
    const sluice = await world.sluice(oneTenant([backend.address], { tcp }));
    const client = await world.connect(sluice.address());
    const server = await backend.accept();
    await client.write("up");
    await client.closeWrite();
    assertEquals((await server.readToEnd()).text, "up");
    server.reset();
    assertEquals(await client.end(), toClient);
    await sluice.waitForRecord({ code: "SL", reason: "server_abort", bytes_up: 2 });
  });

  e2e(`reset: by the client after the backend's EOF, reset_propagation ${mode}`, async (world) => {
    const backend = await world.backend();
    const sluice = await world.sluice(oneTenant([backend.address], { tcp }));
    const client = await world.connectResettable(sluice.address());
    const server = await backend.accept();
    await server.write("down");
    await server.closeWrite();
    assertEquals((await client.readToEnd()).text, "down");
    client.reset();
    assertEquals(await server.end(), toBackend);
    await sluice.waitForRecord({ code: "CL", reason: "client_abort", bytes_down: 4 });
  });
}

e2e("reset: by the client after its own EOF ends the session, and the backend's writes fail", async (world) => {
  const backend = await world.backend();
  const sluice = await world.sluice(oneTenant([backend.address]));
  const client = await world.connectResettable(sluice.address());
  const server = await backend.accept();
  await client.closeWrite();
  assertEquals(await server.end(), "eof");
  client.reset();
  await sluice.waitForRecord({ code: "CD", reason: "client_abort" });
  await assertRejects(() => eventually(() => server.write("into the void").then(() => false), { giveUp: () => true }));
});

e2e("reset: by the backend after its own EOF ends the session", async (world) => {
  const backend = await world.backend(undefined, { resettable: true });
  const sluice = await world.sluice(oneTenant([backend.address]));
  const client = await world.connect(sluice.address());
  const server = await backend.accept();
  await server.closeWrite();
  assertEquals(await client.end(), "eof");
  server.reset();
  await sluice.waitForRecord({ code: "SD", reason: "server_abort" });
});

e2e("reset: the client's bytes that the proxy took before its reset reach a slow backend", async (world) => {
  const backend = await world.backend();
  const sluice = await world.sluice(oneTenant([backend.address]));
  const client = await world.connectResettable(sluice.address());
  const server = await backend.accept();
  await sendPattern(client, 6, 200_000);
  client.reset();
  const { bytes } = await receivePattern(server, 6, { chunk: 1000, everyMs: 1 });
  server.close();
  const record = await sluice.waitForRecord();
  assertEquals([record.code, record.reason, record.bytes_up], ["CD", "client_abort", bytes]);
});

e2e("reset: the backend's bytes that the proxy took before its reset reach a slow client", async (world) => {
  const backend = await world.backend(undefined, { resettable: true });
  const sluice = await world.sluice(oneTenant([backend.address]));
  const client = await world.connect(sluice.address());
  const server = await backend.accept();
  await sendPattern(server, 7, 200_000);
  server.reset();
  const { bytes } = await receivePattern(client, 7, { chunk: 1000, everyMs: 1 });
  client.close();
  const record = await sluice.waitForRecord();
  assertEquals([record.code, record.reason, record.bytes_down], ["SD", "server_abort", bytes]);
});
