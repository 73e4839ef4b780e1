/** Each timeout: when it strikes, when it must not, its code and its reason. */
import { assert, assertEquals } from "@std/assert";
import type { AccessRecord } from "../helpers/access_log.ts";
import { banner, echo, hold } from "../helpers/behaviours.ts";
import { configOf, oneTenant, tenantWith } from "../helpers/config.ts";
import { pace } from "../helpers/eventually.ts";
import { receivePattern, sendPattern } from "../helpers/pattern.ts";
import { e2e } from "../helpers/world.ts";

const SLACK_MS = 2500;

function assertTotal(record: AccessRecord, ms: number): void {
  assert(record.total_ms >= ms - 1 && record.total_ms < ms + SLACK_MS, `must end after ${ms} ms: ${record.total_ms}`);
}

e2e("first_byte: a backend that says nothing is given up", async (world) => {
  const backend = await world.backend(hold);
  const sluice = await world.sluice(oneTenant([backend.address], { timeouts: { first_byte: "400ms" } }));
  const client = await world.connect(sluice.address());
  await client.write("hello?");
  assertEquals(await client.end(), "eof");
  const record = await sluice.waitForRecord();
  assertEquals([record.code, record.reason, record.first_byte_ms], ["sD", "first_byte_timeout", null]);
  assertTotal(record, 400);
});

e2e("first_byte: says nothing about a session that had its first byte", async (world) => {
  const backend = await world.backend(banner("!"));
  const timeouts = { first_byte: "200ms", idle: "900ms" };
  const sluice = await world.sluice(oneTenant([backend.address], { timeouts }));
  const client = await world.connect(sluice.address());
  assertEquals(await client.readText(1), "!");
  assertEquals(await client.end(), "eof");
  const record = await sluice.waitForRecord();
  assertEquals([record.code, record.reason], ["cD", "idle_timeout"]);
  assertTotal(record, 900);
});

e2e("idle: a session in which nothing ever moves ends on the client's account", async (world) => {
  const backend = await world.backend();
  const sluice = await world.sluice(oneTenant([backend.address], { timeouts: { idle: "500ms" } }));
  const client = await world.connect(sluice.address());
  const server = await backend.accept();
  assertEquals(await Promise.all([client.end(), server.end()]), ["eof", "eof"]);
  const record = await sluice.waitForRecord();
  assertEquals([record.code, record.reason], ["cD", "idle_timeout"]);
  assertTotal(record, 500);
});

e2e("idle: an unanswered request ends on the server's account, an answered one on the client's", async (world) => {
  for (const [behaviour, code] of [[hold, "sD"], [echo, "cD"]] as const) {
    const backend = await world.backend(behaviour);
    const sluice = await world.sluice(oneTenant([backend.address], { timeouts: { idle: "500ms" } }));
    const client = await world.connect(sluice.address());
    await client.write("ping");
    await client.readToEnd();
    await sluice.waitForRecord({ code, reason: "idle_timeout", bytes_up: 4 });
  }
});

e2e("idle: bytes stuck on the way up end on the server's account", async (world) => {
  const backend = await world.backend();
  const sluice = await world.sluice(oneTenant([backend.address], { timeouts: { idle: "700ms" } }));
  const client = await world.connect(sluice.address());
  await backend.accept();
  await sendPattern(client, 8, 200_000_000).catch(() => {});
  await sluice.waitForRecord({ code: "sD", reason: "idle_timeout" });
});

e2e("idle: bytes stuck on the way down end on the client's account", async (world) => {
  const backend = await world.backend();
  const sluice = await world.sluice(oneTenant([backend.address], { timeouts: { idle: "700ms" } }));
  await world.connect(sluice.address());
  await sendPattern(await backend.accept(), 9, 200_000_000).catch(() => {});
  await sluice.waitForRecord({ code: "cD", reason: "idle_timeout" });
});

e2e("idle: any byte in either direction starts it anew", async (world) => {
  const backend = await world.backend();
  const sluice = await world.sluice(oneTenant([backend.address], { timeouts: { idle: "1200ms" } }));
  const client = await world.connect(sluice.address());
  const server = await backend.accept();
  for (let turn = 0; turn < 8; turn++) {
    const [from, to] = turn % 2 === 0 ? [client, server] : [server, client];
    await from.write("x");
    assertEquals(await to.readText(1), "x");
    await pace(300);
  }
  assertEquals(sluice.records().length, 0);
  assertEquals(await client.end(), "eof");
  const record = await sluice.waitForRecord({ reason: "idle_timeout" });
  assertTotal(record, 7 * 300 + 1200);
});

