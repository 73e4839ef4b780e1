/** What a stream through the proxy is: the same bytes, in order, whoever speaks first, however they are cut. */
import { assertEquals } from "@std/assert";
import { banner, echo, sayAndClose } from "../helpers/behaviours.ts";
import { configOf, oneTenant, tenantWith } from "../helpers/config.ts";
import { e2e } from "../helpers/world.ts";

e2e("echo: what the client sends comes back, and the session is logged as normal", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice(oneTenant([backend.address]));
  const client = await world.connect(sluice.address());
  await client.roundTrip("hello");
  await client.roundTrip("once more");
  await client.closeWrite();
  assertEquals(await client.end(), "eof");
  const record = await sluice.waitForRecord();
  assertEquals([record.code, record.reason, record.bytes_up, record.bytes_down], ["--", "ok", 14, 14]);
});

e2e("echo: a backend that speaks first is heard before the client says a word", async (world) => {
  const backend = await world.backend(banner("220 ready\r\n"));
  const sluice = await world.sluice(oneTenant([backend.address]));
  const client = await world.connect(sluice.address());
  assertEquals(await client.readText(11), "220 ready\r\n");
  await client.roundTrip("HELO");
});

e2e("echo: a client that closes without a word ends a normal session", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice(oneTenant([backend.address]));
  const client = await world.connect(sluice.address());
  await client.closeWrite();
  assertEquals(await client.end(), "eof");
  const record = await sluice.waitForRecord();
  assertEquals([record.code, record.bytes_up, record.bytes_down], ["--", 0, 0]);
});

e2e("echo: two tenants go to their own backends", async (world) => {
  const first = await world.backend(sayAndClose("acme"));
  const second = await world.backend(sayAndClose("globex"));
  const sluice = await world.sluice(configOf([
    tenantWith([first.address], { id: "acme" }),
    tenantWith([second.address], { id: "globex" }),
  ]));
  for (const tenant of ["acme", "globex"]) {
    const client = await world.connect(sluice.address(tenant));
    assertEquals((await client.readToEnd()).text, tenant);
    await client.closeWrite();
    await sluice.waitForRecord({ tenant, code: "--", bytes_down: tenant.length });
  }
});
