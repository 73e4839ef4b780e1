/** Limits that change under traffic: by file, by PATCH, in a tenant's file; live sessions obey, and tokens are kept. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { formatAddress, freePort, ownLoopback } from "../helpers/address.ts";
import { banner, source } from "../helpers/behaviours.ts";
import { enter, refusal } from "../helpers/clients.ts";
import { type LimitsConfig, oneTenant, tenantWith } from "../helpers/config.ts";
import { eventually } from "../helpers/eventually.ts";
import { type Body, Operator } from "../helpers/operator.ts";
import { checkPattern, receivePattern } from "../helpers/pattern.ts";
import { e2e } from "../helpers/world.ts";

const KIB = 1024;
const HARDLY = "0.001/s";

e2e("live limits: a bandwidth that is given, raised, lowered and lifted is obeyed by a live session", async (world) => {
  const total = 40_000_000;
  const backend = await world.backend(source(1, total));
  const operator = await Operator.create();
  const start = { bandwidth: { down: { rate: "1KiB/s", burst: "1KiB" } } };
  const sluice = await world.sluice(operator.config(oneTenant([backend.address], { limits: start }).tenants));
  const client = await world.connect(sluice.address());
  const buffer = new Uint8Array(65_536);
  let bytes = 0;
  const read = async (): Promise<number> => {
    const got = await client.readInto(buffer);
    if (typeof got !== "number") throw new Error(`Stream ended with ${got} after ${bytes} bytes`);
    checkPattern(1, bytes, buffer.subarray(0, got));
    bytes += got;
    return got;
  };
  while (bytes < 1.5 * KIB) await read();

  await operator.patch("acme", { limits: { bandwidth: { down: { rate: "200KiB/s", burst: "20KiB" } } } });
  const raised = bytes;
  // At the old rate this would take minutes.
  while (bytes < raised + 300 * KIB) await read();

  await operator.patch("acme", { limits: { bandwidth: { down: { rate: "2KiB/s", burst: "2KiB" } } } });
  const since = performance.now();
  const lowered = bytes;
  // In the sockets between the proxy and this reader there is what it had been let through before.
  const { items } = await operator.get("/v1/sessions?tenant=acme");
  const before = items[0].bytes_down - lowered;
  while (performance.now() - since < 2000) await read();
  const most = before + 2 * KIB + 2 * KIB * (performance.now() - since) / 1000;
  assert(bytes - lowered <= most, `${bytes - lowered} bytes came where ${most} may have`);

  await operator.patch("acme", { limits: { per_connection: { bandwidth: { down: { rate: "100MiB/s" } } } } });
  await operator.patch("acme", { limits: { bandwidth: null } });
  const rest = await receivePattern(client, 1, { from: bytes });
  assertEquals(rest.bytes, total);
  await client.closeWrite();
  await sluice.waitForRecord({ code: "--", bytes_down: total });
});

e2e(
  "live limits: a session without any is held back as soon as there is one, its own or the tenant's",
  async (world) => {
    for (const kind of ["bandwidth", "per_connection"] as const) {
      const backend = await world.backend();
      const operator = await Operator.create();
      const sluice = await world.sluice(operator.config(oneTenant([backend.address]).tenants));
      const client = await world.connect(sluice.address());
      const server = await backend.accept();
      await client.write("free");
      assertEquals(await server.readText(4), "free");
      const none = { up: { rate: "0B/s" } };
      await operator.patch("acme", {
        limits: kind === "bandwidth" ? { bandwidth: none } : { [kind]: { bandwidth: none } },
      });
      await client.write("held");
      await server.write("down is free");
      assertEquals(await client.readText(12), "down is free");
      await eventually(async () => (await operator.get("/v1/sessions?tenant=acme")).items[0].bytes_down === 12);
      assertEquals((await operator.get("/v1/sessions?tenant=acme")).items[0].bytes_up, 4);
      await operator.patch("acme", { limits: null });
      assertEquals(await server.readText(4), "held");
    }
  },
);

e2e("live limits: a change gives no new tokens", async (world) => {
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const limits: LimitsConfig = {
    connection_rate: { rate: HARDLY, burst: 4 },
    bandwidth: { up: { rate: "1B/s", burst: "1000B" } },
  };
  const sluice = await world.sluice(operator.config(oneTenant([backend.address], { limits }).tenants));
  const clients = [];
  for (let turn = 0; turn < 3; turn++) clients.push(await enter(world, sluice));
  await clients[0]!.roundTrip("x".repeat(800));
  const left = async (): Promise<{ sessions: number; bytes: number }> => {
    const { limits } = await operator.status();
    return { sessions: limits.connection_rate.left, bytes: limits["bandwidth.up"].left };
  };
  const patch = (rate: string, burst: number, bytes: string) =>
    operator.patch("acme", {
      limits: { connection_rate: { rate, burst }, bandwidth: { up: { rate: "1B/s", burst: bytes } } },
    });
  const start = performance.now();
  /** As many bytes as a second gives one. */
  const came = () => (performance.now() - start) / 1000 + 2;
  for (const burst of [100, 5, 100]) {
    await patch(HARDLY, burst, `${burst * 1000}B`);
    const now = await left();
    assertEquals(now.sessions, 1, `with a burst of ${burst}`);
    assert(now.bytes >= 200 && now.bytes <= 200 + came(), `${now.bytes} bytes with a burst of ${burst}`);
  }
  await patch(HARDLY, 100, "50B");
  assertEquals(await left(), { sessions: 1, bytes: 50 });
  await patch(HARDLY, 100, "1000B");
  assert((await left()).bytes <= 50 + came(), "what is cut off by a smaller burst is gone");
  await enter(world, sluice);
  await refusal(world, sluice);
  await sluice.waitForRecord({ reason: "tenant_rate" });
});

