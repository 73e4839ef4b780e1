/**
 * Many sessions whose two sides do as they please: close, half-close, reset, stop reading, in any order. Whatever arrives
 * is a right beginning of what was sent, orderly sessions are whole, every session is logged once, and nothing is left.
 */
import { assert, assertEquals } from "@std/assert";
import { oneTenant } from "../helpers/config.ts";
import { eventually } from "../helpers/eventually.ts";
import { checkPattern, patternAt, randomOf } from "../helpers/pattern.ts";
import { openFiles } from "../helpers/process.ts";
import type { End, Wire } from "../helpers/wire.ts";
import { isDisconnect } from "../helpers/wire.ts";
import { e2e, type World } from "../helpers/world.ts";

const SESSIONS = 400;
const AT_ONCE = 50;

/** What one side of a session does. */
interface Script {
  /** Bytes that it sends, and in which portions. */
  readonly bytes: number;
  readonly chunk: number;
  /** What it does when it has sent them. */
  readonly then: "finish" | "close" | "reset";
  /** Bytes that it reads at the most before it stops reading for good. */
  readonly reads: number;
}

function scriptOf(seed: number): Script {
  const random = randomOf(seed);
  const size = (): number => Math.floor(2 ** (random() * 20)) - 1;
  const dice = random();
  const orderly = dice < 0.6;
  return {
    bytes: size(),
    chunk: 1 + Math.floor(random() * 70_000),
    then: orderly ? "finish" : dice < 0.8 ? "close" : "reset",
    reads: orderly ? Infinity : size(),
  };
}

/** Plays a script; gives what was received, and how that ended ("stopped" when the script stopped it). */
async function play(wire: Wire, script: Script, own: number, other: number): Promise<[number, End | "stopped"]> {
  const send = async (): Promise<void> => {
    for (let sent = 0; sent < script.bytes; sent += script.chunk) {
      await wire.write(patternAt(own, sent, Math.min(script.chunk, script.bytes - sent)));
    }
    if (script.then === "finish") await wire.closeWrite();
    else if (script.then === "reset") wire.reset();
    else wire.close();
  };
  const receive = async (): Promise<[number, End | "stopped"]> => {
    const buffer = new Uint8Array(32_768);
    let bytes = 0;
    while (bytes < script.reads) {
      const got = await wire.readInto(buffer);
      if (got === "eof" || got === "reset") return [bytes, got];
      checkPattern(other, bytes, buffer.subarray(0, got));
      bytes += got;
    }
    return [bytes, "stopped"];
  };
  const sending = send().catch(ignoreDisconnect);
  let received: [number, End | "stopped"] = [0, "stopped"];
  try {
    received = await receive();
  } catch (error) {
    ignoreDisconnect(error);
  }
  await sending;
  return received;
}

/** The other side, or this one's own script, has ended the stream meanwhile. */
function ignoreDisconnect(error: unknown): void {
  if (isDisconnect(error)) return;
  throw error;
}

function numberBytes(number: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

/** One session of the storm: its own number goes first, so that the backend knows its script. */
async function session(world: World, address: string, number: number): Promise<void> {
  const client = await world.connectResettable(address);
  await client.write(numberBytes(number));
  const script = scriptOf(number);
  const [bytes, end] = await play(client, script, number, number + 1_000_000);
  client.close();
  const server = scriptOf(number + 1_000_000);
  if (script.then === "finish" && server.then === "finish") assertEquals([bytes, end], [server.bytes, "eof"]);
}

e2e("chaos: sides that do as they please leave nothing behind and nothing unlogged", async (world) => {
  const backend = await world.backend(async (wire) => {
    const head = new DataView((await wire.readExactly(4)).buffer);
    const number = head.getUint32(0);
    const [bytes, end] = await play(wire, scriptOf(number + 1_000_000), number + 1_000_000, number);
    const client = scriptOf(number);
    if (client.then === "finish" && scriptOf(number + 1_000_000).then === "finish") {
      assertEquals([bytes, end], [client.bytes, "eof"]);
    }
  }, { resettable: true });
  const timeouts = { idle: "10s", half_close: "10s" };
  const sluice = await world.sluice(
    oneTenant([backend.address], { timeouts, limits: { max_connections: AT_ONCE + 1 } }),
  );

  const files: number[] = [];
  for (let round = 0; round < 2; round++) {
    for (let first = 0; first < SESSIONS; first += AT_ONCE) {
      const numbers = Array.from({ length: AT_ONCE }, (_, index) => round * SESSIONS + first + index);
      await Promise.all(numbers.map((number) => session(world, sluice.address(), number)));
      await sluice.waitForRecords(round * SESSIONS + first + AT_ONCE);
    }
    files.push(await openFiles(sluice.pid));
  }
  assertEquals(sluice.records().length, 2 * SESSIONS);
  const codes = new Set(sluice.records().map((record) => record.code));
  for (const code of codes) assert(["--", "CD", "SD", "CL", "SL"].includes(code), `unexpected code ${code}`);
  const [after = 0, later = 0] = files;
  assert(later <= after + 20, `files must not leak: ${after} open after one round, ${later} after two`);
  await eventually(() => backend.open === 0, { what: "the backend's sessions to end" });

  // Every place under the limit has been given back.
  const held = await Promise.all(
    Array.from({ length: AT_ONCE + 1 }, async (_, index) => {
      const client = await world.connectResettable(sluice.address());
      await client.write(numberBytes(index));
      return client;
    }),
  );
  await eventually(() => backend.accepted === 2 * SESSIONS + AT_ONCE + 1);
  for (const client of held) client.close();
}, { deadlineMs: 120_000 });
