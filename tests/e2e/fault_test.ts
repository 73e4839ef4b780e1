/** A tenant's own trouble: each fault, for all sessions or for some, switched while other sessions live. */
import { assert, assertEquals } from "@std/assert";
import { banner, echo } from "../helpers/behaviours.ts";
import { refusal } from "../helpers/clients.ts";
import { type TenantConfig, tenantWith } from "../helpers/config.ts";
import { Operator } from "../helpers/operator.ts";
import { isDisconnect } from "../helpers/wire.ts";
import { e2e } from "../helpers/world.ts";

type Fault = NonNullable<TenantConfig["fault"]>;

const NONE = { delay: null, delay_share: null, reset_share: null, refuse_share: null };

e2e(
  "faults: refused, reset and delayed sessions, by PATCH and by reload; those that live notice nothing",
  async (world) => {
    const backend = await world.backend(banner("hi"));
    const ops = await Operator.create();
    const tenant = tenantWith([backend.address]);
    const config = (fault: Fault | undefined) => ops.config([{ ...tenant, ...fault && { fault } }]);
    const sluice = await world.sluice(config(undefined));
    const live = await world.connect(sluice.address());
    assertEquals(await live.readText(2), "hi");

    await ops.patch("acme", { fault: { refuse_share: "100%" } });
    for (let turn = 0; turn < 5; turn++) assertEquals(await refusal(world, sluice), "eof");
    const refused = await sluice.waitForRecords(5, { code: "PC", reason: "fault" });
    assert(refused.every(({ attempts, endpoint }) => attempts === 0 && endpoint === null));
    assertEquals(backend.accepted, 1, "nobody reaches the backend");
    assertEquals(await ops.metric('sluice_sessions_refused_total{tenant="acme",reason="fault"}'), 5);
    await live.roundTrip();

    await ops.patch("acme", { fault: { ...NONE, reset_share: "100%" } });
    for (let turn = 0; turn < 5; turn++) assertEquals(await refusal(world, sluice), "reset");
    const reset = await sluice.waitForRecords(5, { code: "PD", reason: "fault" });
    assert(reset.every(({ attempts, endpoint }) => attempts === 1 && endpoint === "a"));
    await live.roundTrip();

    await ops.patch("acme", { fault: { ...NONE, delay: "400ms", delay_share: "100%" } });
    const began = performance.now();
    const delayed = await world.connect(sluice.address());
    await delayed.write("early");
    assertEquals(await delayed.readText(7), "hiearly");
    assert(performance.now() - began >= 390, "not before the delay");
    await delayed.closeWrite();
    await delayed.readToEnd();
    const record = await sluice.waitForRecord({ code: "--", bytes_up: 5 });
    assert(record.total_ms >= 400 && record.attempts === 1, `the delay counts: ${record.total_ms}`);
    assert(record.connect_ms !== null && record.connect_ms < 400, `and not as connecting: ${record.connect_ms}`);
    await live.roundTrip();

    await sluice.reload(config({ refuse_share: "100%" }));
    assertEquals(await refusal(world, sluice), "eof");
    await sluice.reload(config(undefined));
    assertEquals((await ops.get("/v1/tenants/acme")).fault, undefined);
    const after = await world.connect(sluice.address());
    assertEquals(await after.readText(2), "hi");
    await live.roundTrip();
  },
);

e2e("faults: a share is a share, each is drawn by itself, and another tenant has none", async (world) => {
  const backend = await world.backend(echo);
  const ops = await Operator.create();
  const fault = { refuse_share: "50%", reset_share: "50%" };
  const sluice = await world.sluice(
    ops.config([{ ...tenantWith([backend.address]), fault }, tenantWith([backend.address], { id: "globex" })]),
  );
  const sessions = 400;
  const outcomes = { eof: 0, reset: 0, served: 0 };
  const visit = async () => {
    try {
      const client = await world.connect(sluice.address());
      await client.write("ping").catch(() => {});
      await client.closeWrite().catch(() => {});
      const { text, end } = await client.readToEnd();
      client.close();
      outcomes[text === "ping" ? "served" : end]++;
    } catch (error) {
      if (!isDisconnect(error)) throw error;
      outcomes.reset++;
    }
  };
  for (let at = 0; at < sessions; at += 20) await Promise.all(Array.from({ length: 20 }, visit));
  await sluice.waitForRecords(sessions, { tenant: "acme" });
  const counts = ["PC", "PD", "--"].map((code) => sluice.matching({ tenant: "acme", code }).length);
  assertEquals(counts.reduce((sum, count) => sum + count), sessions, JSON.stringify(outcomes));
  // A half, and of the other half a half: five standard deviations each.
  for (const [index, share] of [0.5, 0.25, 0.25].entries()) {
    const off = Math.abs(counts[index]! - share * sessions);
    assert(off <= 5 * Math.sqrt(sessions * share * (1 - share)), `${share} of ${sessions}: ${counts}`);
  }
  assertEquals(outcomes.served, counts[2]);
  const other = await world.connect(sluice.address("globex"));
  await other.roundTrip();
});

e2e("faults: a session that is delayed is killed or leaves like any other", async (world) => {
  const backend = await world.backend(echo);
  const ops = await Operator.create();
  const tenant = { ...tenantWith([backend.address]), fault: { delay: "10m", delay_share: "100%" } };
  const sluice = await world.sluice(ops.config([tenant]));
  const [leaves, killed] = [
    await world.connectResettable(sluice.address()),
    await world.connectResettable(sluice.address()),
  ];
  await leaves.write("early");
  leaves.reset();
  await sluice.waitForRecord({ code: "CC", reason: "client_abort", attempts: 0 });
  await ops.must("DELETE", "/v1/sessions?tenant=acme");
  await killed.readToEnd();
  await sluice.waitForRecord({ code: "KC", reason: "killed", attempts: 0 });
  assertEquals(backend.accepted, 0);
});