e2e("live limits: a reload of the same limits changes no bucket", async (world) => {
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const limits: LimitsConfig = {
    connection_rate: { rate: HARDLY, burst: 3 },
    per_source: { connection_rate: { rate: HARDLY, burst: 3 } },
  };
  const config = operator.config(oneTenant([backend.address], { listen: "127.0.0.1:0", limits }).tenants);
  const sluice = await world.sluice(config);
  for (let turn = 0; turn < 3; turn++) {
    await enter(world, sluice, { from: "127.0.0.2" });
    await sluice.reload({ ...config, limits: { max_connections: 1000 + turn } });
    await operator.patch("acme", { labels: { turn: `${turn}` } });
  }
  await refusal(world, sluice, { from: "127.0.0.2" });
  await sluice.waitForRecord({ reason: "source_rate" });
  await refusal(world, sluice, { from: "127.0.0.3" });
  await sluice.waitForRecord({ reason: "tenant_rate" });
});

/** Every key of limits and access, in an order in which each may be written. */
const KEYS: readonly (readonly [path: string, value: unknown])[] = [
  ["limits.max_connections", 100],
  ["limits.connection_rate.rate", "50/s"],
  ["limits.connection_rate.burst", 70],
  ["limits.bandwidth.up.rate", "5MiB/s"],
  ["limits.bandwidth.up.burst", "2MiB"],
  ["limits.bandwidth.down.rate", "6MB/s"],
  ["limits.bandwidth.down.burst", "100KiB"],
  ["limits.per_source.max_connections", 30],
  ["limits.per_source.connection_rate.rate", "40/s"],
  ["limits.per_source.connection_rate.burst", 60],
  ["limits.per_source.ipv4_prefix", 24],
  ["limits.per_source.ipv6_prefix", 56],
  ["limits.per_connection.bandwidth.up.rate", "1MiB/s"],
  ["limits.per_connection.bandwidth.up.burst", "1MiB"],
  ["limits.per_connection.bandwidth.down.rate", "2MiB/s"],
  ["limits.per_connection.bandwidth.down.burst", "3MiB"],
  ["limits.on_limit", "queue"],
  ["limits.queue.size", 9],
  ["limits.queue.timeout", "7s"],
  ["limits.dry_run", true],
  ["access.allow", ["127.0.0.0/8", "::1"]],
  ["access.deny", ["127.0.0.9"]],
];

const nested = (path: string, value: unknown): unknown =>
  path.split(".").reduceRight((inner, key) => ({ [key]: inner }), value);
const valueAt = (body: Body, path: string): unknown => path.split(".").reduce((at, key) => at?.[key], body);

