/** EOF on one side is passed on after every byte before it, and the other direction goes on. */
import { assertEquals } from "@std/assert";
import { oneTenant } from "../helpers/config.ts";
import { pace } from "../helpers/eventually.ts";
import { receivePattern, sendPattern } from "../helpers/pattern.ts";
import { e2e } from "../helpers/world.ts";

const MIB = 1_048_576;

for (const endpoint of ["tcp", "unix"]) {
  e2e(`half-close: a megabyte flows to the client after its EOF (${endpoint} endpoint)`, async (world) => {
    const path = `${await world.tempDir()}/backend.sock`;
    const backend = await world.backend(undefined, endpoint === "unix" ? { path } : {});
    const sluice = await world.sluice(oneTenant([backend.address]));
    const client = await world.connect(sluice.address());
    const server = await backend.accept();
    await client.write("the question");
    await client.closeWrite();
    assertEquals((await server.readToEnd()).text, "the question");
    await Promise.all([
      sendPattern(server, 1, MIB).then(() => server.closeWrite()),
      receivePattern(client, 1).then((received) => assertEquals(received, { bytes: MIB, end: "eof" })),
    ]);
    await sluice.waitForRecord({ code: "--", reason: "ok", bytes_up: 12, bytes_down: MIB });
  });

  e2e(`half-close: a megabyte flows to the backend after its EOF (${endpoint} endpoint)`, async (world) => {
    const path = `${await world.tempDir()}/backend.sock`;
    const backend = await world.backend(undefined, endpoint === "unix" ? { path } : {});
    const sluice = await world.sluice(oneTenant([backend.address]));
    const client = await world.connect(sluice.address());
    const server = await backend.accept();
    await server.write("goodbye");
    await server.closeWrite();
    assertEquals((await client.readToEnd()).text, "goodbye");
    await Promise.all([
      sendPattern(client, 2, MIB).then(() => client.closeWrite()),
      receivePattern(server, 2).then((received) => assertEquals(received, { bytes: MIB, end: "eof" })),
    ]);
    await sluice.waitForRecord({ code: "--", reason: "ok", bytes_up: MIB, bytes_down: 7 });
  });
}

e2e("half-close: EOF right behind the data, before the connection to the endpoint stands", async (world) => {
  const hole = await world.blackHole();
  const sluice = await world.sluice(oneTenant([hole.address]));
  const client = await world.connect(sluice.address());
  await client.write("early");
  await client.closeWrite();
  await pace(100);
  const server = await hole.release();
  assertEquals(await server.readToEnd().then(({ text, end }) => [text, end]), ["early", "eof"]);
  await server.write("late");
  await server.closeWrite();
  assertEquals((await client.readToEnd()).text, "late");
  await sluice.waitForRecord({ code: "--", bytes_up: 5, bytes_down: 4, attempts: 1 });
});
