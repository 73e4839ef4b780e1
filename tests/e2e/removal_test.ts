/** What a reload takes away: sessions run on where they can, are drained where what they run on is gone. */
import { assert, assertEquals } from "@std/assert";
import type { Backend } from "../helpers/backend.ts";
import { formatAddress, freePort, ownLoopback } from "../helpers/address.ts";
import { echo } from "../helpers/behaviours.ts";
import { type BackendConfig, type Config, configOf, type ListenerConfig, tenantWith } from "../helpers/config.ts";
import type { Wire } from "../helpers/wire.ts";
import { e2e, type World } from "../helpers/world.ts";

const DRAIN = "1200ms";
const DRAIN_MS = 1200;
const SLACK_MS = 2500;

/** A tenant `acme` with these listeners and backends, and a tenant `stays` that is never touched. */
function configWith(host: string, listeners: string[], backends: Record<string, (string | Backend)[]>): Config {
  const stays = tenantWith([Object.values(backends).flat().map(addressOf)[0] ?? ""], { id: "stays" });
  if (listeners.length === 0) return configOf([stays]);
  return configOf([{
    id: "acme",
    timeouts: { drain: DRAIN },
    listeners: listeners.map((text): ListenerConfig => {
      const [id = "", port = "", backend = ""] = text.split(" ");
      return { id, address: `${host}:${port}`, backend };
    }),
    backends: Object.entries(backends).map(([id, members]): BackendConfig => ({
      id,
      endpoints: members.map((member) => ({ id: idOf(addressOf(member)), address: addressOf(member) })),
    })),
  }, stays]);
}

function addressOf(member: string | Backend): string {
  return typeof member === "string" ? member : member.address;
}

/** An endpoint's id stays the same for the same address. */
function idOf(address: string): string {
  return `e${address.split(":").at(-1)}`;
}

async function liveAt(world: World, address: string): Promise<Wire> {
  const client = await world.connect(address);
  await client.roundTrip();
  return client;
}

/** The session goes on for a while, then is closed. */
async function assertDrained(client: Wire, since: number): Promise<void> {
  await client.roundTrip("while it drains");
  assertEquals(await client.end(), "eof");
  const ms = performance.now() - since;
  assert(ms >= DRAIN_MS - 50 && ms < DRAIN_MS + SLACK_MS, `closed after ${DRAIN}: ${Math.round(ms)} ms`);
}

e2e("removal: a tenant that is gone accepts nothing; its sessions drain, then close", async (world) => {
  const backend = await world.backend(echo);
  const host = ownLoopback();
  const port = freePort(host);
  const sluice = await world.sluice(configWith(host, [`in ${port} out`], { out: [backend] }));
  const [client, ending, other] = [
    await liveAt(world, formatAddress(host, port)),
    await liveAt(world, formatAddress(host, port)),
    await liveAt(world, sluice.address("stays")),
  ];
  const since = performance.now();
  await sluice.reload(configWith(host, [], { out: [backend] }));
  assert(!await world.accepts(formatAddress(host, port)));
  await ending.roundTrip();
  await ending.closeWrite();
  assertEquals(await ending.end(), "eof");
  await assertDrained(client, since);
  await sluice.waitForRecord({ tenant: "acme", code: "--", reason: "ok" });
  await sluice.waitForRecord({ tenant: "acme", listener: "in", code: "KD", reason: "drained", bytes_up: 19 });
  await other.roundTrip();
  await liveAt(world, sluice.address("stays"));
});

e2e("removal: a listener that is gone drains its own sessions and no others", async (world) => {
  const backend = await world.backend(echo);
  const host = ownLoopback();
  const [kept, gone] = [freePort(host), freePort(host)];
  const out = { out: [backend] };
  const sluice = await world.sluice(configWith(host, [`kept ${kept} out`, `gone ${gone} out`], out));
  const staying = await liveAt(world, formatAddress(host, kept));
  const leaving = await liveAt(world, formatAddress(host, gone));
  const since = performance.now();
  await sluice.reload(configWith(host, [`kept ${kept} out`], out));
  assert(!await world.accepts(formatAddress(host, gone)));
  await assertDrained(leaving, since);
  await sluice.waitForRecord({ listener: "gone", code: "KD", reason: "drained" });
  await staying.roundTrip();
  await liveAt(world, formatAddress(host, kept));
  assertEquals(sluice.matching({ listener: "kept" }), []);
});

e2e("removal: a backend that is gone drains its sessions; new ones go to the listener's new backend", async (world) => {
  const [old, fresh] = [await world.backend(echo), await world.backend(echo)];
  const host = ownLoopback();
  const port = freePort(host);
  const sluice = await world.sluice(configWith(host, [`in ${port} old`], { old: [old] }));
  const client = await liveAt(world, formatAddress(host, port));
  const since = performance.now();
  await sluice.reload(configWith(host, [`in ${port} fresh`], { fresh: [fresh] }));
  const newcomer = await liveAt(world, formatAddress(host, port));
  assertEquals(fresh.accepted, 1);
  await assertDrained(client, since);
  await sluice.waitForRecord({ backend: "old", code: "KD", reason: "drained" });
  await newcomer.roundTrip();
});

e2e("removal: sessions on an endpoint that is gone run on; new ones go elsewhere", async (world) => {
  const [old, fresh] = [await world.backend(echo), await world.backend(echo)];
  const host = ownLoopback();
  const [kept, gone] = [freePort(host), freePort(host)];
  const listeners = [`kept ${kept} out`, `gone ${gone} out`];
  const sluice = await world.sluice(configWith(host, listeners, { out: [old] }));
  const onEndpoint = await liveAt(world, formatAddress(host, kept));
  const onListener = await liveAt(world, formatAddress(host, gone));
  await sluice.reload(configWith(host, listeners.slice(0, 1), { out: [fresh] }));
  await liveAt(world, formatAddress(host, kept));
  assertEquals([old.accepted, fresh.accepted], [2, 1]);
  // The listener's session tells when the time to drain is over; the endpoint's is still there then.
  await onListener.end();
  await sluice.waitForRecord({ listener: "gone", code: "KD" });
  await onEndpoint.roundTrip();
  await onEndpoint.closeWrite();
  assertEquals(await onEndpoint.end(), "eof");
  await sluice.waitForRecord({ listener: "kept", endpoint: idOf(old.address), code: "--", reason: "ok" });
});

e2e("removal: a listener that moves is drained at the old address and served at the new one", async (world) => {
  const backend = await world.backend(echo);
  const host = ownLoopback();
  const [before, after] = [freePort(host), freePort(host)];
  const sluice = await world.sluice(configWith(host, [`in ${before} out`], { out: [backend] }));
  await liveAt(world, formatAddress(host, before));
  await sluice.reload(configWith(host, [`in ${after} out`], { out: [backend] }));
  await liveAt(world, formatAddress(host, after));
  assert(!await world.accepts(formatAddress(host, before)));
});
