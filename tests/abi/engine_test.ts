/** The engine through its real library: its life, what it takes and refuses, and names in all that it tells. */
import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { PlanChange, TenantPlan } from "../../src/config/mod.ts";
import { DataPlaneError, Engine, type LogRecord, type SessionFilter, type SessionRecord } from "../../src/ffi/mod.ts";
import { eventually } from "../helpers/eventually.ts";
import { backendPlan, endpoint, ipv4, listener, NO_LIMITS, PROCESS, tenant } from "../unit/ffi_fixture.ts";

const ALL = { ...PROCESS, accessSamplePpm: 1_000_000, accessProgressMs: 0, maxConnections: null };

function upsert(...upserts: TenantPlan[]): PlanChange {
  return { process: ALL, upserts, removals: [] };
}

function start(): Engine {
  const engine = Engine.create({ workers: 2, logRingBytes: 65_536 });
  engine.start();
  return engine;
}

/** A backend that says its name, and closes when the client has. */
function greeter(name: string): Disposable & { readonly port: number } {
  const server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const greet = async (conn: Deno.Conn) => {
    using _ = conn;
    await conn.write(new TextEncoder().encode(name));
    while (await readSome(conn) !== null);
  };
  const accepting = (async () => {
    for await (const conn of server) greet(conn).catch(() => {});
  })();
  accepting.catch(() => {});
  return { port: server.addr.port, [Symbol.dispose]: () => server.close() };
}

/** A tenant whose listener leads to a port. */
function towards(port: number, parts: Partial<TenantPlan> = {}): TenantPlan {
  const endpoints = [endpoint("a", ipv4("127.0.0.1", port))];
  return tenant("acme", {
    backends: [backendPlan("pool", { attempts: 1, endpoints })],
    ...parts,
  });
}

function boundPort(engine: Engine, name = "acme"): number {
  const found = engine.listenerStats().find((one) => one.tenant === name);
  assert(found?.bound?.family === "ipv4");
  return found.bound.port;
}

async function connectTo(port: number): Promise<Deno.TcpConn> {
  return await Deno.connect({ hostname: "127.0.0.1", port });
}

async function readSome(conn: Deno.Conn): Promise<string | null> {
  const buffer = new Uint8Array(256);
  const got = await conn.read(buffer);
  return got === null ? null : new TextDecoder().decode(buffer.subarray(0, got));
}

async function nextSession(engine: Engine): Promise<SessionRecord> {
  return await eventually(() =>
    engine.drainLog().records.find((record): record is SessionRecord => record.kind === "session")
  );
}

