/** Hellos of real clients in any pieces and any records: the route is theirs, and the backend gets the same bytes. */
import { assert, assertEquals } from "@std/assert";
import { echo } from "../helpers/behaviours.ts";
import type { Config } from "../helpers/config.ts";
import { makeHello, recordedHellos, splitRecords } from "../helpers/hello.ts";
import { Random } from "../helpers/random.ts";
import { edgeConfig, edgeOf, routedTenant } from "../helpers/routing.ts";
import type { Sluice } from "../helpers/sluice.ts";
import type { Wire } from "../helpers/wire.ts";
import { e2e, type World } from "../helpers/world.ts";

/** Connections at once. */
const BATCH = 200;
const SEED = 20_261_124;
/** What a client sends at once behind its hello. */
const BEHIND = new TextEncoder().encode("\x17\x03\x03\x00\x10 data behind it");

/** One worker: what it has answered says that it has seen what was sent before. */
function config(backend: string): Config {
  return edgeConfig([
    routedTenant("acme", backend, [{ sni: ["*.example", "localhost"] }]),
    routedTenant("rest", backend, [{ default: true }]),
  ], { workers: 1 });
}

/** Returns when the worker has looked at everything that was sent before, new connections with it. */
async function untilSeen(world: World, sluice: Sluice): Promise<void> {
  const hello = makeHello({ serverName: "barrier.example" });
  const client = await world.connect(edgeOf(sluice));
  await client.write(hello);
  await client.readExactly(hello.length);
  client.close();
}

/** A stream, and where the worker shall see it end for a while. */
interface Parcel {
  readonly what: string;
  readonly bytes: Uint8Array;
  readonly cut: number;
}

/** Sends every parcel in its two pieces, and expects its bytes back and no others. */
async function sendInPieces(world: World, sluice: Sluice, parcels: readonly Parcel[]): Promise<void> {
  for (let first = 0; first < parcels.length; first += BATCH) {
    const batch = parcels.slice(first, first + BATCH);
    const clients = await Promise.all(batch.map(async ({ bytes, cut }) => {
      const client = await world.connect(edgeOf(sluice));
      await client.write(bytes.subarray(0, cut));
      return client;
    }));
    await untilSeen(world, sluice);
    await Promise.all(batch.map(async ({ what, bytes, cut }, index) => {
      const client = clients[index]!;
      await client.write(bytes.subarray(cut));
      await client.closeWrite();
      const got = (await client.readToEnd()).bytes;
      if (got.length !== bytes.length || got.some((byte, at) => byte !== bytes[at])) {
        assertEquals(got, bytes, `${what}, cut at ${cut}`);
      }
      client.close();
    }));
  }
}

e2e("hellos: cut in two at every byte, every other one with data behind it", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice(config(backend.address));
  const hellos = recordedHellos();
  const parcels = hellos.flatMap(({ name, bytes }) =>
    Array.from({ length: bytes.length }, (_, cut) => ({
      what: name,
      bytes: cut % 2 === 0 ? bytes : new Uint8Array([...bytes, ...BEHIND]),
      cut,
    }))
  );
  await sendInPieces(world, sluice, parcels);
  const barriers = Math.ceil(parcels.length / BATCH);
  await sluice.waitForRecords(parcels.length + barriers, { code: "--" });
  assertEquals(sluice.records().length, parcels.length + barriers);
  for (const { name, bytes, serverName } of hellos) {
    const same = hellos.filter((one) => one.serverName === serverName && one.bytes.length === bytes.length).length;
    const whole = sluice.matching({ server_name: serverName, bytes_up: bytes.length }).length;
    assert(whole >= Math.ceil(bytes.length / 2) * same, `${name}: ${whole}`);
  }
}, { deadlineMs: 240_000 });

// A hello has five seconds, on a busy machine too: long ones come a few bytes at a time.
const MOST_PIECES = 350;

e2e("hellos: byte by byte", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice(config(backend.address));
  const hellos = recordedHellos();
  const clients = await Promise.all(hellos.map(() => world.connect(edgeOf(sluice))));
  const kept = await world.connect(edgeOf(sluice));
  const first = makeHello({ serverName: "barrier.example" });
  await kept.write(first);
  await kept.readExactly(first.length);
  for (let piece = 0; piece < MOST_PIECES; piece++) {
    await Promise.all(hellos.map(async ({ bytes }, index) => {
      const size = Math.ceil(bytes.length / MOST_PIECES);
      const part = bytes.subarray(piece * size, (piece + 1) * size);
      if (part.length > 0) await clients[index]!.write(part);
    }));
    await kept.roundTrip("x");
  }
  for (const [index, { name, bytes, serverName }] of hellos.entries()) {
    const client: Wire = clients[index]!;
    assertEquals(await client.readExactly(bytes.length), bytes, name);
    await client.closeWrite();
    assertEquals(await client.end(), "eof", name);
    await sluice.waitForRecord({ server_name: serverName, bytes_up: bytes.length, code: "--" });
  }
}, { deadlineMs: 120_000 });

e2e("hellos: over many records, whole or cut anywhere", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice(config(backend.address));
  const random = new Random(SEED);
  const parcels = recordedHellos().flatMap(({ name, bytes }) => {
    const even = [1, 2, 3, 4, 5, 64, 255, 512].map((size) => [`${size}`, splitRecords(bytes, () => size)] as const);
    const odd = Array.from({ length: 8 }, () => ["any", splitRecords(bytes, () => 1 + random.below(300))] as const);
    return [...even, ...odd].flatMap(([size, stream]) => {
      const whole = new Uint8Array([...stream, ...BEHIND]);
      const cuts = [0, ...Array.from({ length: 6 }, () => 1 + random.below(stream.length - 1))];
      return cuts.map((cut) => ({ what: `${name} in records of ${size}`, bytes: whole, cut }));
    });
  });
  await sendInPieces(world, sluice, parcels);
  for (const { name, bytes, serverName } of recordedHellos()) {
    const stream = splitRecords(bytes, () => 64);
    const [record] = await sluice.waitForRecords(7, {
      server_name: serverName,
      bytes_up: stream.length + BEHIND.length,
    });
    assertEquals(record?.tenant, /\.example$|^localhost$/.test(serverName ?? "") ? "acme" : "rest", name);
  }
  assertEquals(sluice.matching(({ code }) => code !== "--"), []);
}, { deadlineMs: 120_000 });
