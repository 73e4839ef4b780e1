/** One side goes away in the middle of the other's stream: the other is told, whatever it was doing. */
import { assertEquals } from "@std/assert";
import { echo } from "../helpers/behaviours.ts";
import { oneTenant } from "../helpers/config.ts";
import { patternAt } from "../helpers/pattern.ts";
import { isDisconnect, type Wire } from "../helpers/wire.ts";
import { e2e } from "../helpers/world.ts";

/** Sends until the other side is gone. */
async function sendForEver(wire: Wire): Promise<void> {
  try {
    for (let position = 0;; position += 65_536) await wire.write(patternAt(1, position, 65_536));
  } catch (error) {
    if (!isDisconnect(error)) throw error;
  }
}

for (const how of ["close", "reset"] as const) {
  e2e(`gone: a client that goes by ${how} while the backend streams`, async (world) => {
    const backend = await world.backend();
    const sluice = await world.sluice(oneTenant([backend.address]));
    const client = await world.connectResettable(sluice.address());
    const server = await backend.accept();
    const sending = sendForEver(server);
    await client.readExactly(3_000_000);
    client[how]();
    await sending;
    await sluice.waitForRecord({ reason: "client_abort", bytes_up: 0 });
  });

  e2e(`gone: a backend that goes by ${how} while the client streams`, async (world) => {
    const backend = await world.backend(undefined, { resettable: true });
    const sluice = await world.sluice(oneTenant([backend.address]));
    const client = await world.connect(sluice.address());
    const server = await backend.accept();
    const sending = sendForEver(client);
    await server.readExactly(3_000_000);
    server[how]();
    await sending;
    await sluice.waitForRecord({ reason: "server_abort", bytes_down: 0 });
  });
}

e2e("gone: a client that half-closed, then closed, while the backend streams", async (world) => {
  const backend = await world.backend();
  const sluice = await world.sluice(oneTenant([backend.address]));
  const client = await world.connect(sluice.address());
  const server = await backend.accept();
  await client.write("all of it, please");
  await client.closeWrite();
  assertEquals((await server.readToEnd()).text, "all of it, please");
  const sending = sendForEver(server);
  await client.readExactly(1_000_000);
  client.close();
  await sending;
  await sluice.waitForRecord({ code: "CD", reason: "client_abort" });
});

e2e("gone: clients that reset right after their connect disturb nobody", async (world) => {
  const backend = await world.backend(echo);
  const limits = { max_connections: 20 };
  const sluice = await world.sluice(oneTenant([backend.address], { limits }));
  const steady = await world.connect(sluice.address());
  for (let wave = 0; wave < 20; wave++) {
    const clients = await Promise.all(Array.from({ length: 15 }, () => world.connectResettable(sluice.address())));
    for (const client of clients) client.reset();
    await steady.roundTrip(`wave ${wave}`);
  }
  await steady.closeWrite();
  assertEquals(await steady.end(), "eof");
  await sluice.waitForRecord({ code: "--", bytes_up: 10 * 6 + 10 * 7 });
  const held = [];
  for (let turn = 0; turn < 20; turn++) {
    const client = await world.connect(sluice.address());
    await client.roundTrip();
    held.push(client);
  }
});

e2e("gone: a backend that answers early and closes on a client that still sends is heard", async (world) => {
  const backend = await world.backend();
  const sluice = await world.sluice(oneTenant([backend.address]));
  for (let turn = 0; turn < 30; turn++) {
    const client = await world.connect(sluice.address());
    const server = await backend.accept();
    const sending = sendForEver(client);
    await server.readExactly(200_000);
    await server.write("413 too much");
    server.close(); // with bytes unread, so the kernel sends a RST behind the answer
    assertEquals((await client.readToEnd()).text, "413 too much");
    await sending;
  }
  await sluice.waitForRecords(30, { reason: "server_abort", bytes_down: 12 });
});
