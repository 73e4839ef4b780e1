/** Signals: drain, close what is left after the grace, exit 0; a second signal exits at once. */
import { assert, assertEquals } from "@std/assert";
import { formatAddress, freePort, ownLoopback } from "../helpers/address.ts";
import { echo } from "../helpers/behaviours.ts";
import { type Config, oneTenant } from "../helpers/config.ts";
import { eventually } from "../helpers/eventually.ts";
import { receivePattern, receivePatternBytes, sendPattern } from "../helpers/pattern.ts";
import { e2e } from "../helpers/world.ts";

function configWith(endpoint: string, grace: string): [Config, string] {
  const host = ownLoopback();
  const listen = formatAddress(host, freePort(host));
  return [oneTenant([endpoint], { listen }, { shutdown: { grace } }), listen];
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  e2e(`shutdown: ${signal} without sessions exits 0`, async (world) => {
    const [config] = configWith((await world.backend(echo)).address, "30s");
    const sluice = await world.sluice(config);
    const start = performance.now();
    assertEquals(await sluice.stop(signal), { code: 0, signal: null });
    assert(performance.now() - start < 5000, "without waiting for the grace");
  });

  e2e(`shutdown: ${signal} refuses new sessions, lets live ones end, then exits 0`, async (world) => {
    const [config, address] = configWith((await world.backend(echo)).address, "60s");
    const sluice = await world.sluice(config);
    const live = await world.connect(address);
    await live.roundTrip();
    sluice.kill(signal);
    await eventually(async () => !await world.accepts(address));
    await live.roundTrip("still here");
    await live.closeWrite();
    assertEquals(await live.end(), "eof");
    assertEquals(await sluice.exit(), { code: 0, signal: null });
    assertEquals(sluice.matching({ code: "--", reason: "ok", bytes_up: 14 }).length, 1);
  });
}

e2e("shutdown: what still runs after the grace is closed as drained, and exit is 0", async (world) => {
  const [config, address] = configWith((await world.backend(echo)).address, "800ms");
  const sluice = await world.sluice(config);
  const live = await world.connect(address);
  await live.roundTrip();
  const start = performance.now();
  sluice.kill("SIGTERM");
  assertEquals(await live.end(), "eof");
  const ms = performance.now() - start;
  assert(ms >= 750 && ms < 5000, `closed after the grace: ${Math.round(ms)} ms`);
  assertEquals(await sluice.exit(), { code: 0, signal: null });
  assertEquals(sluice.matching({ code: "KD", reason: "drained", bytes_up: 4, bytes_down: 4 }).length, 1);
});

e2e("shutdown: a transfer under way is finished to the last byte", async (world) => {
  const [config, address] = configWith(
    (await world.backend((wire) => sendPattern(wire, 11, 30_000_000))).address,
    "60s",
  );
  const sluice = await world.sluice(config);
  const client = await world.connect(address);
  await receivePatternBytes(client, 11, 100_000);
  sluice.kill("SIGTERM");
  await eventually(async () => !await world.accepts(address));
  assertEquals(await receivePattern(client, 11, { from: 100_000 }), { bytes: 30_000_000, end: "eof" });
  client.close();
  assertEquals((await sluice.exit()).code, 0);
});

e2e("shutdown: a second signal exits at once", async (world) => {
  const [config, address] = configWith((await world.backend(echo)).address, "10m");
  const sluice = await world.sluice(config);
  const live = await world.connect(address);
  await live.roundTrip();
  sluice.kill("SIGTERM");
  await eventually(async () => !await world.accepts(address));
  assertEquals(sluice.exited, undefined);
  sluice.kill("SIGTERM");
  assertEquals(await sluice.exit(5000), { code: 1, signal: null });
});

e2e("shutdown: SIGTERM during a reload storm ends it", async (world) => {
  const [config] = configWith((await world.backend(echo)).address, "1s");
  const sluice = await world.sluice(config);
  for (let turn = 0; turn < 20; turn++) sluice.kill("SIGHUP");
  assertEquals(await sluice.stop("SIGTERM"), { code: 0, signal: null });
});
