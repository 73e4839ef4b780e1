/** Limits on bandwidth: never more than burst + rate × time, in each direction, shared fairly, and closing nothing. */
import { assert, assertEquals } from "@std/assert";
import { echo, hold, sink, source } from "../helpers/behaviours.ts";
import { type BucketConfig, type LimitsConfig, oneTenant } from "../helpers/config.ts";
import { eventually, pace } from "../helpers/eventually.ts";
import { Operator } from "../helpers/operator.ts";
import { checkPattern, receivePattern, sendPattern } from "../helpers/pattern.ts";
import type { Wire } from "../helpers/wire.ts";
import { e2e } from "../helpers/world.ts";

const KIB = 1024;

/** A bucket that no byte may come too early from. */
class Meter {
  bytes = 0;
  readonly #start = performance.now();

  constructor(readonly ratePerS: number, readonly burst: number) {}

  /** As the configuration has it. */
  get config(): BucketConfig {
    return { rate: `${this.ratePerS}B/s`, burst: `${this.burst}B` };
  }

  /** Bytes have come. */
  count(bytes: number): void {
    this.bytes += bytes;
    const most = this.burst + this.ratePerS * (performance.now() - this.#start) / 1000 + 1;
    assert(this.bytes <= most, `${this.bytes} bytes have come where ${most} may have`);
  }
}

/** Reads the stream `seed` to its end, and holds what comes against meters. Returns its length. */
async function readMetered(wire: Wire, seed: number, ...meters: readonly Meter[]): Promise<number> {
  const buffer = new Uint8Array(65_536);
  for (let bytes = 0;;) {
    const got = await wire.readInto(buffer);
    if (typeof got !== "number") {
      assertEquals(got, "eof");
      return bytes;
    }
    checkPattern(seed, bytes, buffer.subarray(0, got));
    bytes += got;
    for (const meter of meters) meter.count(got);
  }
}

e2e("bandwidth down: no byte comes early, none is lost, and up has no limit", async (world) => {
  const total = 300 * KIB;
  const meter = new Meter(200 * KIB, 50 * KIB);
  const backend = await world.backend();
  const sluice = await world.sluice(
    oneTenant([backend.address], { limits: { bandwidth: { down: meter.config } } }),
  );
  const client = await world.connect(sluice.address());
  const server = await backend.accept();
  const up = sendPattern(client, 1, 20_000_000).then(() => client.closeWrite());
  assertEquals((await receivePattern(server, 1)).bytes, 20_000_000);
  await up;
  assertEquals(meter.bytes, 0, "what goes up costs nothing down");
  const [bytes] = await Promise.all([
    readMetered(client, 2, meter),
    sendPattern(server, 2, total).then(() => server.closeWrite()),
  ]);
  assertEquals(bytes, total);
  await sluice.waitForRecord({ code: "--", bytes_up: 20_000_000, bytes_down: total });
});

e2e("bandwidth up: no byte comes early, none is lost, and down has no limit", async (world) => {
  const total = 300 * KIB;
  const meter = new Meter(200 * KIB, 50 * KIB);
  const backend = await world.backend();
  const sluice = await world.sluice(oneTenant([backend.address], { limits: { bandwidth: { up: meter.config } } }));
  const client = await world.connect(sluice.address());
  const server = await backend.accept();
  const down = sendPattern(server, 1, 20_000_000).then(() => server.closeWrite());
  assertEquals((await receivePattern(client, 1)).bytes, 20_000_000);
  await down;
  const [bytes] = await Promise.all([
    readMetered(server, 2, meter),
    sendPattern(client, 2, total).then(() => client.closeWrite()),
  ]);
  assertEquals(bytes, total);
  await sluice.waitForRecord({ code: "--", bytes_up: total, bytes_down: 20_000_000 });
});

e2e("bandwidth: eight sessions on two workers share one bucket, in equal parts", async (world) => {
  const backend = await world.backend(source(3, 100_000_000));
  const operator = await Operator.create();
  const meter = new Meter(400 * KIB, 40 * KIB);
  const limits = { bandwidth: { down: meter.config } };
  const sluice = await world.sluice(operator.config(oneTenant([backend.address], { limits }).tenants));
  const clients = await Promise.all(Array.from({ length: 8 }, () => world.connect(sluice.address())));
  const ends = clients.map((client) => readMetered(client, 3, meter).catch(() => {}));
  await eventually(() => meter.bytes > 900 * KIB, { what: "two seconds' worth of bytes" });
  const { items } = await operator.get("/v1/sessions?tenant=acme");
  const parts: number[] = items.map(({ bytes_down }: { bytes_down: number }) => bytes_down);
  assertEquals(parts.length, 8);
  const [least, most] = [Math.min(...parts), Math.max(...parts)];
  // Who came first had the burst.
  assert(most - meter.burst <= least * 2, `equal parts: from ${least} to ${most}`);
  const throttled = await operator.metric('sluice_throttled_seconds_total{tenant="acme",direction="down"}');
  assert(throttled > 1, `eight sessions were held back for ${throttled} s`);
  for (const client of clients) client.close();
  await Promise.all(ends);
  await eventually(async () => (await operator.status()).limits["bandwidth.down"].used === 0, {
    what: "a full bucket",
  });
});

e2e("bandwidth: a few bytes do not wait behind those who stream", async (world) => {
  const backend = await world.backend(async (wire, index) => {
    if (index < 8) await source(4, 100_000_000)(wire, index);
    else await echo(wire);
  });
  const limits = { bandwidth: { down: { rate: "200KiB/s", burst: "20KiB" } } };
  const sluice = await world.sluice(oneTenant([backend.address], { limits }));
  const streams = await Promise.all(Array.from({ length: 8 }, () => world.connect(sluice.address())));
  const ends = streams.map((client) => receivePattern(client, 4).catch(() => {}));
  await eventually(() => backend.accepted === 8);
  const talker = await world.connect(sluice.address());
  const start = performance.now();
  for (let turn = 0; turn < 20; turn++) await talker.roundTrip();
  // What the streams get while it waits, were it served last: all of what is asked for, again and again.
  assert(performance.now() - start < 10_000, "twenty round trips are a matter of milliseconds");
  for (const client of streams) client.close();
  await Promise.all(ends);
});

e2e("bandwidth: per connection, beside the tenant's own; the scarcer of the two counts", async (world) => {
  const total = 150 * KIB;
  const backend = await world.backend(source(5, total));
  const own = [0, 1, 2].map(() => new Meter(50 * KIB, 20 * KIB));
  const all = new Meter(100 * KIB, 40 * KIB);
  const limits: LimitsConfig = {
    bandwidth: { down: all.config },
    per_connection: { bandwidth: { down: own[0]!.config } },
  };
  const sluice = await world.sluice(oneTenant([backend.address], { limits }));
  const bytes = await Promise.all(own.map(async (meter) => {
    const client = await world.connect(sluice.address());
    return await readMetered(client, 5, meter, all);
  }));
  assertEquals(bytes, [total, total, total]);
});

e2e("bandwidth: a client's own limit leaves the others alone", async (world) => {
  const backend = await world.backend(source(6, 60 * KIB));
  const limits = { per_connection: { bandwidth: { down: { rate: "1KiB/s", burst: "64KiB" } } } };
  const sluice = await world.sluice(oneTenant([backend.address], { limits }));
  // Each has the burst of its own: a bucket of all would take 20 minutes for this.
  for (let turn = 0; turn < 20; turn++) {
    assertEquals((await receivePattern(await world.connect(sluice.address()), 6)).bytes, 60 * KIB);
  }
});

e2e("bandwidth: a byte a second, with an idle timeout of half of that, is not idle", async (world) => {
  const backend = await world.backend();
  const limits = { bandwidth: { down: { rate: "1B/s", burst: "1B" } } };
  const timeouts = { idle: "500ms", half_close: "500ms", first_byte: "500ms" };
  const sluice = await world.sluice(oneTenant([backend.address], { limits, timeouts }));
  const client = await world.connect(sluice.address());
  const server = await backend.accept();
  const start = performance.now();
  await server.write("slow");
  await server.closeWrite();
  await client.closeWrite();
  assertEquals((await client.readToEnd()).text, "slow");
  assert(performance.now() - start >= 2990, "three of four wait for a second each");
  await sluice.waitForRecord({ code: "--", reason: "ok", bytes_down: 4 });
});

e2e("bandwidth: a session with limits and nothing to move is idle as any other", async (world) => {
  const backend = await world.backend(echo);
  const limits = { bandwidth: { up: { rate: "1MiB/s" }, down: { rate: "1MiB/s" } } };
  const sluice = await world.sluice(oneTenant([backend.address], { limits, timeouts: { idle: "400ms" } }));
  const client = await world.connect(sluice.address());
  await client.roundTrip();
  assertEquals(await client.end(), "eof");
  await sluice.waitForRecord({ code: "cD", reason: "idle_timeout" });
});

e2e("bandwidth: a rate of 0 holds every byte back, and closes nothing", async (world) => {
  const backend = await world.backend();
  const operator = await Operator.create();
  const limits = { bandwidth: { up: { rate: "0B/s", burst: "1MiB" } } };
  const { tenants } = oneTenant([backend.address], { limits, timeouts: { idle: "300ms" } });
  const sluice = await world.sluice(operator.config(tenants));
  const client = await world.connect(sluice.address());
  const server = await backend.accept();
  await client.write("nothing of this");
  await server.write("down is free");
  assertEquals(await client.readText(12), "down is free");
  await pace(1000);
  assertEquals(sluice.records().length, 0, "held back for three idle times");
  const { items } = await operator.get("/v1/sessions?tenant=acme");
  assertEquals([items[0].bytes_up, items[0].state], [0, "relaying"]);
  await client.closeWrite();
  await operator.patch("acme", { limits: { bandwidth: null } });
  assertEquals((await server.readToEnd()).text, "nothing of this");
  await server.closeWrite();
  await sluice.waitForRecord({ code: "--", bytes_up: 15, bytes_down: 12 });
});

e2e("bandwidth: a client that is held back and resets is gone at once", async (world) => {
  const backend = await world.backend(undefined, { resettable: true });
  const limits = { bandwidth: { down: { rate: "1KiB/s", burst: "1KiB" } } };
  const sluice = await world.sluice(oneTenant([backend.address], { limits }));
  const client = await world.connectResettable(sluice.address());
  const server = await backend.accept();
  await server.write(new Uint8Array(200_000));
  await client.readExactly(512);
  client.reset();
  assertEquals(await server.end(), "reset");
  await sluice.waitForRecord({ code: "CD", reason: "client_abort" });
});

e2e("bandwidth: what an endpoint sent before its reset still comes, at the limit's pace", async (world) => {
  const backend = await world.backend(undefined, { resettable: true });
  const meter = new Meter(4 * KIB, KIB);
  const sluice = await world.sluice(oneTenant([backend.address], { limits: { bandwidth: { down: meter.config } } }));
  const client = await world.connectResettable(sluice.address());
  const server = await backend.accept();
  await sendPattern(server, 7, 8 * KIB);
  await client.readExactly(KIB);
  server.reset();
  const { bytes, end } = await client.readToEnd();
  checkPattern(7, KIB, bytes);
  meter.count(KIB + bytes.length);
  assertEquals([bytes.length, end], [7 * KIB, "reset"]);
  await sluice.waitForRecord({ code: "SD", reason: "server_abort", bytes_down: 8 * KIB });
});

e2e("bandwidth: max_duration and a kill end a session that is held back", async (world) => {
  const backend = await world.backend(source(8, 1_000_000));
  const operator = await Operator.create();
  const limits = { bandwidth: { down: { rate: "1KiB/s", burst: "1KiB" } } };
  const { tenants } = oneTenant([backend.address], { limits, timeouts: { max_duration: "3s" } });
  const sluice = await world.sluice(operator.config(tenants));
  const [timed, killed] = [await world.connect(sluice.address()), await world.connect(sluice.address())];
  await killed.readExactly(1);
  const { items } = await operator.get("/v1/sessions?tenant=acme");
  const port = (killed as unknown as { conn: Deno.TcpConn }).conn.localAddr.port;
  const { session } = items.find(({ client_port }: { client_port: number }) => client_port === port);
  assertEquals((await operator.request("DELETE", `/v1/sessions/${session}`)).status, 204);
  await killed.readToEnd();
  await timed.readToEnd();
  await sluice.waitForRecord({ code: "KD", reason: "killed" });
  await sluice.waitForRecord({ code: "PD", reason: "max_duration" });
});

e2e("bandwidth: streams that splice under a high limit arrive whole", async (world) => {
  const total = 48_000_000;
  const meter = new Meter(64 * KIB * KIB, KIB * KIB);
  const backend = await world.backend(source(9, total));
  const limits = { bandwidth: { down: meter.config } };
  const sluice = await world.sluice(oneTenant([backend.address], { limits }));
  const bytes = await Promise.all([0, 1].map(async () => {
    const client = await world.connect(sluice.address());
    const length = await readMetered(client, 9, meter);
    client.close();
    return length;
  }));
  assertEquals(bytes, [total, total]);
  await sluice.waitForRecords(2, { code: "--", bytes_down: total });
});

e2e("bandwidth: what an endpoint is sent is charged once, whoever reads slowly", async (world) => {
  const meter = new Meter(2000 * KIB, 100 * KIB);
  let received = 0;
  const backend = await world.backend(sink(10, (bytes) => void (received = bytes), { chunk: 8192, everyMs: 1 }));
  const limits = { bandwidth: { up: meter.config } };
  const sluice = await world.sluice(oneTenant([backend.address], { limits }));
  const client = await world.connect(sluice.address());
  await sendPattern(client, 10, 2_000_000);
  await client.closeWrite();
  await client.readToEnd();
  await sluice.waitForRecord({ code: "--", bytes_up: 2_000_000 });
  assertEquals(received, 2_000_000);
});

e2e("bandwidth: sessions on hold cost next to nothing", async (world) => {
  const backend = await world.backend(hold);
  const limits = { bandwidth: { up: { rate: "0B/s" } } };
  const sluice = await world.sluice(oneTenant([backend.address], { limits }));
  const clients = await Promise.all(Array.from({ length: 200 }, () => world.connect(sluice.address())));
  await Promise.all(clients.map((client) => client.write("x")));
  await eventually(() => backend.accepted === 200);
  // As many looks as it takes: the machine may be busy with what came before.
  await eventually(async () => await sluice.cpuShareOver(1000) < 0.1, { what: "a quiet process" });
});
