/** Readers that do not read: the proxy stops reading for them, so that memory stays bounded, and loses nothing. */
import { assert, assertEquals } from "@std/assert";
import { parseTarget } from "../helpers/address.ts";
import { oneTenant } from "../helpers/config.ts";
import { PeerProgram } from "../helpers/peer.ts";
import { e2e } from "../helpers/world.ts";

const READERS = 1000;
const BYTES_EACH = 524_288;
/** A tenth of what would be held by a proxy that reads on: 500 MiB. */
const GROWTH_BYTES = 96 * 1_048_576;
/** Segments and buffers so small that the kernel cannot take the streams in. */
const MSS = 1000;
const BUFFER = 8192;

e2e("stalled readers: 1,000 of them leave memory bounded and get every byte when they read", async (world) => {
  const source = world.use(await PeerProgram.start("source", "127.0.0.1", BYTES_EACH, MSS, BUFFER));
  const [port] = await source.answer("listening");
  const sluice = await world.sluice(oneTenant([`127.0.0.1:${port}`]));
  const before = (await sluice.usage()).rssBytes;
  const target = parseTarget(sluice.address());
  if (target.transport !== "tcp") throw new Error("the listener must be TCP");
  const herd = world.use(await PeerProgram.start("herd", target.hostname, target.port, READERS, MSS, BUFFER));
  assertEquals(await herd.answer("open"), [String(READERS)]);

  // Quiet means stuck: everything that could move has moved.
  while (await sluice.cpuShareOver(500) > 0.1);
  const growth = (await sluice.usage()).rssBytes - before;
  assert(growth < GROWTH_BYTES, `memory must stay bounded: it grew by ${Math.round(growth / 1_048_576)} MiB`);
  assertEquals(sluice.records().length, 0);

  await herd.tell("read");
  assertEquals(await herd.answer("read", 60_000), [String(READERS), String(READERS * BYTES_EACH), "0", "0"]);
  const records = await sluice.waitForRecords(READERS, { code: "--", bytes_down: BYTES_EACH });
  assertEquals(records.length, READERS);
}, { deadlineMs: 120_000 });
