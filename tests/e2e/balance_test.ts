/** Which endpoint a session goes to: exact counts, over two workers, one session after the other. */
import { assert, assertEquals } from "@std/assert";
import { banner, sayAndClose } from "../helpers/behaviours.ts";
import { type EndpointConfig, oneTenant, type OneTenantOptions } from "../helpers/config.ts";
import type { Sluice } from "../helpers/sluice.ts";
import type { Wire } from "../helpers/wire.ts";
import { e2e, type World } from "../helpers/world.ts";

/** Backends that say their name; `settings` has one entry for each. */
async function named(
  world: World,
  settings: readonly Omit<EndpointConfig, "address">[],
  behaviour: typeof banner,
): Promise<EndpointConfig[]> {
  return await Promise.all(settings.map(async (rest, index) => {
    const name = String.fromCharCode(97 + index);
    return { id: name, address: (await world.backend(behaviour(name))).address, ...rest };
  }));
}

/** The endpoints of `count` sessions that come and go, one after the other, as a word. */
async function visit(world: World, sluice: Sluice, count: number): Promise<string> {
  let word = "";
  for (let turn = 0; turn < count; turn++) {
    const client = await world.connect(sluice.address());
    word += (await client.readToEnd()).text;
    client.close();
  }
  return word;
}

/** Opens `count` sessions one after the other and keeps them: which endpoint each has. */
async function hoard(world: World, sluice: Sluice, count: number): Promise<[string, Wire][]> {
  const held: [string, Wire][] = [];
  for (let turn = 0; turn < count; turn++) {
    const client = await world.connect(sluice.address());
    held.push([await client.readText(1), client]);
  }
  return held;
}

function countsOf(word: Iterable<string>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const letter of word) counts[letter] = (counts[letter] ?? 0) + 1;
  return counts;
}

async function start(
  world: World,
  settings: readonly Omit<EndpointConfig, "address">[],
  behaviour: typeof banner,
  options: OneTenantOptions = {},
): Promise<Sluice> {
  return await world.sluice(oneTenant(await named(world, settings, behaviour), options));
}

e2e("round_robin: equal weights take turns", async (world) => {
  const sluice = await start(world, [{}, {}, {}], sayAndClose);
  const word = await visit(world, sluice, 30);
  assert(/^(?:(abc)+|(bca)+|(cab)+|(acb)+|(bac)+|(cba)+)$/.test(word), `in turns: ${word}`);
});

e2e("round_robin: weights give exact and smooth shares", async (world) => {
  const sluice = await start(world, [{ weight: 5 }, { weight: 1 }, { weight: 1 }], sayAndClose);
  const word = await visit(world, sluice, 42);
  for (let at = 0; at + 7 <= word.length; at += 7) {
    assertEquals(countsOf(word.slice(at, at + 7)), { a: 5, b: 1, c: 1 }, `each cycle has its shares: ${word}`);
  }
  assert(!/aaaaa|bc|cb/.test(word), `spread over the cycle: ${word}`);
});

e2e("round_robin: a weight of 0 gets no session", async (world) => {
  const sluice = await start(world, [{ weight: 0 }, { weight: 1 }, { weight: 3 }], sayAndClose);
  assertEquals(countsOf(await visit(world, sluice, 16)), { b: 4, c: 12 });
});

e2e("least_connections: a new session goes where the fewest are", async (world) => {
  const sluice = await start(world, [{}, {}, {}], banner, { balance: "least_connections" });
  const held = await hoard(world, sluice, 9);
  assertEquals(countsOf(held.map(([name]) => name)), { a: 3, b: 3, c: 3 });
  for (const [, client] of held.filter(([name]) => name === "b")) {
    await client.closeWrite();
    await client.readToEnd();
  }
  await sluice.waitForRecords(3, { endpoint: "b", code: "--" });
  assertEquals((await hoard(world, sluice, 3)).map(([name]) => name), ["b", "b", "b"]);
});

e2e("least_connections: for its weight", async (world) => {
  const sluice = await start(world, [{ weight: 100 }, { weight: 200 }], banner, { balance: "least_connections" });
  assertEquals(countsOf((await hoard(world, sluice, 30)).map(([name]) => name)), { a: 10, b: 20 });
});

e2e("random_two: every endpoint has its share, and the one with fewer sessions wins", async (world) => {
  const sluice = await start(world, [{}, {}], banner, { balance: "random_two" });
  const held = await hoard(world, sluice, 40);
  const counts = countsOf(held.map(([name]) => name));
  assert((counts["a"] ?? 0) >= 12 && (counts["b"] ?? 0) >= 12, JSON.stringify(counts));
});

