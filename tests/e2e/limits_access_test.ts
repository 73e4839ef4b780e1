/** Access lists: who may connect at all, before any limit; and they take nothing from those who may. */
import { assertEquals } from "@std/assert";
import { parseTarget } from "../helpers/address.ts";
import { banner } from "../helpers/behaviours.ts";
import { enter, knock, refusal } from "../helpers/clients.ts";
import { type Config, oneTenant, type TenantSettings } from "../helpers/config.ts";
import { Operator } from "../helpers/operator.ts";
import { e2e } from "../helpers/world.ts";

type Access = NonNullable<TenantSettings["access"]>;

/** Lists, with addresses that they let in and addresses that they do not. */
const LISTS: readonly (readonly [access: Access, allowed: readonly string[], denied: readonly string[]])[] = [
  [{}, ["127.0.0.1", "127.0.0.2"], []],
  [{ deny: ["127.0.0.2"] }, ["127.0.0.1", "127.0.0.3"], ["127.0.0.2"]],
  [{ deny: ["127.0.4.0/22"] }, ["127.0.3.255", "127.0.8.0"], ["127.0.4.0", "127.0.5.6", "127.0.7.255"]],
  [{ allow: ["127.0.0.2", "127.0.1.0/24"] }, ["127.0.0.2", "127.0.1.9"], ["127.0.0.1", "127.0.0.3", "127.0.2.0"]],
  [{ allow: ["127.0.0.0/8"], deny: ["127.0.9.0/24"] }, ["127.0.8.1"], ["127.0.9.1"]],
  [{ allow: ["127.0.9.1"], deny: ["127.0.9.0/24"] }, [], ["127.0.9.1", "127.0.9.2"]],
  [{ allow: [] }, [], ["127.0.0.1"]],
  [{ allow: ["0.0.0.0/0", "::/0"] }, ["127.0.0.1", "127.200.1.1"], []],
  [{ allow: ["::/0"] }, [], ["127.0.0.1"]],
  [{ allow: ["::ffff:127.0.0.0/120"], deny: ["::ffff:127.0.0.5"] }, ["127.0.0.4"], ["127.0.0.5", "127.0.1.4"]],
  [{ deny: ["0.0.0.0/0"] }, [], ["127.0.0.1", "127.9.9.9"]],
];

e2e("access: lists let in whom they say, at a reload too", async (world) => {
  const backend = await world.backend(banner("hi"));
  const config = (access: Access): Config => oneTenant([backend.address], { listen: "127.0.0.1:0", access });
  const sluice = await world.sluice(config({}));
  const [first] = [await enter(world, sluice)];
  let [served, refused] = [1, 0];
  for (const [access, allowed, denied] of LISTS) {
    const what = JSON.stringify(access);
    await sluice.reload(config(access));
    for (const from of allowed) {
      const client = await enter(world, sluice, { from });
      await client.closeWrite();
      assertEquals(await client.end(), "eof", `${from} with ${what}`);
      served++;
    }
    for (const from of denied) {
      assertEquals(await refusal(world, sluice, { from }), "eof", `${from} with ${what}`);
      const records = await sluice.waitForRecords(++refused, { code: "PR", reason: "denied", attempts: 0 });
      assertEquals(records.filter(({ client }) => client === from).length > 0, true, `${from} with ${what}`);
    }
    await first.roundTrip(what);
  }
  assertEquals(backend.accepted, served, "a denied client never touches the backend");
});