describe("Engine", () => {
  it("goes from created to stopped, and takes configurations only while it runs", async () => {
    await using engine = Engine.create({ workers: 2 });
    const created = engine.status();
    assertEquals([created.state, created.workers, created.generation], ["created", 2, 0]);
    engine.start();
    assertEquals(assertThrows(() => engine.start(), DataPlaneError).code, "E_STATE");
    engine.apply(upsert(tenant("acme")), 1);
    const running = engine.status();
    assertEquals([running.state, running.generation, running.tenants, running.listeners], ["running", 1, 1, 1]);
    engine.drain(0);
    assertEquals(engine.status().state, "draining");
    await engine.stop();
    assertEquals(engine.status().state, "stopped");
    assertEquals(assertThrows(() => engine.apply(upsert(), 2), DataPlaneError).code, "E_STATE");
    assertEquals(engine.drainLog().records, []);
  });

  it("refuses calls while it stops and after it is gone, and may be disposed of twice", async () => {
    const engine = start();
    const stopped = engine.stop();
    assertEquals(assertThrows(() => engine.status(), DataPlaneError).code, "E_STATE");
    assertEquals([engine.drainLog().records, engine.workerStats()], [[], []]);
    await assertRejects(() => engine.stop(), DataPlaneError);
    await stopped;
    await engine[Symbol.asyncDispose]();
    await engine[Symbol.asyncDispose]();
    assertEquals(assertThrows(() => engine.status(), DataPlaneError).message.includes("disposed"), true);
  });

  it("refuses options that are out of bounds", () => {
    for (const options of [{ workers: 0 }, { workers: 65 }, { workers: 1, logRingBytes: 5000 }]) {
      const error = assertThrows(() => Engine.create(options), DataPlaneError);
      assertEquals(error.code, "E_ARGUMENT");
    }
  });

  it("forwards, and tells the session by names", async () => {
    using backend = greeter("hello");
    await using engine = start();
    engine.apply(upsert(towards(backend.port)), 1);
    const conn = await connectTo(boundPort(engine));
    assertEquals(await readSome(conn), "hello");
    assertEquals(engine.status().sessionsActive, 1);
    assertEquals(
      engine.endpointStats().map((
        { tenant, backend, endpoint, sessionsActive },
      ) => [tenant, backend, endpoint, sessionsActive]),
      [["acme", "pool", "a", 1]],
    );
    await conn.write(new TextEncoder().encode("bye"));
    const { port: localPort } = conn.localAddr;
    assertEquals(engine.killSessions({ tenant: "nobody" }), 0);
    assertEquals(engine.killSessions({ tenant: "acme" }), 1);
    const record = await nextSession(engine);
    conn.close();
    assertEquals(
      [record.tenant, record.listener, record.route, record.backend, record.endpoint],
      ["acme", "in", null, "pool", "a"],
    );
    assertEquals([record.client, record.clientPort, record.code, record.reason], [
      "127.0.0.1",
      localPort,
      "KD",
      "killed",
    ]);
    assertEquals([record.bytesDown, record.attempts, record.progress, record.queueUs], [5, 1, false, null]);
    assert(/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(record.session), record.session);
    assert(Math.abs(record.timeMs - Date.now()) < 60_000, `${record.timeMs}`);
    assert(record.connectUs !== null && record.firstByteUs !== null && record.totalUs !== null);
    assert(record.firstByteUs <= record.totalUs);
    const [stats] = engine.tenantStats();
    assertEquals([stats?.tenant, stats?.sessionsTotal, stats?.sessionsActive, stats?.bytesDown], ["acme", 1, 0, 5]);
    assertEquals([...stats?.closed ?? []], [["KD", 1]]);
    assertEquals(stats?.sessionBuckets.reduce((sum, count) => sum + count, 0), 1);
    assertEquals(engine.listenerStats()[0]?.sessionsTotal, 1);
    assertEquals(engine.workerStats().length, 2);
  });

  it("lists live sessions by names, in pages, and finds one by its ULID", async () => {
    using backend = greeter("hello");
    await using engine = start();
    engine.apply(upsert(towards(backend.port), tenant("globex")), 1);
    const conns = await Promise.all([1, 2, 3, 4, 5].map(() => connectTo(boundPort(engine))));
    for (const conn of conns) assertEquals(await readSome(conn), "hello");
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page = engine.sessions({ tenant: "acme" }, 2, cursor);
      seen.push(...page.sessions.map((one) => one.session));
      cursor = page.cursor;
    } while (cursor !== null);
    assertEquals([seen.length, new Set(seen).size], [5, 5]);
    const live = engine.session(seen[0] ?? "");
    assertEquals(
      [live?.tenant, live?.listener, live?.backend, live?.endpoint, live?.client, live?.bytesDown, live?.state],
      ["acme", "in", "pool", "a", "127.0.0.1", 5, "relaying"],
    );
    assertEquals([live?.code, live?.reason, live?.drainInMs], [null, null, null]);
    const count = (filter: SessionFilter) => engine.sessions(filter, 100, null).sessions.length;
    assertEquals(count({}), 5);
    assertEquals(count({ tenant: "acme", backend: "pool", endpoint: "a", source: "127.0.0.0/8" }), 5);
    assertEquals(count({ tenant: "globex" }), 0);
    assertEquals(count({ tenant: "nobody" }), 0);
    assertEquals(count({ source: "192.0.2.0/24" }), 0);
    assertEquals(count({ source: "::/0" }), 0);
    assertEquals(count({ olderThanMs: 3_600_000 }), 0);
    assertEquals([engine.session("01ARZ3NDEKTSV4RRFFQ69G5FAV"), engine.session("none")], [null, null]);
    assertThrows(() => engine.sessions({ source: "here" }, 1, null), TypeError, "source must be");
    assertThrows(() => engine.sessions({}, 1, "?"), TypeError, "cursor must be");
    assertThrows(() => engine.sessions({}, 0, null), RangeError, "limit must be");
    assertEquals(engine.killSessions({ session: seen[0] ?? "" }), 1);
    assertEquals(engine.killSessions({ session: seen[0] ?? "" }), 0);
    assertEquals(count({}), 4);
    for (const conn of conns) conn.close();
  });

  it("drains a tenant's sessions, also those of its earlier self", async () => {
    using backend = greeter("hello");
    await using engine = start();
    engine.apply(upsert(towards(backend.port)), 1);
    const before = await connectTo(boundPort(engine));
    assertEquals(await readSome(before), "hello");
    engine.apply({ upserts: [], removals: ["acme"] }, 2);
    engine.apply(upsert(towards(backend.port)), 3);
    const after = await connectTo(boundPort(engine));
    assertEquals(await readSome(after), "hello");
    assertEquals(engine.drainSessions("nobody", 0), 0);
    assertEquals(engine.drainSessions("acme", 60_000), 2);
    const left = engine.sessions({ tenant: "acme" }, 10, null).sessions.map((one) => one.drainInMs ?? Infinity);
    assertEquals(left.length, 2);
    assert(left.every((ms) => ms <= 60_000), `${left}`);
    assertEquals(engine.drainSessions("acme", 0), 2);
    assertEquals(engine.status().sessionsActive, 0);
    assertEquals([await readSome(before), await readSome(after)], [null, null]);
    before.close();
    after.close();
  });

  it("counts a refused session by its reason", async () => {
    await using engine = start();
    engine.apply(upsert(towards(9, { limits: { ...NO_LIMITS, maxConnections: 0 } })), 1);
    const conn = await connectTo(boundPort(engine));
    assertEquals(await readSome(conn), null);
    conn.close();
    const record = await nextSession(engine);
    assertEquals([record.code, record.reason, record.backend], ["PR", "tenant_connections", null]);
    assertEquals([...engine.tenantStats()[0]?.refused ?? []], [["tenant_connections", 1]]);
    assertEquals([...engine.tenantStatsOf("acme")?.refused ?? []], [["tenant_connections", 1]]);
  });

  it("tells one tenant by its name, what is left in its buckets, and its busiest sources", async () => {
    using backend = greeter("hello");
    await using engine = start();
    const bucket = { ratePer1000s: 1, burst: 5 };
    const perSource = { ...NO_LIMITS.perSource, maxConnections: 9, ipv4Bits: 24 };
    const limits = { ...NO_LIMITS, connectionRate: bucket, perSource };
    engine.apply(upsert(tenant("globex"), towards(backend.port, { limits })), 1);
    assertEquals([engine.tenantStatsOf("nobody"), engine.sourcesOf("nobody", 3)], [null, []]);
    const conns = await Promise.all([1, 2].map(() => connectTo(boundPort(engine))));
    for (const conn of conns) assertEquals(await readSome(conn), "hello");
    const { tenant: name, sessionsActive, sessionTokens, downTokens } = engine.tenantStatsOf("acme")!;
    assertEquals([name, sessionsActive, sessionTokens, downTokens], ["acme", 2, 3, null]);
    assertEquals(engine.sourcesOf("acme", 3), [{ family: "ipv4", ip: "127.0.0.0", sessions: 2 }]);
    assertEquals(engine.sourcesOf("globex", 3), []);
    for (const conn of conns) conn.close();
  });

  it("refuses who is on no allow list, and names the notice of it", async () => {
    await using engine = start();
    const access = { allow: [{ family: "ipv4", ip: "10.0.0.0", bits: 8 }], deny: [] } as const;
    engine.apply(upsert(towards(9, { access })), 1);
    const conn = await connectTo(boundPort(engine));
    assertEquals(await readSome(conn), null);
    conn.close();
    const found: LogRecord[] = [];
    await eventually(() => {
      found.push(...engine.drainLog().records);
      return found.some(({ kind }) => kind === "notice") && found.some(({ kind }) => kind === "session");
    });
    const notice = found.find((one) => one.kind === "notice");
    assert(notice?.notice === "refusing");
    assertEquals([notice.tenant, notice.reason], ["acme", "denied"]);
  });

  it("keeps all of the old configuration when an address cannot be bound, and says whose it is", async () => {
    using taken = greeter("mine");
    await using engine = start();
    engine.apply(upsert(tenant("acme")), 1);
    const port = boundPort(engine);
    const listeners = [
      listener("free", ipv4("127.0.0.1", 0)),
      listener("taken", ipv4("127.0.0.1", taken.port)),
    ];
    const change = upsert(tenant("globex", { listeners }), tenant("acme", { listeners: [] }));
    const error = assertThrows(() => engine.apply(change, 2), DataPlaneError);
    assertEquals([error.code, error.errno], ["E_BIND", "EADDRINUSE"]);
    assertEquals(error.subject, { tenant: "globex", listener: "taken", address: `127.0.0.1:${taken.port}` });
    const status = engine.status();
    assertEquals([status.generation, status.tenants, status.listeners], [1, 1, 1]);
    assertEquals(boundPort(engine), port);
    (await connectTo(port)).close();
  });

  it("keeps a listener's socket over changes, and frees what is removed", async () => {
    using backend = greeter("hello");
    await using engine = start();
    engine.apply(upsert(towards(backend.port), tenant("globex")), 1);
    const [port, gone] = [boundPort(engine), boundPort(engine, "globex")];
    const waiting = await connectTo(port);
    assertEquals(await readSome(waiting), "hello");
    const change = { upserts: [towards(backend.port, { enabled: false })], removals: ["globex"] };
    engine.apply(change, 2);
    assertEquals(boundPort(engine), port);
    assertEquals(engine.status().sessionsActive, 1);
    await assertRejects(() => connectTo(gone), Deno.errors.ConnectionRefused);
    waiting.close();
    const ended = await nextSession(engine);
    assertEquals([ended.tenant, ended.listener, ended.endpoint], ["acme", "in", "a"]);
  });

  it("still knows the names of what was removed when its sessions end", async () => {
    using backend = greeter("hello");
    await using engine = start();
    engine.apply(upsert(towards(backend.port)), 1);
    const conn = await connectTo(boundPort(engine));
    assertEquals(await readSome(conn), "hello");
    engine.apply({ upserts: [], removals: ["acme"] }, 2);
    // Come back before the old one's session has ended: another tenant of the same name.
    engine.apply(upsert(towards(backend.port)), 3);
    assertEquals(engine.status().sessionsActive, 1);
    conn.close();
    const record = await nextSession(engine);
    assertEquals([record.tenant, record.listener, record.backend, record.endpoint], ["acme", "in", "pool", "a"]);
    assertEquals(engine.tenantStats().find((one) => one.tenant === "acme" && one.sessionsTotal > 0), undefined);
  });

  it("refuses what a blob must not hold, and names it", async () => {
    await using engine = start();
    const pool = (parts: Partial<TenantPlan["backends"][number]>) =>
      tenant("acme", {
        backends: [backendPlan("pool", { attempts: 1, ...parts })],
      });
    const noAttempts = assertThrows(() => engine.apply(upsert(pool({ attempts: 0 })), 1), DataPlaneError);
    assertEquals([noAttempts.code, noAttempts.subject], ["E_BLOB", { tenant: "acme", backend: "pool" }]);
    assert(noAttempts.message.includes("attempts"), noAttempts.message);
    const heavy = pool({ endpoints: [endpoint("a", ipv4("127.0.0.1", 9), { weight: 70_000 })] });
    const tooHeavy = assertThrows(() => engine.apply(upsert(heavy), 1), DataPlaneError);
    assertEquals([tooHeavy.code, tooHeavy.subject.endpoint], ["E_BLOB", "a"]);
    engine.apply(upsert(tenant("acme")), 5);
    assertEquals(assertThrows(() => engine.apply(upsert(), 5), DataPlaneError).code, "E_BLOB");
    assertEquals(engine.status().generation, 5);
  });

  it("only checks when it is asked to", async () => {
    await using engine = start();
    engine.check(upsert(tenant("acme")), 1);
    assertEquals([engine.status().generation, engine.status().tenants], [0, 0]);
    engine.apply(upsert(tenant("acme")), 1);
    assertNotEquals(boundPort(engine), 0);
  });

  it("reads statistics in portions", async () => {
    await using engine = start();
    const names = Array.from({ length: 150 }, (_, index) => `t${index}`);
    engine.apply(upsert(...names.map((name) => tenant(name, { listeners: [] }))), 1);
    const found = engine.tenantStats().map((one) => one.tenant ?? "");
    assertEquals(found.toSorted(), names.toSorted());
    assertEquals(engine.endpointStats().length, 150);
    assertEquals(engine.listenerStats(), []);
  });

  it("closes what is left as drained when it stops, and gives the records after it", async () => {
    using backend = greeter("hello");
    await using engine = start();
    engine.apply(upsert(towards(backend.port)), 1);
    const conns = await Promise.all([1, 2, 3].map(() => connectTo(boundPort(engine))));
    for (const conn of conns) assertEquals(await readSome(conn), "hello");
    await engine.stop();
    const records = engine.drainLog().records;
    assertEquals(records.map((record) => record.kind === "session" && `${record.code} ${record.reason}`), [
      "KD drained",
      "KD drained",
      "KD drained",
    ]);
    for (const conn of conns) conn.close();
  });
});
