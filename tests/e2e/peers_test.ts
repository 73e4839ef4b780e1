/**
 * The scripted peers against each other, without a proxy between: what the end-to-end tests take for granted.
 *
 * @module
 */
import { assertEquals, assertRejects } from "@std/assert";
import { refusingAddress } from "../helpers/address.ts";
import { banner, echo, sayAndClose } from "../helpers/behaviours.ts";
import { pace } from "../helpers/eventually.ts";
import { checkPattern, patternAt, receivePattern, sendPattern } from "../helpers/pattern.ts";
import { PeerProgram } from "../helpers/peer.ts";
import { DenoWire } from "../helpers/wire.ts";
import { e2e } from "../helpers/world.ts";

e2e("peer: echo and banner", async (world) => {
  const wire = await world.connect((await world.backend(echo)).address);
  await wire.roundTrip();
  await wire.closeWrite();
  assertEquals(await wire.end(), "eof");
  const second = await world.connect((await world.backend(banner("hello"))).address);
  assertEquals(await second.readText(5), "hello");
  await second.roundTrip();
});

e2e("peer: a client's reset is seen as one, by a plain and by a resettable backend", async (world) => {
  for (const resettable of [false, true]) {
    const backend = await world.backend(undefined, { resettable });
    const client = await world.connectResettable(backend.address);
    const server = await backend.accept();
    await client.write("x");
    assertEquals(await server.readText(1), "x");
    client.reset();
    assertEquals(await server.end(), "reset");
  }
});

e2e("peer: a backend's reset is seen as one, also after FIN", async (world) => {
  const backend = await world.backend(undefined, { resettable: true });
  for (const halfClosed of [false, true]) {
    const client = await world.connect(backend.address);
    const server = await backend.accept();
    await client.write("x");
    if (halfClosed) await client.closeWrite();
    assertEquals(await server.readText(1), "x");
    server.reset();
    assertEquals(await client.end(), "reset");
  }
});

e2e("peer: a resettable wire closes orderly, half and whole", async (world) => {
  const backend = await world.backend(undefined, { resettable: true });
  const client = await world.connectResettable(backend.address);
  const server = await backend.accept();
  await client.write("to the end");
  await client.closeWrite();
  assertEquals((await server.readToEnd()).text, "to the end");
  await server.write("and back");
  server.close();
  assertEquals(await client.readToEnd().then(({ text, end }) => [text, end]), ["and back", "eof"]);
});

e2e("peer: a pattern is checked to the byte", async (world) => {
  const backend = await world.backend((wire) => sendPattern(wire, 7, 3_000_000));
  const client = await world.connect(backend.address);
  assertEquals(await receivePattern(client, 7), { bytes: 3_000_000, end: "eof" });
  const wrong = patternAt(7, 100, 50).slice();
  wrong[49] = (wrong[49] ?? 0) ^ 1;
  await assertRejects(() => Promise.resolve().then(() => checkPattern(7, 100, wrong)), Error, "Byte 149 of stream 7");
  await assertRejects(() => Promise.resolve().then(() => checkPattern(7, 65_636, patternAt(7, 100, 50))), Error);
});

e2e("peer: a refusing address refuses, a black hole lets connects hang until it is released", async (world) => {
  await assertRejects(() => world.connect(refusingAddress()), Deno.errors.ConnectionRefused);
  const hole = await world.blackHole();
  const connecting = world.connect(hole.address);
  const first = await Promise.race([connecting.then(() => "connected"), pace(300).then(() => "hangs")]);
  assertEquals(first, "hangs");
  const released = await hole.release();
  await released.write("at last");
  assertEquals(await (await connecting).readText(7), "at last");
});

e2e("peer: unix sockets", async (world) => {
  const path = `${await world.tempDir()}/peer.sock`;
  await world.backend(sayAndClose("unix"), { path });
  const wire = await world.connect(`unix:${path}`);
  assertEquals((await wire.readToEnd()).text, "unix");
});

e2e("peer: herd and source with small buffers", async (world) => {
  const source = world.use(await PeerProgram.start("source", "127.0.0.1", 100_000, 1000, 8192));
  const [port = ""] = await source.answer("listening");
  const herd = world.use(await PeerProgram.start("herd", "127.0.0.1", port, 20, 1000, 4096));
  assertEquals(await herd.answer("open"), ["20"]);
  await herd.tell("read");
  assertEquals(await herd.answer("read"), ["20", "2000000", "0", "0"]);
});

e2e("peer: urgent data reaches a reader out of line, so that a plain reader misses it", async (world) => {
  const backend = await world.backend(undefined);
  const [host = "", port = ""] = backend.address.split(":");
  const peer = world.use(await PeerProgram.start("urgent", host, port));
  const wire = await backend.accept();
  assertEquals((await wire.readToEnd()).text, "abde");
  await wire.write("x");
  wire.close();
  assertEquals(await peer.answer("got"), ["x"]);
  assertEquals(wire instanceof DenoWire, true);
});