e2e(
  "live limits: each key can be patched, is in the tenant's file, and in force; live sessions stay",
  async (world) => {
    const dir = await world.tempDir();
    const backend = await world.backend(banner("hi"));
    const operator = await Operator.create();
    const host = ownLoopback();
    const listen = formatAddress(host, freePort(host));
    const tenant = tenantWith([backend.address], { listen });
    Deno.writeTextFileSync(`${dir}/acme.yaml`, `# Mind the comment.\n${JSON.stringify(tenant, null, 2)}\n`);
    const sluice = await world.sluice({ ...operator.config([]), tenants_dir: dir });
    const client = await world.connect(listen);
    assertEquals(await client.readText(2), "hi");
    for (const [path, value] of KEYS) {
      const { body } = await operator.patch("acme", nested(path, value));
      assertEquals(valueAt(body, path), value, path);
      const text = Deno.readTextFileSync(`${dir}/acme.yaml`);
      assertStringIncludes(text, "# Mind the comment.");
      const key = path.slice(path.lastIndexOf(".") + 1);
      assertStringIncludes(text, key, path);
      await client.roundTrip(path);
    }
    const { limits } = await operator.status();
    assertEquals(limits.max_connections, { limit: 100, used: 1, left: 99 });
    assertEquals([limits.connection_rate.limit, limits.connection_rate.rate], [70, 50]);
    assertEquals([limits["bandwidth.up"].limit, limits["bandwidth.up"].rate], [2 * KIB * KIB, 5 * KIB * KIB]);
    assertEquals([limits["bandwidth.down"].limit, limits["bandwidth.down"].rate], [100 * KIB, 6_000_000]);
    assertEquals(limits["queue.size"].limit, 9);
    assertEquals(limits["per_source.max_connections"].limit, 30);

    // All of it in one go is the same: what the API has written a start can read.
    const { body } = await operator.read("/v1/tenants/acme");
    await operator.must("PUT", "/v1/tenants/acme", body);
    await sluice.reload();
    assertEquals((await operator.get("/v1/tenants/acme")).limits, body.limits);
    for (const [path] of KEYS.toReversed()) {
      if (path.endsWith(".rate")) continue; // goes with its map
      await operator.patch("acme", nested(path, null));
      await client.roundTrip();
    }
    await operator.patch("acme", { limits: null, access: null });
    assertEquals((await operator.status()).limits.connection_rate.limit, null);
    await client.roundTrip();
    assertEquals(sluice.records(), []);
  },
);

e2e("live limits: a wrong PATCH is told with its pointer, and changes nothing", async (world) => {
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const sluice = await world.sluice(operator.config(oneTenant([backend.address]).tenants));
  const before = await operator.read("/v1/tenants/acme");
  for (
    const [path, value, word] of [
      ["limits.connection_rate", { burst: 5 }, "rate"],
      ["limits.connection_rate.rate", "fast", "200/s"],
      ["limits.bandwidth.up.rate", "10/s", "10MiB/s"],
      ["limits.per_source.ipv4_prefix", 33, "32"],
      ["limits.on_limit", "wait", "queue"],
      ["limits.queue.size", -1, "0"],
      ["access.deny", ["10.0.0.1/8"], "10.0.0.0/8"],
      ["access.allow", ["office.example"], "10.0.0.0/8"],
      ["limits.max_conections", 5, "max_connections"],
    ] as const
  ) {
    const { errors } = await operator.refused(422, "PATCH", "/v1/tenants/acme", nested(path, value));
    const pointer = `/${path.replaceAll(".", "/")}`;
    assert(errors.some((one: Body) => one.pointer.startsWith(pointer)), `${path}: ${JSON.stringify(errors)}`);
    assert(errors.some((one: Body) => one.detail.includes(word)), `${path}: ${JSON.stringify(errors)}`);
  }
  assertEquals((await operator.read("/v1/tenants/acme")).etag, before.etag);
  await enter(world, sluice);
});

e2e("live limits: a tenant's file that is edited takes effect by itself", async (world) => {
  const dir = await world.tempDir();
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const host = ownLoopback();
  const listen = formatAddress(host, freePort(host));
  const write = (limits: LimitsConfig, version: string) =>
    Deno.writeTextFileSync(
      `${dir}/acme.yaml`,
      JSON.stringify({ ...tenantWith([backend.address], { listen, limits }), labels: { version } }),
    );
  write({}, "0");
  const sluice = await world.sluice({ ...operator.config([]), tenants_dir: dir });
  const visit = async () => (await (await world.connect(listen)).readInto(new Uint8Array(2)));
  assertEquals(await visit(), 2);
  write({ max_connections: 1 }, "1");
  await operator.untilLabel("acme", "version", "1");
  assertEquals(await visit(), "eof");
  await sluice.waitForRecord({ code: "PR", reason: "tenant_connections" });
  write({ max_connections: 10, connection_rate: { rate: "0/s" } }, "2");
  await operator.untilLabel("acme", "version", "2");
  assertEquals(await visit(), "eof");
  await sluice.waitForRecord({ code: "PR", reason: "tenant_rate" });
  // A wrong file leaves its tenant with the limits that it had.
  Deno.writeTextFileSync(`${dir}/acme.yaml`, "limits: { max_connections: many }\n");
  await eventually(async () => (await operator.get("/v1/status")).tenants_in_error.length === 1);
  assertEquals(await visit(), "eof");
  await sluice.waitForRecords(2, { code: "PR", reason: "tenant_rate" });
  write({}, "3");
  await operator.untilLabel("acme", "version", "3");
  assertEquals(await visit(), 2);
});
