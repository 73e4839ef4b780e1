/** The admin API's port: what slow, many, garbled and endless clients get; unix sockets; moving at a reload. */
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { AdminStartError, PORT_LIMITS, type PortLimits } from "../../src/admin/listen.ts";
import { accessOf, AdminServer, type AdminSettings } from "../../src/admin/server.ts";
import { sleep } from "../../src/host/sleep.ts";
import { eventually, within } from "../helpers/eventually.ts";
import { KeptLog, SCHEMA, TOKENS } from "../helpers/admin_bench.ts";
import { FakeControl, tenantOf } from "../helpers/admin_control.ts";

const TCP: AdminSettings = { address: { kind: "tcp", host: "127.0.0.1", port: 0 }, tokens: TOKENS };
const AUTH = { Authorization: "Bearer ops-token" };

class Port implements AsyncDisposable {
  readonly control = new FakeControl();
  server!: AdminServer;

  static async open(settings: AdminSettings = TCP, limits: Partial<PortLimits> = {}): Promise<Port> {
    const port = new Port();
    port.control.tenants.set("acme", tenantOf("acme"));
    port.server = await AdminServer.start(settings, {
      control: port.control,
      configSchema: SCHEMA,
      version: "1",
      log: new KeptLog(),
      now: () => performance.now(),
      sleep,
      limits: { ...PORT_LIMITS, ...limits },
    });
    return port;
  }

  get number(): number {
    return Number(this.server.address.split(":").at(-1));
  }

  url(path: string): string {
    return `http://${this.server.address}${path}`;
  }

  connect(): Promise<Deno.Conn> {
    return Deno.connect({ hostname: "127.0.0.1", port: this.number });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
  }
}

const encode = (text: string) => new TextEncoder().encode(text);

/** All that comes until the other side closes. */
async function readAll(connection: Deno.Conn): Promise<string> {
  const parts: Uint8Array[] = [];
  try {
    for await (const chunk of connection.readable) parts.push(chunk.slice());
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
  }
  return parts.map((part) => new TextDecoder().decode(part)).join("");
}

async function talk(port: Port, text: string): Promise<string> {
  const connection = await port.connect();
  await connection.write(encode(text));
  return await within(readAll(connection), "the end of the connection");
}

Deno.test("admin port: requests pass, with bodies and answers of any size", async () => {
  await using port = await Port.open();
  assertMatch(port.server.address, /^127\.0\.0\.1:\d+$/);
  const labels = Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`k${index}`, "v".repeat(100)]));
  const put = await fetch(port.url("/v1/tenants/big"), {
    method: "PUT",
    headers: { ...AUTH, "Content-Type": "application/json" },
    body: JSON.stringify(tenantOf("big", { labels })),
  });
  assertEquals(put.status, 201);
  assertEquals((await put.json()).labels, labels);
  const removed = await fetch(port.url("/v1/tenants/big"), { method: "DELETE", headers: AUTH });
  assertEquals([removed.status, await removed.text()], [204, ""]);
  assertEquals((await fetch(port.url("/docs"))).headers.get("X-Frame-Options"), "DENY");
  await Promise.all(
    [fetch(port.url("/docs/docs.js")), fetch(port.url("/docs/docs.css"))].map(async (one) =>
      assert((await (await one).text()).length > 500)
    ),
  );
});

Deno.test("admin port: a body that nobody reads does not disturb the next request", async () => {
  await using port = await Port.open();
  const connection = await port.connect();
  for (const size of [2, 100_000]) {
    const post = `POST /v1/tenants/acme/enable HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${AUTH.Authorization}\r\n`;
    await connection.write(encode(`${post}Content-Length: ${size}\r\n\r\n`));
    if (size === 2) {
      await connection.write(encode("{}"));
      await eventually(() => port.control.calls.length === 1);
      const buffer = new Uint8Array(65_536);
      assertStringIncludes(new TextDecoder().decode(buffer.subarray(0, await connection.read(buffer) ?? 0)), " 200 ");
    }
  }
  assertMatch(
    await within(readAll(connection), "the end of the connection"),
    /^HTTP\/1\.1 200 [\s\S]*connection: close/i,
  );
  for (let turn = 0; turn < 20; turn++) {
    const response = await fetch(port.url("/v1/tenants/acme/enable"), { method: "POST", headers: AUTH, body: "{}" });
    assertEquals((await response.json()).enabled, true);
  }
});

