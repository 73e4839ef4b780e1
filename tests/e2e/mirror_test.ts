/** Mirrors: the shadow gets every byte of the client, the session never notices the shadow, whatever it does. */
import { assert, assertEquals } from "@std/assert";
import { refusingAddress } from "../helpers/address.ts";
import { banner, echo } from "../helpers/behaviours.ts";
import { type TenantConfig, tenantWith } from "../helpers/config.ts";
import { eventually } from "../helpers/eventually.ts";
import { Operator } from "../helpers/operator.ts";
import { checkPattern, patternAt, receivePattern, sendPattern } from "../helpers/pattern.ts";
import type { Sluice } from "../helpers/sluice.ts";
import type { Wire } from "../helpers/wire.ts";
import { e2e, type World } from "../helpers/world.ts";

const SEED = 11;

/** `acme` with the backend `out`, and a backend for each shadow, of that name. */
function tenantOf(
  out: string,
  shadows: Readonly<Record<string, string>>,
  mirror?: TenantConfig["mirror"],
): TenantConfig {
  const tenant = tenantWith([out]);
  const others = Object.entries(shadows).map(([id, address]) => ({ id, endpoints: [{ id: "s", address }] }));
  return { ...tenant, backends: [...tenant.backends, ...others], ...mirror && { mirror } };
}

/** Sends `total` bytes by pieces, each of which comes back before the next one goes. */
async function talk(client: Wire, total: number, piece: number): Promise<void> {
  for (let sent = 0; sent < total; sent += piece) {
    await client.write(patternAt(SEED, sent, piece));
    checkPattern(SEED, sent, await client.readExactly(piece));
  }
}

/** A whole session whose bytes come back: the first ones by themselves, the others as fast as they can be sent. */
async function stream(world: World, sluice: Sluice, total: number): Promise<void> {
  const client = await world.connect(sluice.address());
  const from = 100;
  await talk(client, from, from);
  const [received] = await Promise.all([
    receivePattern(client, SEED, { from }),
    sendPattern(client, SEED, total, { from }).then(() => client.closeWrite()),
  ]);
  client.close();
  assertEquals(received, { bytes: total, end: "eof" });
}

e2e("mirror: the shadow gets every byte and the end, also of what comes before it is connected", async (world) => {
  const out = await world.backend(echo);
  const heard: { bytes: number; end: string }[] = [];
  const shadow = await world.backend(async (wire) => {
    // Whatever it says goes nowhere.
    await wire.write("nobody hears this".repeat(100));
    heard.push(await receivePattern(wire, SEED));
  });
  const ops = await Operator.create();
  const sluice = await world.sluice(ops.config([tenantOf(out.address, { shadow: shadow.address })]));
  const live = await world.connect(sluice.address());
  await live.roundTrip();
  await ops.patch("acme", { mirror: { backend: "shadow" } });

  const total = 400_000;
  const client = await world.connect(sluice.address());
  await talk(client, total, 20_000);
  await client.closeWrite();
  assertEquals(await client.end(), "eof");
  await eventually(() => heard.length === 1, { what: "the end of the mirror" });
  assertEquals(heard, [{ bytes: total, end: "eof" }]);
  const record = await sluice.waitForRecord({ bytes_up: total });
  assertEquals([record.code, record.backend, record.bytes_down, record.attempts], ["--", "out", total, 1]);
  await live.roundTrip();
  assertEquals([shadow.accepted, sluice.records().length], [1, 1], "mirrors are no sessions");
});

e2e("mirror: with a server that speaks first the shadow hears the client alone", async (world) => {
  const out = await world.backend(banner("220 hi"));
  const shadow = await world.backend();
  const ops = await Operator.create();
  const mirror = { backend: "shadow", share: "100%" };
  const sluice = await world.sluice(ops.config([tenantOf(out.address, { shadow: shadow.address }, mirror)]));
  const client = await world.connect(sluice.address());
  assertEquals(await client.readText(6), "220 hi");
  await client.roundTrip("EHLO there");
  const copy = await shadow.accept();
  assertEquals(await copy.readText(10), "EHLO there");
  await client.closeWrite();
  assertEquals((await copy.readToEnd()).text, "");
  copy.close();
});

e2e(
  "mirror: one that stalls, resets, refuses or hangs does not disturb the session, nor does a change",
  async (world) => {
    const out = await world.backend(echo);
    const stalls = await world.backend();
    const resets = await world.backend((wire) => Promise.resolve(wire.reset()), { resettable: true });
    const closes = await world.backend((wire) => Promise.resolve(wire.close()));
    const hole = await world.blackHole();
    const shadows = {
      stalls: stalls.address,
      resets: resets.address,
      closes: closes.address,
      refuses: refusingAddress(),
      hangs: hole.address,
    };
    const ops = await Operator.create();
    const sluice = await world.sluice(ops.config([tenantOf(out.address, shadows)]));
    const live = await world.connect(sluice.address());
    await live.roundTrip();
    const total = 12_000_000;
    for (const backend of Object.keys(shadows)) {
      await ops.patch("acme", { mirror: { backend, share: "100%" } });
      await stream(world, sluice, total);
      await live.roundTrip();
    }
    const records = await sluice.waitForRecords(Object.keys(shadows).length, {});
    for (const record of records) {
      assertEquals([record.code, record.backend, record.bytes_up, record.bytes_down], ["--", "out", total, total]);
    }
    // The one that stalls got the first part, without a gap, and was cut.
    const copy = await stalls.accept();
    const { bytes, end } = await receivePattern(copy, SEED);
    assert(bytes > 0 && bytes < total && end === "reset", `${bytes} bytes, ${end}`);
    assert(resets.accepted >= 1 && closes.accepted >= 1);

    await sluice.reload(ops.config([tenantOf(out.address, shadows, { backend: "closes", share: "0%" })]));
    const before = closes.accepted;
    await stream(world, sluice, 1000);
    await sluice.reload(ops.config([tenantOf(out.address, shadows)]));
    await stream(world, sluice, 1000);
    assertEquals(closes.accepted, before, "of nobody");
    await live.roundTrip();
  },
);

e2e("mirror: a share of the sessions, while others are as they were", async (world) => {
  const out = await world.backend(echo);
  const shadow = await world.backend(echo);
  const ops = await Operator.create();
  const mirror = { backend: "shadow", share: "50%" };
  const sluice = await world.sluice(ops.config([tenantOf(out.address, { shadow: shadow.address }, mirror)]));
  const sessions = 200;
  for (let at = 0; at < sessions; at += 10) {
    await Promise.all(Array.from({ length: 10 }, () => stream(world, sluice, 100)));
  }
  // Five standard deviations of 7.
  await eventually(() => shadow.accepted > sessions / 2 - 35, { what: "a half of the sessions" });
  assert(shadow.accepted < sessions / 2 + 35, `a half of ${sessions}: ${shadow.accepted}`);
  assertEquals(out.accepted, sessions);
});
