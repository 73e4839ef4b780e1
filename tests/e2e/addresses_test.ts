/** Every kind of address on both sides, and the client's address as the log tells it. */
import { assert, assertEquals } from "@std/assert";
import { freePortRange, ownLoopback, parseTarget } from "../helpers/address.ts";
import { banner, echo } from "../helpers/behaviours.ts";
import { oneTenant } from "../helpers/config.ts";
import type { Sluice } from "../helpers/sluice.ts";
import { e2e, type World } from "../helpers/world.ts";

async function talk(world: World, address: string): Promise<void> {
  const client = await world.connect(address);
  await client.roundTrip("over any family");
  await client.closeWrite();
  assertEquals(await client.end(), "eof");
}

function portOf(sluice: Sluice): number {
  const target = parseTarget(sluice.address());
  return target.transport === "tcp" ? target.port : 0;
}

e2e("addresses: IPv4 to IPv4", async (world) => {
  const sluice = await world.sluice(oneTenant([(await world.backend(echo)).address]));
  const client = await world.connect(sluice.address());
  const { port } = (client as unknown as { conn: Deno.TcpConn }).conn.localAddr;
  await client.roundTrip();
  client.close();
  await sluice.waitForRecord({ client: "127.0.0.1", client_port: port, code: "--" });
});

e2e("addresses: IPv6 to IPv6, and across the families", async (world) => {
  const four = await world.backend(echo);
  const six = await world.backend(echo, { hostname: "::1" });
  const sluice = await world.sluice(oneTenant([six.address, four.address], { listen: "[::1]:0" }));
  await talk(world, sluice.address());
  await talk(world, sluice.address());
  await sluice.waitForRecords(2, { client: "::1", code: "--", attempts: 1 });
  assertEquals([four.accepted, six.accepted], [1, 1]);
});

e2e("addresses: an IPv4 client of a dual-stack listener is logged as IPv4", async (world) => {
  const sluice = await world.sluice(oneTenant([(await world.backend(echo)).address], { listen: "[::]:0" }));
  const port = portOf(sluice);
  await talk(world, `127.0.0.1:${port}`);
  await sluice.waitForRecord({ client: "127.0.0.1", code: "--" });
  await talk(world, `[::1]:${port}`);
  await sluice.waitForRecord({ client: "::1", code: "--" });
});

e2e("addresses: unix sockets on both sides", async (world) => {
  const dir = await world.tempDir();
  const backend = await world.backend(echo, { path: `${dir}/backend.sock` });
  const sluice = await world.sluice(oneTenant([backend.address], { listen: `unix:${dir}/sluice.sock` }));
  assertEquals(sluice.address(), `unix:${dir}/sluice.sock`);
  for (let turn = 0; turn < 10; turn++) await talk(world, sluice.address());
  await sluice.waitForRecords(10, { code: "--", bytes_up: 15, bytes_down: 15, client_port: null });
});

e2e("addresses: a unix socket is free again after the end, and after a crash", async (world) => {
  const dir = await world.tempDir();
  const backend = await world.backend(echo);
  const config = oneTenant([backend.address], { listen: `unix:${dir}/sluice.sock` });
  for (const signal of ["SIGTERM", "SIGKILL", "SIGTERM"] as const) {
    const sluice = await world.sluice(config);
    await talk(world, sluice.address());
    await sluice.stop(signal);
  }
});

e2e("addresses: a range of ports leads to one backend", async (world) => {
  const backend = await world.backend(banner("hi"));
  const host = ownLoopback();
  const first = freePortRange(host, 4);
  const sluice = await world.sluice(oneTenant([backend.address], { listen: `${host}:${first}-${first + 3}` }));
  const addresses = [0, 1, 2, 3].map((step) => `${host}:${first + step}`);
  for (const address of addresses) {
    const client = await world.connect(address);
    assertEquals(await client.readText(2), "hi");
    client.close();
  }
  await sluice.waitForRecords(4, { listener: "in", code: "--" });
  const lines = sluice.addresses().join(" ");
  assert(lines.includes(String(first)) && lines.includes(String(first + 3)), `the range is told: ${lines}`);
});

e2e("addresses: an endpoint can be a name", async (world) => {
  const backend = await world.backend(echo);
  const target = parseTarget(backend.address);
  if (target.transport !== "tcp") throw new Error("the backend must be TCP");
  const sluice = await world.sluice(oneTenant([`localhost:${target.port}`]));
  for (let turn = 0; turn < 4; turn++) await talk(world, sluice.address());
  await sluice.waitForRecords(4, { endpoint: "a", code: "--" });
});
