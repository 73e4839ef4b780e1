/** No byte is special, and no cut of the stream is. */
import { assertEquals } from "@std/assert";
import { echo } from "../helpers/behaviours.ts";
import { oneTenant } from "../helpers/config.ts";
import { e2e } from "../helpers/world.ts";

const ALL = Uint8Array.from({ length: 256 }, (_, index) => index);

e2e("bytes: all 256 values pass in both directions", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice(oneTenant([backend.address]));
  const client = await world.connect(sluice.address());
  for (let turn = 0; turn < 4; turn++) {
    await client.write(ALL);
    assertEquals(await client.readExactly(256), ALL);
  }
});

e2e("bytes: one byte at a time, each waiting for its answer", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice(oneTenant([backend.address]));
  const client = await world.connect(sluice.address());
  for (const byte of ALL) {
    await client.write(Uint8Array.of(byte));
    assertEquals(await client.readExactly(1), Uint8Array.of(byte));
  }
});

e2e("bytes: one byte a segment without waiting, both ways at once", async (world) => {
  const backend = await world.backend();
  const sluice = await world.sluice(oneTenant([backend.address]));
  const client = await world.connect(sluice.address());
  const server = await backend.accept();
  const drip = async (wire: typeof client): Promise<void> => {
    for (const byte of ALL) await wire.write(Uint8Array.of(byte));
    await wire.closeWrite();
  };
  const [up, down] = await Promise.all([server.readToEnd(), client.readToEnd(), drip(client), drip(server)]);
  assertEquals(up, { ...up, bytes: ALL, end: "eof" });
  assertEquals(down, { ...down, bytes: ALL, end: "eof" });
  await sluice.waitForRecord({ code: "--", bytes_up: 256, bytes_down: 256 });
});
