/** Shares of many sessions, over two workers: by weight within 1 %, by client address with hardly anybody moved. */
import { assert, assertEquals } from "@std/assert";
import type { BackendConfig, ListenerConfig, TenantConfig } from "../helpers/config.ts";
import { configOf } from "../helpers/config.ts";
import { Crowd, movedBetween, tally } from "../helpers/crowd.ts";
import { e2e } from "../helpers/world.ts";

const SESSIONS = 10_000;
/** The first clients of those who come with headers. */
const FEW = 500;

/** A listener for each backend, of the same name. */
function tenantOf(backends: readonly BackendConfig[], rest: Partial<ListenerConfig> = {}): TenantConfig {
  return {
    id: "acme",
    listeners: backends.map(({ id }) => ({ id, address: "127.0.0.1:0", backend: id, ...rest })),
    backends,
  };
}

const TRUSTING = { proxy_protocol: { accept: "required", trusted: ["127.0.0.0/8"] } } as const;

/** Each letter has its share of all sessions, give or take so much of them. */
function assertShares(word: string, shares: Readonly<Record<string, number>>, slack = 0.01): void {
  const counts = tally(word);
  assertEquals(Object.keys(counts).sort(), Object.keys(shares).sort(), "nobody else, and nobody without a backend");
  for (const [letter, share] of Object.entries(shares)) {
    const off = Math.abs((counts[letter] ?? 0) - share * word.length);
    assert(off <= slack * word.length, `${letter} has ${share} of ${word.length}: ${JSON.stringify(counts)}`);
  }
}

e2e(
  "shares: by weight, within 1 % of 10,000 sessions in turns, as chance has it when they are drawn",
  async (world) => {
    const crowd = world.use(await Crowd.start(4));
    const endpoints = crowd.weighing(4, 3, 2, 1);
    const shares = { a: 0.4, b: 0.3, c: 0.2, d: 0.1 };
    const sluice = await world.sluice(configOf([tenantOf([
      { id: "turns", balance: "round_robin", endpoints },
      { id: "two", balance: "random_two", endpoints },
    ])]));
    assertShares(await crowd.visit(sluice.address("acme", "turns"), SESSIONS), shares);
    // Five standard deviations of the largest share: once in a million runs.
    const two = sluice.address("acme", "two");
    assertShares(await crowd.visit(two, SESSIONS / 2), shares, 5 * Math.sqrt(0.24 / (SESSIONS / 2)));
    // Those that stay are load: of two that are drawn the one with less has the next session, and chance is evened out.
    assertShares(await crowd.visit(two, 1_000, { stays: true }), shares);
  },
);

e2e("shares: source_hash moves the clients of an endpoint that goes, and hardly any others", async (world) => {
  const crowd = world.use(await Crowd.start(5));
  const clients = 2_500;
  const all = crowd.weighing(1, 1, 1, 1, 1);
  const config = (endpoints: typeof all) =>
    configOf([tenantOf([{ id: "in", balance: "source_hash", endpoints }], TRUSTING)]);
  const sluice = await world.sluice(config(all));
  const visit = (count = clients) => crowd.visit(sluice.address(), count, { hails: true });

  const before = await visit();
  assertEquals(await visit(FEW), before.slice(0, FEW), "each client comes back to its own");
  const counts = tally(before);
  for (const { id = "" } of all) assert(Math.abs(counts[id]! / clients - 0.2) < 0.04, JSON.stringify(counts));

  await sluice.reload(config(all.filter(({ id }) => id !== "c")));
  const without = await visit();
  const moved = movedBetween(before, without);
  assert(!/[c-]/.test(without), "everybody has another one");
  // Which endpoint is whose changes with the ports, so a fifth is what this one really had.
  assert(moved <= counts["c"]! + clients / 100, `its own and 1 %: ${moved} of ${clients}, ${counts["c"]} its own`);

  await sluice.reload(config(all.map((one) => one.id === "c" ? { ...one, state: "drain" } : one)));
  assertEquals(await visit(FEW), without.slice(0, FEW), "away by hand is away");
  await sluice.reload(config(all));
  assertEquals(await visit(FEW), before.slice(0, FEW), "all are back");
});

e2e(
  "shares: a split is within 1 % of 10,000 addresses, and sticky; its last part only gains when it grows",
  async (world) => {
    const crowd = world.use(await Crowd.start(2));
    const [stable, canary] = crowd.weighing(1, 1);
    const config = (share: number) =>
      configOf([tenantOf([
        { id: "in", split: [{ backend: "v1", weight: 100 - share }, { backend: "v2", weight: share }] },
        { id: "v1", endpoints: [stable!] },
        { id: "v2", endpoints: [canary!] },
      ], TRUSTING)]);
    const sluice = await world.sluice(config(5));
    const visit = (count: number) => crowd.visit(sluice.address(), count, { hails: true });

    const before = await visit(SESSIONS);
    assertShares(before, { a: 0.95, b: 0.05 });
    assertEquals(await visit(FEW), before.slice(0, FEW), "the same part for each address");

    await sluice.reload(config(30));
    const after = await visit(SESSIONS);
    assertShares(after, { a: 0.7, b: 0.3 });
    const left = [...before].filter((letter, index) => letter === "b" && after[index] !== "b").length;
    assertEquals(left, 0, "whoever is in the last part stays in it");
    await sluice.reload(config(5));
    assertEquals(await visit(FEW), before.slice(0, FEW), "back where it was");
  },
);
