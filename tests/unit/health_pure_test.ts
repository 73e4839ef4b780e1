/** The parts of health checks that touch nothing: counting, headers, answers, order, turns, targets. */
import { assertEquals, assertNotEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { TenantConfig } from "../../src/config/mod.ts";
import { tenantSchema } from "../../src/config/schema_tenant.ts";
import { afterResult, UNCHECKED } from "../../src/health/check_state.ts";
import { DueHeap } from "../../src/schedule/due_heap.ts";
import { FairQueue } from "../../src/schedule/fair_queue.ts";
import { requestBytes, statusOf } from "../../src/health/http_answer.ts";
import { targetsOf } from "../../src/health/mod.ts";
import { proxyHeader } from "../../src/health/proxy_header.ts";
import { keyOf } from "../../src/health/target.ts";

describe("check state", () => {
  /** Health after each of some results, `+` good and `-` bad, from the beginning. */
  const course = (results: string, thresholds = { rise: 2, fall: 3 }) => {
    let state = UNCHECKED;
    return [...results].map((result) => {
      state = afterResult(state, result === "+", thresholds);
      return state.health;
    });
  };

  it("is settled by the first result, for better or worse", () => {
    assertEquals(course("+"), ["up"]);
    assertEquals(course("-"), ["down"]);
  });

  it("goes down after as many bad results in a row as fall says, and up as rise says", () => {
    assertEquals(course("+---++"), ["up", "up", "up", "down", "down", "up"]);
    assertEquals(course("-+-++"), ["down", "down", "down", "down", "up"]);
    assertEquals(course("+--+--"), Array(6).fill("up"));
    assertEquals(course("+-+-", { rise: 1, fall: 1 }), ["up", "down", "up", "down"]);
  });
});

describe("PROXY header", () => {
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

  it("is LOCAL in version 2", () => {
    assertEquals(
      [...proxyHeader("v2", null)],
      [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x20, 0x00, 0x00, 0x00],
    );
  });

  it("names the connection itself in version 1, where it has a name", () => {
    const v4 = {
      family: "ipv4",
      localIp: "127.0.0.1",
      localPort: 40000,
      remoteIp: "127.0.0.2",
      remotePort: 80,
    } as const;
    assertEquals(text(proxyHeader("v1", v4)), "PROXY TCP4 127.0.0.1 127.0.0.2 40000 80\r\n");
    const v6 = {
      family: "ipv6",
      localIp: "fe80::2%eth0",
      localPort: 1,
      remoteIp: "fe80::1%eth0",
      remotePort: 2,
    } as const;
    assertEquals(text(proxyHeader("v1", v6)), "PROXY TCP6 fe80::2 fe80::1 1 2\r\n");
    assertEquals(text(proxyHeader("v1", null)), "PROXY UNKNOWN\r\n");
  });
});

describe("HTTP answer", () => {
  it("gives its status as soon as the line is whole", () => {
    assertEquals(statusOf("HTTP/1.1 200 OK\r\n"), 200);
    assertEquals(statusOf("HTTP/1.0 503 Service Unavailable\nServer: x"), 503);
    assertEquals(statusOf("HTTP/1.1 204\r\n"), 204);
    for (const part of ["", "H", "HTTP/1.", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK\r"]) {
      assertEquals(statusOf(part), undefined);
    }
  });

  it("passes over interim answers", () => {
    assertEquals(statusOf("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 404 No\r\n"), 404);
    assertEquals(statusOf("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 "), undefined);
    assertEquals(statusOf("HTTP/1.1 100 Continue\r\nX: y\r\n"), undefined);
    assertEquals(statusOf("HTTP/1.1 101 Switching Protocols\r\n"), 101);
  });

  it("knows what is none", () => {
    for (
      const other of [
        "SSH-2.0-OpenSSH\r\n",
        "X",
        "HTTP/2 200\r\n",
        "HTTP/1.1 20 x\r\n",
        "\r\n",
        "HTTP/1." + "1".repeat(2000),
      ]
    ) {
      assertEquals(statusOf(other), null, other);
    }
  });

  it("is asked for with Host, and closed after", () => {
    assertEquals(
      new TextDecoder().decode(requestBytes("/health", "acme.example:8080")),
      "GET /health HTTP/1.1\r\nHost: acme.example:8080\r\nUser-Agent: sluice-health\r\nAccept: */*\r\n" +
        "Connection: close\r\n\r\n",
    );
  });
});

describe("due heap", () => {
  it("gives what is due, in order", () => {
    const heap = new DueHeap<{ dueMs: number }>();
    let seed = 1;
    const times = Array.from({ length: 500 }, () => seed = seed * 48271 % 2147483647);
    for (const dueMs of times) heap.push({ dueMs });
    const sorted = times.toSorted((one, other) => one - other);
    const middle = sorted[250]!;
    const taken: number[] = [];
    for (let next = heap.takeDue(middle); next !== undefined; next = heap.takeDue(middle)) taken.push(next.dueMs);
    assertEquals(taken, sorted.slice(0, 251));
    assertEquals(heap.nextMs, sorted[251]);
    assertEquals(heap.size, 249);
  });
});

describe("fair queue", () => {
  it("lets owners take turns, each with a bounded number running", () => {
    const queue = new FairQueue<string>({ most: 4, mostOfOne: 2 });
    for (const entry of ["a1", "a2", "a3", "a4"]) queue.add("a", entry);
    queue.add("b", "b1");
    const takeAll = () => {
      const taken: string[] = [];
      for (let next = queue.take(); next !== undefined; next = queue.take()) taken.push(next.entry);
      return taken;
    };
    assertEquals(takeAll(), ["a1", "b1", "a2"]);
    queue.add("c", "c1");
    queue.add("c", "c2");
    assertEquals(takeAll(), ["c1"]);
    assertEquals(queue.running, 4);
    queue.done("a");
    assertEquals(takeAll(), ["c2"]);
    queue.done("b");
    assertEquals(takeAll(), ["a3"]);
    for (const owner of ["a", "a", "c", "c"]) queue.done(owner);
    assertEquals(takeAll(), ["a4"]);
    queue.done("a");
    assertEquals(queue.running, 0);
  });
});

describe("targets", () => {
  const tenant = (backend: Record<string, unknown>, enabled = true) =>
    tenantSchema.parse({
      id: "acme",
      enabled,
      backends: [{
        id: "pool",
        endpoints: [
          { id: "a", address: "db.example.:5432" },
          { id: "b", address: "127.0.0.1:80", state: "maintenance" },
          { id: "c", address: "unix:/run/c.sock", state: "drain" },
          { id: "d", address: "[::1]:80" },
        ],
        ...backend,
      }, { id: "other", endpoints: [{ id: "z", address: "127.0.0.1:1" }] }],
    }) as TenantConfig;
  const address = (ip: string, port: number) =>
    ({ family: ip.includes(":") ? "ipv6" : "ipv4", ip, port, scopeId: 0 }) as const;
  const plan = {
    backends: [{
      id: "pool",
      endpoints: [
        { id: "a", address: address("192.0.2.1", 5432) },
        { id: "a", address: address("192.0.2.2", 5432) },
        { id: "b", address: address("127.0.0.1", 80) },
        { id: "c", address: { family: "unix", path: "/run/c.sock" } },
        { id: "d", address: address("::1", 80) },
      ],
    }, { id: "other", endpoints: [{ id: "z", address: address("127.0.0.1", 1) }] }],
  } as unknown as Parameters<typeof targetsOf>[1];

  it("are all addresses of endpoints that are checked, but not in maintenance or of a disabled tenant", () => {
    const active = { type: "tcp", interval: "1s", rise: 1 };
    const found = targetsOf(
      tenant({ health: { active }, send_proxy_protocol: "v2", source_address: "127.0.0.1" }),
      plan,
    );
    assertEquals(found.map(({ endpoint, rise, fall }) => ({ endpoint, rise, fall })), [
      { endpoint: "a", rise: 1, fall: 3 },
      { endpoint: "a", rise: 1, fall: 3 },
      { endpoint: "c", rise: 1, fall: 3 },
      { endpoint: "d", rise: 1, fall: 3 },
    ]);
    assertEquals(found[1]!.spec, {
      address: address("192.0.2.2", 5432),
      sourceAddress: "127.0.0.1",
      proxyHeader: "v2",
      trial: { type: "tcp" },
      intervalMs: 1000,
      jitterPpm: 100_000,
      timeoutMs: 2000,
    });
    assertEquals(targetsOf(tenant({ health: { active } }, false), plan), []);
    assertEquals(targetsOf(tenant({}), plan), []);
  });

  it("say what is tried", () => {
    const trials = (active: Record<string, unknown>) =>
      targetsOf(tenant({ health: { active } }), plan).map(({ spec }) => spec.trial);
    const http = { type: "http", path: "/", status: null } as const;
    assertEquals(trials({ type: "http" }), [
      { ...http, host: "db.example:5432" },
      { ...http, host: "db.example:5432" },
      { ...http, host: "localhost" },
      { ...http, host: "[::1]" },
    ]);
    assertEquals(trials({ type: "http", host: "x", path: "/h", status: 204 })[0], {
      type: "http",
      host: "x",
      path: "/h",
      status: 204,
    });
    assertEquals(trials({ type: "tls", host: "x.example:1", verify: true })[3], {
      type: "tls",
      serverName: "x.example",
      verify: true,
    });
    assertEquals(
      trials({ type: "tls" }).map((trial) => trial.type === "tls" && trial.serverName),
      ["db.example", "db.example", null, null],
    );
    assertEquals(trials({ type: "expect", send: "PING\\r\\n", expect: "hex:2b" })[0], {
      type: "expect",
      send: "50494e470d0a",
      expect: "2b",
    });
  });

  it("share a check when nothing about it differs", () => {
    const specOf = (backend: Record<string, unknown>) => targetsOf(tenant(backend), plan)[0]!.spec;
    const base = { health: { active: { type: "http" } } };
    assertEquals(keyOf(specOf(base)), keyOf(specOf({ health: { active: { type: "http", rise: 9, fall: 9 } } })));
    for (
      const other of [
        { health: { active: { type: "tcp" } } },
        { health: { active: { type: "http", path: "/x" } } },
        { health: { active: { type: "http", status: 200 } } },
        { health: { active: { type: "http", interval: "1s" } } },
        { health: { active: { type: "http", timeout: "1s" } } },
        { ...base, send_proxy_protocol: "v1" },
        { ...base, source_address: "127.0.0.1" },
      ]
    ) assertNotEquals(keyOf(specOf(base)), keyOf(specOf(other)), JSON.stringify(other));
  });
});
