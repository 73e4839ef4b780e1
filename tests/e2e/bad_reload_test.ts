/** A configuration that is wrong at SIGHUP changes nothing, and the program says why. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { formatAddress, freePort, ownLoopback, refusingAddress } from "../helpers/address.ts";
import { echo } from "../helpers/behaviours.ts";
import { type Config, oneTenant } from "../helpers/config.ts";
import type { Sluice } from "../helpers/sluice.ts";
import { e2e, type World } from "../helpers/world.ts";

async function assertUntouched(world: World, sluice: Sluice, address: string): Promise<void> {
  const client = await world.connect(address);
  await client.roundTrip();
  assertEquals(sluice.exited, undefined);
}

e2e("bad reload: broken YAML, unknown keys and wrong values keep the old configuration", async (world) => {
  const backend = await world.backend(echo);
  const good = oneTenant([backend.address]);
  const sluice = await world.sluice(good);
  const live = await world.connect(sluice.address());
  await live.roundTrip();
  const wrongs: [string, RegExp][] = [
    ["tenants: [}", /sluice\.yaml:1:\d+/],
    [JSON.stringify({ ...good, tenant: [] }, null, 1), /tenant\b/],
    [JSON.stringify({ ...good, workers: "many" }, null, 1), /workers/],
    [JSON.stringify({ ...good, tenants: [], admin: { listen: "127.0.0.1:0" } }, null, 1), /admin/],
  ];
  for (const [text, why] of wrongs) {
    const lines = sluice.output().split("\n").length;
    await sluice.reloadRefused(text);
    await sluice.waitForLine(why, 0);
    assertEquals(sluice.output().split("\n").length > lines, true);
    await live.roundTrip();
    await assertUntouched(world, sluice, sluice.address());
  }
  await sluice.reload(good);
  await live.roundTrip();
});

e2e("bad reload: an address that is taken keeps every old address and binds no new one", async (world) => {
  const backend = await world.backend(echo);
  const taken = await world.backend(echo, { hostname: ownLoopback() });
  const host = ownLoopback();
  const [kept, fresh] = [formatAddress(host, freePort(host)), formatAddress(host, freePort(host))];
  const config = (extra: [string, string][], endpoint: string): Config => {
    const base = oneTenant([endpoint], { listen: kept });
    const [acme] = base.tenants;
    if (!acme) throw new Error("unreachable: one tenant was made");
    const more = extra.map(([id, address]) => ({ id, address, backend: "out" }));
    return { ...base, tenants: [{ ...acme, listeners: [...acme.listeners, ...more] }] };
  };
  const sluice = await world.sluice(config([], backend.address));
  await sluice.reloadRefused(config([["fresh", fresh], ["taken", taken.address]], refusingAddress()));
  assertStringIncludes(sluice.output(), taken.address);
  await assertUntouched(world, sluice, kept);
  assert(!await world.accepts(fresh));
  await sluice.reload(config([["fresh", fresh]], backend.address));
  await assertUntouched(world, sluice, kept);
  await assertUntouched(world, sluice, fresh);
});

e2e("bad reload: a file that is gone keeps the old configuration", async (world) => {
  const backend = await world.backend(echo);
  const good = oneTenant([backend.address]);
  const sluice = await world.sluice(good);
  await Deno.remove(sluice.configPath);
  sluice.kill("SIGHUP");
  await sluice.waitForLine(/sluice\.yaml/, 1);
  await assertUntouched(world, sluice, sluice.address());
  await sluice.reload(good);
  await assertUntouched(world, sluice, sluice.address());
});
