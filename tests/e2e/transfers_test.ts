/** Many sessions at once, each with its own streams in both directions, each byte checked at its place. */
import { assertEquals } from "@std/assert";
import { oneTenant } from "../helpers/config.ts";
import { randomOf, receivePattern, sendPattern } from "../helpers/pattern.ts";
import type { Wire } from "../helpers/wire.ts";
import { e2e } from "../helpers/world.ts";

const SESSIONS = 200;

/** Sizes from nothing to 1 MiB, most of them small, as real sessions are. */
function sizeOf(random: () => number): number {
  return Math.floor(2 ** (random() * 21) - 1);
}

/** Sends and receives at once; 8 bytes before each stream tell the other side which one it is. */
async function exchange(wire: Wire, seed: number, bytes: number, chunk: number): Promise<number> {
  const send = async (): Promise<void> => {
    const head = new Uint8Array(8);
    new DataView(head.buffer).setUint32(0, seed);
    new DataView(head.buffer).setUint32(4, bytes);
    await wire.write(head);
    await sendPattern(wire, seed, bytes, { chunk });
    await wire.closeWrite();
  };
  const receive = async (): Promise<number> => {
    const head = new DataView((await wire.readExactly(8)).buffer);
    const received = await receivePattern(wire, head.getUint32(0), { chunk });
    assertEquals(received, { bytes: head.getUint32(4), end: "eof" });
    return received.bytes;
  };
  const [received] = await Promise.all([receive(), send()]);
  return received;
}

e2e("transfers: 200 concurrent random transfers arrive whole in both directions", async (world) => {
  const random = randomOf(42);
  const backend = await world.backend(async (wire, index) => {
    const own = randomOf(1000 + index);
    await exchange(wire, 10_000 + index, sizeOf(own), 1 + Math.floor(own() * 100_000));
  });
  const sluice = await world.sluice(oneTenant([backend.address]));
  let up = 0;
  const down = await Promise.all(
    Array.from({ length: SESSIONS }, async (_, index) => {
      const bytes = sizeOf(random);
      up += bytes + 8;
      return await exchange(await world.connect(sluice.address()), index, bytes, 1 + Math.floor(random() * 100_000));
    }),
  );
  const records = await sluice.waitForRecords(SESSIONS, { code: "--", reason: "ok" });
  assertEquals(records.reduce((sum, record) => sum + record.bytes_up, 0), up);
  assertEquals(
    records.reduce((sum, record) => sum + record.bytes_down, 0),
    down.reduce((sum, bytes) => sum + bytes + 8, 0),
  );
});
