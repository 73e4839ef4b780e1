/** Close comes after flush: who sends much and closes at once is heard to the last byte by who reads slowly. */
import { assertEquals } from "@std/assert";
import { source } from "../helpers/behaviours.ts";
import { oneTenant } from "../helpers/config.ts";
import { receivePattern, sendPattern } from "../helpers/pattern.ts";
import { e2e } from "../helpers/world.ts";

const TOTAL = 50 * 1_048_576;
/** 256 KiB each 5 ms at the most: 50 MiB take a second and more, long after the sender has gone. */
const SLOWLY = { chunk: 262_144, everyMs: 5 };

e2e("flush: 50 MiB from a client that closes at once reach a slow backend whole", async (world) => {
  const backend = await world.backend();
  const sluice = await world.sluice(oneTenant([backend.address]));
  const client = await world.connect(sluice.address());
  const server = await backend.accept();
  const sending = sendPattern(client, 3, TOTAL).then(() => client.close());
  assertEquals(await receivePattern(server, 3, SLOWLY), { bytes: TOTAL, end: "eof" });
  await sending;
  server.close();
  const record = await sluice.waitForRecord();
  assertEquals([record.code, record.bytes_up], ["--", TOTAL]);
});

e2e("flush: 50 MiB from a backend that closes at once reach a slow client whole", async (world) => {
  const backend = await world.backend(source(4, TOTAL));
  const sluice = await world.sluice(oneTenant([backend.address]));
  const client = await world.connect(sluice.address());
  assertEquals(await receivePattern(client, 4, SLOWLY), { bytes: TOTAL, end: "eof" });
  await client.closeWrite();
  const record = await sluice.waitForRecord();
  assertEquals([record.code, record.bytes_down], ["--", TOTAL]);
});

e2e("flush: small last words before a close are not lost, many times over", async (world) => {
  const backend = await world.backend(source(5, 1000));
  const sluice = await world.sluice(oneTenant([backend.address]));
  for (let turn = 0; turn < 100; turn++) {
    const client = await world.connect(sluice.address());
    assertEquals(await receivePattern(client, 5), { bytes: 1000, end: "eof" });
    client.close();
  }
  await sluice.waitForRecords(100, { code: "--", bytes_down: 1000 });
});
