/** Limits on the rate of new sessions: a bucket that starts full, is exact over all workers, and fills with time. */
import { assert, assertEquals } from "@std/assert";
import { banner } from "../helpers/behaviours.ts";
import { enter, knock, refusal, storm } from "../helpers/clients.ts";
import { oneTenant } from "../helpers/config.ts";
import { eventually } from "../helpers/eventually.ts";
import { Operator } from "../helpers/operator.ts";
import { e2e } from "../helpers/world.ts";

/** A rate at which no test sees a token come: one in a thousand seconds. */
const HARDLY = "0.001/s";

for (const on_limit of ["close", "reset"] as const) {
  e2e(`rate: its burst comes at once; what is beyond it is refused by ${on_limit}`, async (world) => {
    const backend = await world.backend(banner("hi"));
    const limits = { connection_rate: { rate: HARDLY, burst: 5 }, on_limit };
    const sluice = await world.sluice(oneTenant([backend.address], { limits }));
    for (let turn = 0; turn < 5; turn++) (await enter(world, sluice)).close();
    await sluice.waitForRecords(5, { code: "--" });
    for (let turn = 0; turn < 3; turn++) {
      assertEquals(await refusal(world, sluice), on_limit === "close" ? "eof" : "reset");
    }
    const [record] = await sluice.waitForRecords(3, { code: "PR", reason: "tenant_rate" });
    assertEquals([record?.tenant, record?.listener, record?.endpoint, record?.attempts], ["acme", "in", null, 0]);
    assertEquals(backend.accepted, 5, "a refused client never touches the backend");
  });
}

e2e("rate: a storm gets exactly the burst, over all workers", async (world) => {
  const backend = await world.backend(banner("hi"));
  const sluice = await world.sluice(
    oneTenant([backend.address], { limits: { connection_rate: { rate: HARDLY, burst: 100 } } }),
  );
  assertEquals(await storm(world, sluice, 300), 100);
  await sluice.waitForRecords(300);
  assertEquals(sluice.matching({ code: "PR", reason: "tenant_rate" }).length, 200);
  assertEquals(backend.accepted, 100);
});

e2e("rate: tokens come with time, and never more than burst + rate × time", async (world) => {
  const backend = await world.backend(banner("hi"));
  const [ratePerS, burst] = [20, 3];
  const limits = { connection_rate: { rate: `${ratePerS}/s`, burst } };
  const sluice = await world.sluice(oneTenant([backend.address], { limits }));
  const start = performance.now();
  let refused = 0;
  for (let served = 0; served < burst + 20;) {
    const client = await knock(world, sluice);
    const got = await client.readInto(new Uint8Array(2));
    client.close();
    if (typeof got !== "number") {
      refused++;
      continue;
    }
    served++;
    // A hundredth more: its clock counts parts of a session.
    const most = burst + ratePerS * (performance.now() - start) / 1000 + 0.01;
    assert(served <= most, `${served} served where ${most} may be`);
  }
  // A machine that needs a twentieth of a second for a session is refused nothing.
  await sluice.waitForRecords(burst + 20, { code: "--" });
  await sluice.waitForRecords(refused, { code: "PR", reason: "tenant_rate" });
});

e2e("rate: 0 lets nothing through, whatever its burst", async (world) => {
  const backend = await world.backend(banner("hi"));
  const limits = { connection_rate: { rate: "0/s", burst: 10 } };
  const sluice = await world.sluice(oneTenant([backend.address], { limits }));
  for (let turn = 0; turn < 3; turn++) assertEquals(await refusal(world, sluice), "eof");
  await sluice.waitForRecords(3, { code: "PR", reason: "tenant_rate" });
  assertEquals(backend.accepted, 0);
});

e2e("rate: a burst that is left out is what a second gives", async (world) => {
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const burstOf = async (rate: string): Promise<number> => {
    await operator.patch("acme", { limits: { connection_rate: { rate } } });
    return (await operator.status()).limits.connection_rate.limit;
  };
  await world.sluice(operator.config(oneTenant([backend.address]).tenants));
  assertEquals(await Promise.all([await burstOf("12/s"), await burstOf("1.5/s"), await burstOf(HARDLY)]), [12, 2, 1]);
  assertEquals(await burstOf("0/s"), 0);
});

e2e("rate: a session that never tries to connect uses no token", async (world) => {
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const endpoint = { address: backend.address, max_connections: 1 };
  const limits = { connection_rate: { rate: HARDLY, burst: 3 } };
  const sluice = await world.sluice(operator.config(oneTenant([endpoint], { limits }).tenants));
  const held = await enter(world, sluice);
  for (let turn = 0; turn < 5; turn++) assertEquals(await refusal(world, sluice), "eof");
  await sluice.waitForRecords(5, { code: "SC", reason: "no_endpoint", attempts: 0 });
  await eventually(async () => (await operator.status()).limits.connection_rate.left === 2);
  held.close();
  await sluice.waitForRecord({ code: "--" });
  for (let turn = 0; turn < 2; turn++) {
    (await enter(world, sluice)).close();
    await sluice.waitForRecords(turn + 2, { code: "--" });
  }
  await refusal(world, sluice);
  await sluice.waitForRecord({ code: "PR", reason: "tenant_rate" });
});
