/** Bytes that nobody should send to a shared listener: every session has one end with a code, and others go on. */
import { assert, assertEquals } from "@std/assert";
import { echo } from "../helpers/behaviours.ts";
import { damagedHello, makeHello, recordedHellos } from "../helpers/hello.ts";
import { proxyV1, proxyV2 } from "../helpers/proxy_header.ts";
import { Random } from "../helpers/random.ts";
import { EDGE, edgeConfig, edgeOf, hail, routedTenant } from "../helpers/routing.ts";
import type { Sluice } from "../helpers/sluice.ts";
import { isDisconnect, type Wire } from "../helpers/wire.ts";
import { e2e, type World } from "../helpers/world.ts";

const SEED = 20_261_125;
const CLIENTS = 1500;
const AT_ONCE = 50;

/** How a session may end whose client sends once, says that this was all, and waits. */
const ENDS: Readonly<Record<string, readonly string[]>> = {
  served: ["-- ok"],
  // A refused client may find out by a reset: what it sent was not read.
  not: ["PR bad_client_hello", "PR bad_proxy_header", "CR client_abort"],
};

function randomBytes(random: Random): Uint8Array {
  const bytes = Uint8Array.from({ length: 1 + random.below(3000) }, () => random.below(256));
  // Half of them begin like a handshake, and so get further.
  return random.below(2) === 0 ? bytes : new Uint8Array([22, 3, random.below(5), ...bytes]);
}

/** Sends one client's bytes; what came back must be all of them, or nothing. Tells whether it was served. */
async function send(world: World, sluice: Sluice, bytes: Uint8Array, payload: Uint8Array): Promise<boolean> {
  const client: Wire = await world.connect(edgeOf(sluice));
  try {
    await client.write(bytes);
    await client.closeWrite();
    const got = (await client.readToEnd()).bytes;
    if (got.length > 0) assertEquals(got, payload);
    return got.length > 0;
  } catch (error) {
    if (isDisconnect(error)) return false;
    throw error;
  } finally {
    client.close();
  }
}

/** Sends what `make` makes from many clients, and holds the records against what they saw. */
async function sendMany(
  world: World,
  sluice: Sluice,
  make: () => { readonly bytes: Uint8Array; readonly payload: Uint8Array },
): Promise<void> {
  let served = 0;
  for (let done = 0; done < CLIENTS; done += AT_ONCE) {
    const batch = Array.from({ length: AT_ONCE }, make);
    const results = await Promise.all(batch.map(({ bytes, payload }) => send(world, sluice, bytes, payload)));
    served += results.filter(Boolean).length;
  }
  const records = await sluice.waitForRecords(CLIENTS);
  assertEquals(records.length, CLIENTS);
  const known = new Set(Object.values(ENDS).flat());
  assertEquals(records.filter(({ code, reason }) => !known.has(`${code} ${reason}`)), []);
  assertEquals(records.filter(({ code, reason }) => ENDS.served!.includes(`${code} ${reason}`)).length, served);
  assert(served > 0 && served < CLIENTS, `${served} were served`);
  assertEquals(sluice.exited, undefined);
}

e2e("random: hellos with changed bytes, and bytes without sense", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice(edgeConfig([
    routedTenant("acme", backend.address, [{ sni: ["*.example"] }]),
    routedTenant("rest", backend.address, [{ default: true }]),
  ]));
  const random = new Random(SEED);
  const hellos = recordedHellos();
  await sendMany(world, sluice, () => {
    const bytes = random.below(2) === 0 ? damagedHello(random, hellos) : randomBytes(random);
    return { bytes, payload: bytes };
  });
  const { client, hello } = await hail(world, sluice, { serverName: "acme.example" });
  assertEquals(await client.readExactly(hello.length), hello);
}, { deadlineMs: 120_000 });

e2e("random: PROXY headers with changed bytes before a hello", async (world) => {
  const backend = await world.backend(echo);
  const listeners = [{ ...EDGE, proxy_protocol: { accept: "required" as const, trusted: ["127.0.0.0/8"] } }];
  const sluice = await world.sluice(edgeConfig([routedTenant("acme", backend.address, [{ default: true }])], {
    listeners,
  }));
  const random = new Random(SEED);
  const hello = makeHello({ serverName: "acme.example" });
  const pair = { source: "192.0.2.7", sourcePort: 4711, destination: "198.51.100.1", destinationPort: 443 };
  const headers = [proxyV1(pair), proxyV2(pair), proxyV2(pair, { tlvs: [{ type: 4, value: new Uint8Array(40) }] })];
  await sendMany(world, sluice, () => {
    const header = new Uint8Array(random.pick(headers));
    for (let changes = random.below(3); changes > 0; changes--) header[random.below(header.length)] = random.below(256);
    return { bytes: new Uint8Array([...header, ...hello]), payload: hello };
  });
}, { deadlineMs: 120_000 });