Deno.test("admin port: raw requests that are no requests are refused", async () => {
  await using port = await Port.open();
  const refused = [
    ["GARBAGE\r\n\r\n", "400"],
    ["GET http://evil.example/v1/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "400"],
    ["GET /v1/live HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n", "400"],
    ["GET /v1/live HTTP/1.0\r\n\r\n", "421"],
    ["GET /v1/live HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", "421"],
    [`GET /v1/live HTTP/1.1\r\nHost: localhost\r\nX: ${"y".repeat(20_000)}\r\n\r\n`, "431"],
    ["OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "400"],
  ];
  for (const [text, status] of refused) {
    const answer = await talk(port, text!);
    assertMatch(answer, new RegExp(`^HTTP/1\\.1 ${status} `), `${text!.slice(0, 60)}: ${answer}`);
    assertStringIncludes(answer.toLowerCase(), "application/problem+json");
  }
  assertEquals(await talk(port, "CONNECT evil.example:80 HTTP/1.1\r\nHost: localhost\r\n\r\n"), "");
  const good = await talk(port, "GET /v1/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  assertMatch(good, /^HTTP\/1\.1 200 /);
});

Deno.test("admin port: who is slow with headers, a body, or a first byte is let go", async () => {
  await using port = await Port.open(TCP, { headersMs: 300, requestMs: 500, idleMs: 300 });
  const slow = [
    "GET /v1/live HTTP/1.1\r\nHost: localhost\r\nX-Slow",
    `PUT /v1/tenants/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${AUTH.Authorization}\r\n` +
    "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
  ];
  for (const text of slow) assertMatch(await talk(port, text), /^(HTTP\/1\.1 408 |$)/);
  assertMatch(await talk(port, ""), /^(HTTP\/1\.1 408 |$)/);
  assertEquals(port.control.calls, []);
});

Deno.test("admin port: idle connections are closed, requests that wait are not", async () => {
  await using port = await Port.open(TCP, { idleMs: 200, stallMs: 200 });
  const idle = await talk(port, "GET /v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n");
  assertMatch(idle, /^HTTP\/1\.1 200 /);
  port.control.sessionList.push({ session: "x", tenant: "acme", client: "192.0.2.1" });
  const waited = await fetch(port.url("/v1/tenants/acme/drain?wait=800ms"), { method: "POST", headers: AUTH });
  assertEquals(waited.headers.get("Sluice-Sessions"), "1");
  await waited.text();
});

Deno.test("admin port: who does not read an answer is let go", async () => {
  await using port = await Port.open(TCP, { stallMs: 300, connections: 1 });
  const labels = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`k${index}`, "v".repeat(200_000)]));
  port.control.tenants.set("big", tenantOf("big", { labels }));
  const connection = await port.connect();
  await connection.write(
    encode(`GET /v1/tenants/big HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${AUTH.Authorization}\r\n\r\n`),
  );
  await eventually(async () => (await (await fetch(port.url("/v1/live"))).json()).status === "live", {
    what: "the end of the connection that is not read",
  });
  connection.close();
});