e2e("access: IPv6 and IPv4 clients of a dual-stack listener are told apart", async (world) => {
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const sluice = await world.sluice(operator.config(oneTenant([backend.address], { listen: "[::]:0" }).tenants));
  const target = parseTarget(sluice.address());
  const port = target.transport === "tcp" ? target.port : 0;
  for (
    const [access, four, six] of [
      [{ allow: ["127.0.0.1"], deny: null }, true, false],
      [{ allow: ["::1"], deny: null }, false, true],
      [{ allow: ["::/0"], deny: null }, false, true],
      [{ allow: null, deny: ["::ffff:0:0/96"] }, false, true],
      [{ allow: null, deny: ["::/0"] }, true, false],
    ] as const
  ) {
    await operator.patch("acme", { access });
    for (const [address, allowed] of [[`127.0.0.1:${port}`, four], [`[::1]:${port}`, six]] as const) {
      const client = await world.connect(address);
      const got = await client.readInto(new Uint8Array(2));
      assertEquals(got, allowed ? 2 : "eof", `${address} with ${JSON.stringify(access)}`);
    }
  }
});

e2e("access: a denied client gets a RST with on_limit: reset, and never waits", async (world) => {
  const backend = await world.backend(banner("hi"));
  for (const [on_limit, end] of [["reset", "reset"], ["queue", "eof"]] as const) {
    const sluice = await world.sluice(
      oneTenant([backend.address], { access: { deny: ["127.0.0.2"] }, limits: { on_limit } }),
    );
    assertEquals(await refusal(world, sluice, { from: "127.0.0.2" }), end);
    await sluice.waitForRecord({ code: "PR", reason: "denied" });
  }
});

e2e("access: clients of a unix socket always may", async (world) => {
  const backend = await world.backend(banner("hi"));
  const listen = `unix:${await world.tempDir()}/in.sock`;
  const sluice = await world.sluice(oneTenant([backend.address], { listen, access: { allow: [] } }));
  await enter(world, sluice);
});

e2e("access: a storm of denied clients takes nothing of the limits", async (world) => {
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const connection_rate = { rate: "0.001/s", burst: 3 };
  const limits = { max_connections: 3, connection_rate, per_source: { max_connections: 3, connection_rate } };
  const sluice = await world.sluice(operator.config(
    oneTenant([backend.address], { access: { deny: ["127.0.0.2"] }, limits }).tenants,
    { limits: { max_connections: 50 } },
  ));
  await Promise.all(Array.from({ length: 200 }, () => refusal(world, sluice, { from: "127.0.0.2" })));
  await sluice.waitForRecords(200, ({ code }) => code === "PR" || code === "RR");
  const status = await operator.status();
  assertEquals([status.sessions, status.sources], [0, []]);
  assertEquals(status.limits.connection_rate.left, 3);
  for (let turn = 0; turn < 3; turn++) await enter(world, sluice);
});

e2e("access: a list of ten thousand ranges", async (world) => {
  const backend = await world.backend(banner("hi"));
  const deny = Array.from({ length: 10_000 }, (_, index) => `127.64.${index >> 7}.${(index & 127) * 2}`);
  const sluice = await world.sluice(oneTenant([backend.address], { access: { deny } }));
  for (const index of [0, 1, 4_711, 9_998, 9_999]) {
    const [a, b] = [index >> 7, (index & 127) * 2];
    assertEquals(await refusal(world, sluice, { from: `127.64.${a}.${b}` }), "eof");
    (await enter(world, sluice, { from: `127.64.${a}.${b + 1}` })).close();
  }
  await sluice.waitForRecords(5, { reason: "denied" });
});

e2e("access: who is in stays in when it is denied, whoever comes is refused", async (world) => {
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const limits = { max_connections: 2, on_limit: "queue", queue: { timeout: "0s" } } as const;
  const sluice = await world.sluice(operator.config(oneTenant([backend.address], { limits }).tenants));
  const from = "127.0.0.2";
  const [stays, ends] = [await enter(world, sluice, { from }), await enter(world, sluice, { from })];
  const waits = await knock(world, sluice, { from });
  await operator.untilQueued(1);
  await operator.patch("acme", { access: { deny: ["127.0.0.0/30"] } });
  assertEquals(await refusal(world, sluice, { from }), "eof");
  await sluice.waitForRecord({ client: from, code: "PR", reason: "denied" });
  await stays.roundTrip();
  await ends.closeWrite();
  assertEquals(await waits.readText(2), "hi", "who waits has passed the list");
});