e2e("idle: 0 is off, for the tenant that says so", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice(configOf([
    tenantWith([backend.address], { id: "patient", timeouts: { idle: "0s" } }),
    tenantWith([backend.address], { id: "other" }),
  ], { defaults: { timeouts: { idle: "500ms" } } }));
  const patient = await world.connect(sluice.address("patient"));
  await patient.roundTrip();
  const other = await world.connect(sluice.address("other"));
  await other.roundTrip();
  assertEquals(await other.end(), "eof");
  await patient.roundTrip();
});

e2e("half_close: an endpoint that does not close after the client's EOF", async (world) => {
  const backend = await world.backend();
  const sluice = await world.sluice(oneTenant([backend.address], { timeouts: { half_close: "400ms" } }));
  const client = await world.connect(sluice.address());
  const server = await backend.accept();
  await client.closeWrite();
  assertEquals(await server.end(), "eof");
  assertEquals(await client.end(), "eof");
  const record = await sluice.waitForRecord();
  assertEquals([record.code, record.reason], ["sL", "half_close_timeout"]);
  assertTotal(record, 400);
});

e2e("half_close: a client that does not close after the endpoint's EOF", async (world) => {
  const backend = await world.backend();
  const sluice = await world.sluice(oneTenant([backend.address], { timeouts: { half_close: "400ms" } }));
  const client = await world.connect(sluice.address());
  const server = await backend.accept();
  await server.closeWrite();
  assertEquals(await client.end(), "eof");
  assertEquals(await server.end(), "eof");
  await sluice.waitForRecord({ code: "cL", reason: "half_close_timeout" });
});

e2e("half_close: takes the place of idle, and bytes start it anew", async (world) => {
  const backend = await world.backend();
  const timeouts = { idle: "300ms", half_close: "1500ms" };
  const sluice = await world.sluice(oneTenant([backend.address], { timeouts }));
  const client = await world.connect(sluice.address());
  const server = await backend.accept();
  await client.closeWrite();
  assertEquals(await server.end(), "eof");
  for (let turn = 0; turn < 4; turn++) {
    await pace(600);
    await server.write("x");
    assertEquals(await client.readText(1), "x");
  }
  await server.closeWrite();
  assertEquals(await client.end(), "eof");
  await sluice.waitForRecord({ code: "--", reason: "ok", bytes_down: 4 });
});

e2e("max_duration: strikes in the middle of traffic", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice(oneTenant([backend.address], { timeouts: { max_duration: "700ms" } }));
  const client = await world.connect(sluice.address());
  const talk = async (): Promise<void> => {
    for (;;) {
      await client.roundTrip();
      await pace(10);
    }
  };
  await talk().catch(() => {});
  const record = await sluice.waitForRecord();
  assertEquals([record.code, record.reason], ["PD", "max_duration"]);
  assertTotal(record, 700);
  assert(record.bytes_up > 4, "traffic flowed until then");
});

e2e("max_duration: jitter spreads the ends below the limit", async (world) => {
  const backend = await world.backend(hold);
  const timeouts = { max_duration: "2s", max_duration_jitter: "50%" };
  const sluice = await world.sluice(oneTenant([backend.address], { timeouts }));
  const clients = await Promise.all(Array.from({ length: 40 }, () => world.connect(sluice.address())));
  await Promise.all(clients.map((client) => client.readToEnd()));
  const totals = (await sluice.waitForRecords(40, { code: "PD", reason: "max_duration" })).map(({ total_ms }) =>
    total_ms
  );
  const [least, most] = [Math.min(...totals), Math.max(...totals)];
  assert(least >= 999, `none before half of the limit: ${least}`);
  assert(most < 2000 + SLACK_MS, `none after the limit: ${most}`);
  assert(most - least > 250, `spread over the second half: ${least}..${most}`);
});

e2e("max_duration: what was read before the end is delivered", async (world) => {
  const backend = await world.backend((wire) => sendPattern(wire, 12, 100_000_000).catch(() => {}));
  const sluice = await world.sluice(oneTenant([backend.address], { timeouts: { max_duration: "600ms" } }));
  const client = await world.connect(sluice.address());
  const { bytes } = await receivePattern(client, 12, { chunk: 65_536, everyMs: 2 });
  const record = await sluice.waitForRecord({ code: "PD", reason: "max_duration" });
  assertEquals(record.bytes_down, bytes);
});