Deno.test("admin port: an endless body is answered, and not read on", async () => {
  await using port = await Port.open();
  for (
    const [authorization, status] of [["", 401], [`Authorization: ${AUTH.Authorization}\r\n`, 413]] as const
  ) {
    const connection = await port.connect();
    const head = `PUT /v1/tenants/x HTTP/1.1\r\nHost: localhost\r\n${authorization}` +
      "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    await connection.write(encode(head));
    const chunk = encode(`10000\r\n${" ".repeat(65_536)}\r\n`);
    let sent = 0;
    const sending = (async () => {
      for (;;) sent += await connection.write(chunk);
    })().catch(() => {});
    const answer = await within(readAll(connection), "the end of the connection");
    await within(sending, "the end of sending");
    assertMatch(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
    assertStringIncludes(answer.toLowerCase(), "connection: close");
    assert(sent < 64 * 1024 * 1024, `${sent} bytes were taken`);
  }
});

Deno.test("admin port: connections are bounded", async () => {
  await using port = await Port.open(TCP, { connections: 3 });
  const held: Deno.Conn[] = [];
  for (let index = 0; index < 3; index++) held.push(await port.connect());
  await eventually(async () => await talk(port, "GET /v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n") === "", {
    what: "a connection that is turned away",
  });
  for (const one of held) one.close();
  await eventually(async () => (await (await fetch(port.url("/v1/live"))).json()).status === "live");
});

Deno.test("admin port: events are streamed, and the subscription ends with the client", async () => {
  await using port = await Port.open();
  const leave = new AbortController();
  const response = await fetch(port.url("/v1/events"), { headers: AUTH, signal: leave.signal });
  const reader = response.body!.getReader();
  await reader.read();
  await eventually(() => port.control.listeners.size === 1);
  port.control.emit({ id: 5, at: "t", kind: "drain", tenant: null, data: {} });
  assertStringIncludes(new TextDecoder().decode((await reader.read()).value), "id: 5\nevent: drain\n");
  leave.abort();
  await eventually(() => port.control.listeners.size === 0, { what: "the end of the subscription" });
});

Deno.test("admin port: waiting ends when the client leaves; stopping ends streams", async () => {
  const port = await Port.open();
  port.control.sessionList.push({ session: "x", tenant: "acme", client: "192.0.2.1" });
  const events = await fetch(port.url("/v1/events"), { headers: AUTH });
  const reader = events.body!.getReader();
  await reader.read();
  const waiting = fetch(port.url("/v1/tenants/acme/drain?wait=1h"), { method: "POST", headers: AUTH });
  await eventually(() => port.control.calls.some(({ verb }) => verb === "drainTenant"));
  await within(port[Symbol.asyncDispose](), "the end of the server");
  assertEquals((await reader.read()).done, true);
  assertEquals((await waiting).headers.get("Sluice-Sessions"), "1");
  await (await waiting).text();
});

Deno.test("admin port: a unix socket is the owner's, needs no token, and replaces one that nobody listens at", async () => {
  const dir = await Deno.makeTempDir();
  const path = `${dir}/admin.sock`;
  const settings: AdminSettings = { address: { kind: "unix", path }, tokens: TOKENS };
  {
    await using port = await Port.open(settings);
    assertEquals(port.server.address, `unix:${path}`);
    assertEquals((await Deno.lstat(path)).mode! & 0o777, 0o600);
    assertEquals([...Deno.readDirSync(dir)].map(({ name }) => name), ["admin.sock"]);
    const ask = async (headers = "", host = "anything.example") => {
      const connection = await Deno.connect({ transport: "unix", path });
      const text = `POST /v1/tenants/acme/enable HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${headers}\r\n`;
      await connection.write(encode(text));
      return await within(readAll(connection as unknown as Deno.Conn), "the answer");
    };
    assertMatch(await ask(), /^HTTP\/1\.1 200 /);
    assertEquals(port.control.calls.at(-1)?.actor, { name: "unix", role: "admin" });
    assertMatch(await ask("Authorization: Bearer eyes-token\r\n"), /^HTTP\/1\.1 403 /);
    assertMatch(await ask("Authorization: Bearer wrong\r\n"), /^HTTP\/1\.1 401 /);
    assertMatch(await ask("Origin: https://evil.example\r\n"), /^HTTP\/1\.1 403 /);
    const second = await assertRejects(() => Port.open(settings), AdminStartError);
    assertStringIncludes(second.message, "already in use");
  }
  await assertRejects(() => Deno.lstat(path), Deno.errors.NotFound);
  // What a process leaves that was killed.
  Deno.listen({ transport: "unix", path }).close();
  {
    await using port = await Port.open(settings);
    assertEquals(port.server.address, `unix:${path}`);
  }
  await Deno.writeTextFile(path, "mine");
  const file = await assertRejects(() => Port.open(settings), AdminStartError);
  assertStringIncludes(file.message, "not a socket");
  assertEquals(await Deno.readTextFile(path), "mine");
  await Deno.remove(dir, { recursive: true });
});

Deno.test("admin port: it does not start where everybody could use it", () => {
  const open = (host: string, more: Partial<AdminSettings> = {}) =>
    accessOf({ address: { kind: "tcp", host, port: 1 }, tokens: [], ...more }, null);
  for (const [host, insecure] of [["127.0.0.1", false], ["0.0.0.0", true], ["10.0.0.1", true], ["::", true]] as const) {
    try {
      open(host, { insecure });
      throw new Error(`it starts at ${host}`);
    } catch (error) {
      assert(error instanceof AdminStartError, String(error));
      assertStringIncludes(error.message, "admin.tokens");
    }
  }
  assertEquals(open("127.0.0.1", { insecure: true }).anonymous, { name: "insecure", role: "admin" });
  assertEquals(open("::1", { insecure: true }).anonymous?.name, "insecure");
  assertEquals(open("127.0.0.1", { insecure: true, tokens: TOKENS }).anonymous, null);
  assertEquals(open("0.0.0.0", { tokens: TOKENS }).hosts?.isAnyAddress, true);
});

Deno.test("admin port: an address that is taken, and certificates that are none, are told", async () => {
  await using port = await Port.open();
  const taken = { ...TCP, address: { kind: "tcp", host: "127.0.0.1", port: port.number } } as const;
  const error = await assertRejects(() => Port.open(taken), AdminStartError);
  assertMatch(error.message, /Cannot start the admin API at 127\.0\.0\.1:\d+: .*in use/i);
  const files = { cert: "/nonexistent/cert.pem", key: "/nonexistent/key.pem" };
  const missing = await assertRejects(() => Port.open({ ...TCP, tls: files }), AdminStartError);
  assertMatch(missing.message, /admin\.tls\.(cert|key) must be a readable file/);
  const dir = await Deno.makeTempDir();
  await Deno.writeTextFile(`${dir}/x.pem`, "-----BEGIN SECRET-----");
  const garbage = await assertRejects(
    () => Port.open({ ...TCP, tls: { cert: `${dir}/x.pem`, key: `${dir}/x.pem` } }),
    AdminStartError,
  );
  assertMatch(garbage.message, /admin\.tls\.cert must hold a certificate/);
  assert(!garbage.message.includes("SECRET"));
  await Deno.remove(dir, { recursive: true });
});

Deno.test("admin port: a reload moves it, the new one before the old one goes", async () => {
  await using port = await Port.open();
  const before = port.url("/v1/live");
  const discarded = await port.server.prepare({ ...TCP, address: { kind: "tcp", host: "127.0.0.2", port: 0 } });
  discarded.discard();
  assertEquals((await (await fetch(before)).json()).status, "live");

  const events = await fetch(port.url("/v1/events"), { headers: AUTH });
  const prepared = await port.server.prepare({ ...TCP, address: { kind: "tcp", host: "127.0.0.3", port: 0 } });
  assertEquals((await (await fetch(before)).json()).status, "live");
  prepared.commit();
  assertMatch(port.server.address, /^127\.0\.0\.3:/);
  await events.body?.cancel();
  assertEquals((await (await fetch(port.url("/v1/live"))).json()).status, "live");
  await eventually(() => fetch(before).then(() => false, () => true), { what: "the end of the old port" });

  await using other = await Port.open();
  const taken = { ...TCP, address: { kind: "tcp", host: "127.0.0.1", port: other.number } } as const;
  await assertRejects(() => port.server.prepare(taken), AdminStartError);
  assertEquals((await (await fetch(port.url("/v1/live"))).json()).status, "live");
});

Deno.test("admin port: a reload changes tokens at once", async () => {
  await using port = await Port.open();
  const status = async (headers: HeadersInit) => {
    const response = await fetch(port.url("/v1/status"), { headers });
    await response.body?.cancel();
    return response.status;
  };
  assertEquals(await status(AUTH), 200);
  (await port.server.prepare({ ...TCP, tokens: TOKENS.slice(1) })).commit();
  assertEquals(await status(AUTH), 401);
  assertEquals(await status({ Authorization: "Bearer eyes-token" }), 200);
  await assertRejects(() => port.server.prepare({ ...TCP, tokens: [] }), AdminStartError);
  assertEquals(await status({ Authorization: "Bearer eyes-token" }), 200);
});
