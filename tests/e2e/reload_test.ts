/** A hundred changing configurations under load: no session lost, no connection refused. */
import { assert, assertEquals } from "@std/assert";
import { formatAddress, freePort, freePortRange, ownLoopback } from "../helpers/address.ts";
import { echo } from "../helpers/behaviours.ts";
import { type Config, configOf, type TenantConfig } from "../helpers/config.ts";
import { patternAt, receivePattern } from "../helpers/pattern.ts";
import { e2e, type World } from "../helpers/world.ts";

const RELOADS = 100;
const LIVE = 20;
const CHUNK = 65_536;

e2e("reload: 100 changing configurations under load", async (world) => {
  const [first, second, third] = [await world.backend(echo), await world.backend(echo), await world.backend(echo)];
  const host = ownLoopback();
  const main = formatAddress(host, freePort(host));
  const range = freePortRange(host, 4);
  const extraHost = ownLoopback();
  const extra = formatAddress(extraHost, freePort(extraHost));

  /** The configuration of turn `turn`: what `acme/in` runs on stays, all else comes, changes and goes. */
  const configAt = (turn: number): Config => {
    const acme: TenantConfig = {
      id: "acme",
      limits: { max_connections: 1000 + turn },
      timeouts: { idle: `${600 + turn}s`, drain: "60s" },
      listeners: [
        { id: "in", address: main, backend: turn % 4 < 2 ? "out" : "other" },
        ...(turn % 2 === 0 ? [{ id: "extra", address: extra, backend: "other" }] : []),
        ...(turn % 5 === 0 ? [{ id: "ports", address: `${host}:${range}-${range + turn % 4}`, backend: "out" }] : []),
      ],
      backends: [
        {
          id: "out",
          balance: turn % 3 === 0 ? "least_connections" : "round_robin",
          endpoints: [
            { id: "a", address: first.address, weight: 1 + turn % 7 },
            ...(turn % 2 === 0 ? [{ id: "b", address: second.address }] : []),
          ],
        },
        { id: "other", endpoints: [{ id: "c", address: third.address, max_connections: 5000 + turn }] },
      ],
    };
    const guest: TenantConfig = {
      id: `guest-${turn % 6}`,
      listeners: [{ id: "in", address: "127.0.0.1:0", backend: "out" }],
      backends: [{ id: "out", endpoints: [{ id: "a", address: first.address }] }],
    };
    return configOf(turn % 3 === 1 ? [acme] : [acme, guest], { limits: { max_connections: 50_000 + turn } });
  };

  const sluice = await world.sluice(configAt(0));
  let going = true;

  const live = Array.from({ length: LIVE }, async () => {
    const client = await world.connect(main);
    let turns = 0;
    for (; going; turns++) await client.roundTrip(`turn ${turns}`);
    await client.closeWrite();
    assertEquals(await client.end(), "eof");
    return turns;
  });
  const stream = async (): Promise<number> => {
    const client = await world.connect(main);
    const send = async (): Promise<number> => {
      let sent = 0;
      for (; going; sent += CHUNK) await client.write(patternAt(9, sent, CHUNK));
      await client.closeWrite();
      return sent;
    };
    const [sent, received] = await Promise.all([send(), receivePattern(client, 9)]);
    assertEquals(received, { bytes: sent, end: "eof" });
    return sent;
  };
  let visits = 0;
  const visitors = Array.from({ length: 2 }, async () => {
    for (; going; visits++) await visit(world, main);
  });
  const load = Promise.all([...live, stream(), ...visitors]);

  const reloads = async (): Promise<void> => {
    for (let turn = 1; turn <= RELOADS; turn++) {
      await sluice.reload(configAt(turn));
      if (turn % 2 === 0) await visit(world, extra);
      else assert(!await world.accepts(extra));
      if (turn % 5 === 0) await visit(world, formatAddress(host, range + turn % 4));
      if (turn % 3 !== 1) await visit(world, sluice.address(`guest-${turn % 6}`));
    }
    going = false;
  };
  await Promise.all([reloads(), load]);

  assert(visits > 0, "visitors came while the configuration changed");
  const records = await sluice.waitForRecords(LIVE + 1 + visits + 50 + 20 + 66);
  assertEquals(records.filter(({ code }) => code !== "--"), []);
}, { deadlineMs: 240_000 });

/** A session that comes, is served, and goes. */
async function visit(world: World, address: string): Promise<void> {
  const client = await world.connect(address);
  await client.roundTrip("a short visit");
  await client.closeWrite();
  assertEquals(await client.end(), "eof");
  client.close();
}