e2e("source_hash: a client stays with its endpoint, and comes back to it", async (world) => {
  const endpoints = await named(world, [{}, {}, {}], sayAndClose);
  const config = (state: (id: string) => "ready" | "drain") =>
    oneTenant(endpoints.map((one) => ({ ...one, state: state(one.id ?? "") })), { balance: "source_hash" });
  const sluice = await world.sluice(config(() => "ready"));
  const word = await visit(world, sluice, 12);
  const home = word.charAt(0);
  assertEquals(word, home.repeat(12));
  await sluice.reload(config((id) => id === home ? "drain" : "ready"));
  const elsewhere = await visit(world, sluice, 12);
  assertEquals(elsewhere, elsewhere.charAt(0).repeat(12));
  assert(!elsewhere.includes(home));
  await sluice.reload(config(() => "ready"));
  assertEquals(await visit(world, sluice, 6), home.repeat(6));
});

e2e("first: fills one endpoint after the other", async (world) => {
  const sluice = await start(world, [{ max_connections: 3 }, { max_connections: 2 }, {}], banner, { balance: "first" });
  assertEquals((await hoard(world, sluice, 7)).map(([name]) => name).join(""), "aaabbcc");
});

e2e("least_time: every endpoint is tried, and each keeps answering", async (world) => {
  const sluice = await start(world, [{}, {}], banner, { balance: "least_time" });
  const counts = countsOf((await hoard(world, sluice, 40)).map(([name]) => name));
  assert((counts["a"] ?? 0) > 0 && (counts["b"] ?? 0) > 0, JSON.stringify(counts));
});

e2e("tier: a higher one is used when every endpoint below has failed, and not when one is full", async (world) => {
  const [a, b] = await named(world, [{ max_connections: 1 }, {}], banner);
  if (a === undefined || b === undefined) throw new Error("unreachable: two were named");
  const sluice = await world.sluice(oneTenant([a, { ...b, tier: 1 }], {}));
  assertEquals((await hoard(world, sluice, 1)).map(([name]) => name), ["a"]);
  assertEquals(await (await world.connect(sluice.address())).end(), "eof");
  await sluice.waitForRecord({ code: "SC", reason: "no_endpoint", attempts: 0 });
  await sluice.reload(oneTenant([{ ...a, address: "127.0.0.1:1" }, { ...b, tier: 1 }], {}));
  assertEquals((await hoard(world, sluice, 1)).map(([name]) => name), ["b"]);
  const [, client] = (await hoard(world, sluice, 1))[0] ?? [];
  await client?.closeWrite();
  const record = await sluice.waitForRecord({ endpoint: "b", code: "--" });
  assertEquals(record.attempts, 2);
});

for (const balance of ["round_robin", "least_connections", "random_two", "least_time"] as const) {
  e2e(`endpoint max_connections: bounds an endpoint and gives back (${balance})`, async (world) => {
    const sluice = await start(world, [{ max_connections: 2 }, { max_connections: 4 }], banner, { balance });
    const held = await hoard(world, sluice, 6);
    assertEquals(countsOf(held.map(([name]) => name)), { a: 2, b: 4 });

    assertEquals(await (await world.connect(sluice.address())).end(), "eof");
    const refused = await sluice.waitForRecord();
    assertEquals([refused.code, refused.reason, refused.attempts], ["SC", "no_endpoint", 0]);
    assertEquals([refused.backend, refused.endpoint, refused.connect_ms], ["out", null, null]);

    const [, leaver] = held.find(([name]) => name === "a") ?? [];
    await leaver?.closeWrite();
    await sluice.waitForRecord({ code: "--", endpoint: "a" });
    assertEquals((await hoard(world, sluice, 1)).map(([name]) => name), ["a"]);
  });
}

e2e("endpoint max_connections: a storm leaves the count exact", async (world) => {
  const sluice = await start(world, [{ max_connections: 5 }], banner);
  await Promise.all(
    Array.from({ length: 300 }, async () => {
      const client = await world.connect(sluice.address());
      await client.closeWrite().catch(() => {});
      await client.readToEnd();
      client.close();
    }),
  );
  await sluice.waitForRecords(300);
  assertEquals((await hoard(world, sluice, 5)).length, 5);
  assertEquals(await (await world.connect(sluice.address())).end(), "eof");
  await sluice.waitForRecord((record) => record.reason === "no_endpoint");
});
