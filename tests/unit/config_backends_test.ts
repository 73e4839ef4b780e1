/** Backends, mirror, fault, listeners and routes on their way into the plan; and what has to hold within a backend. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { allProblems, compilePlan, diffPlans, type Plan, type TenantPlan } from "../../src/config/mod.ts";
import { loadText, problemsOf, unmark, type World } from "./config_fixture.ts";
import { backendPlan, endpoint, ipv4, listener, NO_FAULT, route } from "./ffi_fixture.ts";

async function planOf(text: string, world: World = {}): Promise<Plan> {
  const result = await loadText(text, world);
  assertEquals(allProblems(result), []);
  assert(result.config !== null);
  return compilePlan(result.config, result.names);
}

async function tenantOf(keys: string, world: World = {}): Promise<TenantPlan> {
  const plan = await planOf(`tenants:\n  - id: acme\n${keys.replaceAll(/^(?=.)/gm, "    ")}`, world);
  return plan.tenants.get("acme")!;
}

const ENDPOINTS = '[{ id: a, address: "10.0.0.1:1" }]';
/** Three backends as far as where a canary is written. */
const SPLIT = `[{ id: a, endpoints: ${ENDPOINTS} }, { id: b, endpoints: ${ENDPOINTS} }, ` +
  "{ id: web, split: [{ backend: a, weight: 9 }, { backend: b, weight: 1 }]";
const A = endpoint("a", ipv4("10.0.0.1", 1));
const ten8 = { family: "ipv4", ip: "10.0.0.0", bits: 8 } as const;

describe("the plan of a backend", () => {
  it("has everything that is written, in the plan's units", async () => {
    const { backends } = await tenantOf(`
backends:
  - id: b
    balance: source_hash
    endpoints:
      - { id: a, address: "10.0.0.1:1" }
      - { id: spare, address: "10.0.0.2:1", tier: 3 }
    send_proxy_protocol: v2
    source_address: 10.9.9.9
    retry: { attempts: 5, backoff: 100ms, budget: 20% }
    health:
      passive: { failures: 2, window: 1s, eject_for: 3s, max_ejected: 25% }
      on_down: close
    circuit_breaker: { requests: 7, error_ratio: 12.5%, window: 4s, open_for: 6s, probes: 8 }
    slow_start: 9s
    panic_threshold: 30%
    preconnect: { min: 2, max: 11, idle: 12s }
`);
    assertEquals(backends, [backendPlan("b", {
      balance: "source_hash",
      endpoints: [A, endpoint("spare", ipv4("10.0.0.2", 1), { tier: 3 })],
      sendProxy: "v2",
      sourceAddress: ipv4("10.9.9.9", 0),
      attempts: 5,
      backoffMs: 100,
      retryBudgetPpm: 200_000,
      passive: { failures: 2, windowMs: 1000, ejectMs: 3000, maxEjectedPpm: 250_000 },
      onDown: "close",
      breaker: { requests: 7, errorPpm: 125_000, windowMs: 4000, openMs: 6000, probes: 8 },
      slowStartMs: 9000,
      panicPpm: 300_000,
      preconnect: { min: 2, max: 11, idleMs: 12_000 },
    })]);
  });

  it("has nothing on that is not written, and its defaults where a map is empty", async () => {
    const bare = await tenantOf(`backends: [{ id: b, endpoints: ${ENDPOINTS} }]`);
    assertEquals(bare.backends, [backendPlan("b", { endpoints: [A] })]);
    const empty = await tenantOf(
      `backends: [{ id: b, endpoints: ${ENDPOINTS}, health: { passive: {} }, circuit_breaker: {}, preconnect: {} }]`,
    );
    assertEquals(empty.backends, [backendPlan("b", {
      endpoints: [A],
      passive: { failures: 5, windowMs: 10_000, ejectMs: 30_000, maxEjectedPpm: 500_000 },
      breaker: { requests: 20, errorPpm: 500_000, windowMs: 10_000, openMs: 5000, probes: 1 },
    })]);
  });

  it("keeps as many connections ahead as min where max is left out", async () => {
    const of = async (preconnect: string) =>
      (await tenantOf(`backends: [{ id: b, endpoints: ${ENDPOINTS}, preconnect: ${preconnect} }]`)).backends[0]!
        .preconnect;
    assertEquals(await of("{ min: 3 }"), { min: 3, max: 3, idleMs: 60_000 });
    assertEquals(await of("{ max: 3 }"), { min: 0, max: 3, idleMs: 60_000 });
    assertEquals(await of("{ min: 0, max: 0 }"), null);
  });

  it("knows each way to balance", async () => {
    for (const way of ["round_robin", "least_connections", "random_two", "source_hash", "first", "least_time"]) {
      const { backends } = await tenantOf(`backends: [{ id: b, endpoints: ${ENDPOINTS}, balance: ${way} }]`);
      assertEquals(backends[0]?.balance, way as never);
    }
  });

  it("has the parts of a split and no endpoints", async () => {
    const { backends } = await tenantOf(`
backends:
  - { id: one, endpoints: ${ENDPOINTS} }
  - { id: two, endpoints: ${ENDPOINTS} }
  - { id: web, split: [{ backend: one, weight: 95 }, { backend: two, weight: 0 }] }
`);
    assertEquals(
      backends[2],
      backendPlan("web", {
        split: [{ backend: "one", weight: 95 }, { backend: "two", weight: 0 }],
      }),
    );
  });

  it("has the canary of a split, and its defaults", async () => {
    const { backends } = await tenantOf(
      `backends: ${SPLIT}, canary: { steps: [5, 100], step_for: 90s, ` +
        "abort_when: { error_ratio: 2.5%, connect_p99: 300ms } } }]",
    );
    const { revision: _, ...canary } = backends[2]!.canary!;
    assertEquals(canary, { steps: [5, 100], stepForMs: 90_000, errorPpm: 25_000, connectP99Ms: 300 });
    const bare = (await tenantOf(`backends: ${SPLIT}, canary: { steps: [100] } }]`)).backends[2]!.canary!;
    assertEquals([bare.stepForMs, bare.errorPpm, bare.connectP99Ms], [600_000, null, null]);
  });

  it("has another canary when its definition is another, and only then", async () => {
    const revisionOf = async (text: string, world: World = {}) =>
      (await tenantOf(`backends: ${text}`, world)).backends.at(-1)?.canary?.revision;
    const text = `[{ id: a, endpoints: [{ id: e, address: "10.0.0.1:1" }] }, ` +
      `{ id: b, endpoints: [{ id: e, address: "db.example:1", weight: 100 }], slow_start: 1s }, ` +
      "{ id: web, split: [{ backend: a, weight: 9 }, { backend: b, weight: 1 }], canary: { steps: [5, 100] } }]";
    const world = { hosts: { "db.example": ["10.0.0.7"] } };
    const revision = await revisionOf(text, world);
    for (
      const [from, to] of [["10.0.0.1:1", "10.0.0.2:1"], ["weight: 9", "weight: 7"], ["weight: 100", "state: drain"]]
    ) assertEquals(await revisionOf(text.replace(from!, to!), world), revision, to);
    assertEquals(await revisionOf(text, { hosts: { "db.example": ["10.0.0.8", "10.0.0.9"] } }), revision);
    const others = [["db.example:1", "db.example:2"], ["slow_start: 1s", "slow_start: 2s"], ["[5, 100]", "[6, 100]"]];
    for (const [from, to] of others) assert(await revisionOf(text.replace(from!, to!), world) !== revision, to);
    const turned = text.replace("backend: a", "backend: x").replace("backend: b", "backend: a");
    assert(await revisionOf(turned.replace("backend: x", "backend: b"), world) !== revision);
  });

  it("uses of a name's addresses those that can be reached from source_address", async () => {
    const hosts = { "db.example": ["10.0.0.7", "fd00::7"] };
    const named = (source: string) =>
      tenantOf(`backends: [{ id: b, endpoints: [{ id: a, address: "db.example:1" }], source_address: ${source} }]`, {
        hosts,
      });
    const ips = (plan: TenantPlan) =>
      plan.backends[0]!.endpoints.map(({ address }) => address.family === "unix" ? "" : address.ip);
    assertEquals(ips(await named("10.0.0.1")), ["10.0.0.7"]);
    assertEquals(ips(await named('"fd00::1"')), ["fd00::7"]);
    const six = await named('"fd00::1"');
    assertEquals(six.backends[0]!.sourceAddress, { family: "ipv6", ip: "fd00::1", port: 0, scopeId: 0 });
  });
});

describe("the plan of a tenant", () => {
  it("has its mirror and its faults, also from defaults", async () => {
    const both = `backends: [{ id: b, endpoints: ${ENDPOINTS} }, { id: shadow, endpoints: ${ENDPOINTS} }]`;
    const plan = await planOf(`
defaults: { mirror: { backend: shadow, share: 10% }, fault: { delay: 5ms, delay_share: 1% } }
tenants:
  - { id: acme, ${both} }
  - { id: globex, ${both}, mirror: { share: 100% }, fault: { reset_share: 2%, refuse_share: 0.5% } }
`);
    const [acme, globex] = [...plan.tenants.values()];
    assertEquals(acme?.mirror, { backend: "shadow", sharePpm: 100_000 });
    assertEquals(acme?.fault, { ...NO_FAULT, delayMs: 5, delayPpm: 10_000 });
    assertEquals(globex?.mirror, { backend: "shadow", sharePpm: 1_000_000 });
    assertEquals(globex?.fault, { delayMs: 5, delayPpm: 10_000, resetPpm: 20_000, refusePpm: 5_000 });
  });

  it("has its routes, names as clients send them, each once", async () => {
    const plan = await planOf(`
listeners: [{ id: edge, address: "[::]:8443", detect: tls }]
tenants:
  - id: acme
    backends: [{ id: b, endpoints: ${ENDPOINTS} }]
    routes:
      - { id: web, listener: edge, sni: ["Acme.Example.", "*.ACME.example", acme.example], alpn: [h2, h2], backend: b }
      - { id: old, listener: edge, sources: ["10.0.0.0/8", "::ffff:192.0.2.1"], default: true, backend: b }
`);
    assertEquals(plan.tenants.get("acme")?.routes, [
      route("web", "edge", { backend: "b", names: ["acme.example", "*.acme.example"], protocols: ["h2"] }),
      route("old", "edge", {
        backend: "b",
        sources: [ten8, { family: "ipv4", ip: "192.0.2.1", bits: 32 }],
        isDefault: true,
      }),
    ]);
  });

  it("has PROXY headers of its own listeners", async () => {
    const { listeners } = await tenantOf(`
backends: [{ id: b, endpoints: ${ENDPOINTS} }]
listeners:
  - { id: x, address: "1.1.1.1:1", backend: b, proxy_protocol: { accept: required, trusted: [10.0.0.0/8], timeout: 1s } }
  - { id: y, address: "1.1.1.1:2", backend: b, proxy_protocol: { accept: off, trusted: [10.0.0.0/8] } }
`);
    assertEquals(listeners, [
      listener("x", ipv4("1.1.1.1", 1), "b", 1, { proxyHeader: { trusted: [ten8], timeoutMs: 1000 } }),
      listener("y", ipv4("1.1.1.1", 2), "b"),
    ]);
  });
});

describe("the plan of shared listeners", () => {
  const EDGE = 'listeners: [{ id: edge, address: "[fe80::1%eth0]:8443-8444", detect: tls }]';

  it("is held by nobody that is a tenant, and limits nothing", async () => {
    const { shared, tenants } = await planOf(`
listeners:
  - { id: edge, address: "[fe80::1%eth0]:8443-8444", detect: tls }
  - { id: raw, address: "unix:/run/x", proxy_protocol: { accept: required, trusted: [10.0.0.0/8] } }
`);
    assertEquals(tenants.size, 0);
    assertEquals([shared?.id, shared?.enabled, shared?.limits.maxConnections, shared?.backends], ["", true, null, []]);
    assertEquals(shared?.listeners, [
      listener("edge", { family: "ipv6", ip: "fe80::1", port: 8443, scopeId: 7 }, null, 8444, {
        detect: { protocol: "tls", timeoutMs: 5000 },
      }),
      listener("raw", { family: "unix", path: "/run/x" }, null, 0, {
        proxyHeader: { trusted: [ten8], timeoutMs: 3000 },
      }),
    ]);
  });

  it("is none without any, and told apart from the plan before", async () => {
    const [none, edge] = [await planOf("version: 1"), await planOf(EDGE)];
    assertEquals(none.shared, null);
    assertEquals(diffPlans(null, none), { process: none.process, upserts: [], removals: [] });
    assertEquals(diffPlans(none, edge), { shared: edge.shared, upserts: [], removals: [] });
    assertEquals(diffPlans(edge, none), { shared: null, upserts: [], removals: [] });
    assertEquals(diffPlans(edge, await planOf(EDGE)), { upserts: [], removals: [] });
  });

  it("needs its interface to be there", async () => {
    const [problem] = await problemsOf('listeners: [{ id: edge, address: "[fe80::1%wlan9]:1" }]');
    assertEquals(problem?.path, "listeners[0].address");
  });
});

describe("a backend", () => {
  const rows: readonly (readonly [name: string, backends: string, path: string, message: RegExp, remedy: RegExp])[] = [
    [
      "split into one that is split",
      `[{ id: a, endpoints: ${ENDPOINTS} }, { id: b, split: [{ backend: a, weight: 1 }] }, ` +
      "{ id: c, split: [{ backend: ^^b, weight: 1 }] }]",
      "backends[2].split[0].backend",
      /endpoints: b is split itself/,
      /name the parts/,
    ],
    [
      "split into itself",
      "[{ id: a, split: [{ backend: ^^a, weight: 1 }] }]",
      "backends[0].split[0].backend",
      /a is split itself/,
      /name the parts/,
    ],
    [
      "split into one twice",
      `[{ id: a, endpoints: ${ENDPOINTS} }, { id: b, split: [{ backend: a, weight: 1 }, { backend: ^^a, weight: 2 }] }]`,
      "backends[1].split[1].backend",
      /named once: a is a part already/,
      /add up/,
    ],
    [
      "split into one that is not there",
      `[{ id: a, endpoints: ${ENDPOINTS} }, { id: b, split: [{ backend: ^^aa, weight: 1 }] }]`,
      "backends[1].split[0].backend",
      /a backend of this tenant: current value is "aa"/,
      /did you mean a\?|use one of a, b/,
    ],
    [
      "split into nothing",
      `[{ id: a, endpoints: ${ENDPOINTS} }, { id: b, split: ^^[{ backend: a, weight: 0 }] }]`,
      "backends[1].split",
      /whose weight is not 0/,
      /raise/,
    ],
    [
      "split, with what only its parts can do",
      `[{ id: a, endpoints: ${ENDPOINTS} }, { id: b, ^^circuit_breaker: {}, split: [{ backend: a, weight: 1 }] }]`,
      "backends[1].circuit_breaker",
      /must not be set beside split/,
      /on the backends of the split/,
    ],
    [
      "with a canary beside more than one other part",
      `[{ id: a, endpoints: ${ENDPOINTS} }, { id: b, endpoints: ${ENDPOINTS} }, { id: web, canary: { steps: [100] }, ` +
      `split: ^^[{ backend: a, weight: 1 }, { backend: b, weight: 1 }, { backend: c, weight: 1 }] }, ` +
      `{ id: c, endpoints: ${ENDPOINTS} }]`,
      "backends[2].split",
      /two parts beside canary, the stable one and the canary: it has 3/,
      /name two backends/,
    ],
    [
      "with steps of a canary that do not rise",
      `${SPLIT}, canary: { steps: [5, 30, ^^30, 100] } }]`,
      "backends[2].canary.steps[2]",
      /more than the step before it, 30: current value is 30/,
      /let the steps rise/,
    ],
    [
      "with a canary that stops half-way",
      `${SPLIT}, canary: { steps: ^^[5, 30] } }]`,
      "backends[2].canary.steps",
      /must end with 100: the last step is 30/,
      /add 100/,
    ],
    [
      "with a step of a canary that is none",
      `${SPLIT}, canary: { steps: [^^0, 100] } }]`,
      "backends[2].canary.steps[0]",
      /from 1 to 100/,
      /from 1 to 100/,
    ],
    [
      "with more steps than a canary may have",
      `${SPLIT}, canary: { steps: ^^[${Array.from({ length: 21 }, (_, index) => index + 80).join()}] } }]`,
      "backends[2].canary.steps",
      /at most 20 entries/,
      /take some out/,
    ],
    [
      "with fewer connections ahead than it shall keep",
      `[{ id: a, endpoints: ${ENDPOINTS}, preconnect: { min: 5, max: ^^4 } }]`,
      "backends[0].preconnect.max",
      /at least min, 5: current value is 4/,
      /raise it to 5/,
    ],
    [
      "that is to reach IPv6 from an IPv4 address",
      '[{ id: a, source_address: 10.0.0.1, endpoints: [{ id: e, address: ^^"[fd00::1]:1" }] }]',
      "backends[0].endpoints[0].address",
      /of the family of source_address, 10\.0\.0\.1: it is IPv6/,
      /of that family/,
    ],
    [
      "that connects from a link-local address",
      `[{ id: a, source_address: ^^"fe80::1%eth0", endpoints: ${ENDPOINTS} }]`,
      "backends[0].source_address",
      /without a zone/,
      /not link-local/,
    ],
    [
      "that connects from a port",
      `[{ id: a, source_address: ^^"10.0.0.1:80", endpoints: ${ENDPOINTS} }]`,
      "backends[0].source_address",
      /an IP address without a port/,
      /write an address/,
    ],
  ];
  for (const [name, backends, path, message, remedy] of rows) {
    it(`${name} is an error with its place`, async () => {
      const { text, spots } = unmark(`tenants: [{ id: t, backends: ${backends} }]`);
      const problems = await problemsOf(text);
      assertEquals(problems.map(({ line, column }) => ({ line, column })), spots);
      assertEquals(problems[0]?.path, `tenants[0].${path}`);
      assertMatch(problems[0]!.message, message);
      assertMatch(problems[0]!.remedy, remedy);
    });
  }

  it("that is split is none to mirror to", async () => {
    const { text, spots } = unmark(
      `tenants: [{ id: t, mirror: { backend: ^^b }, backends: [{ id: a, endpoints: ${ENDPOINTS} }, ` +
        "{ id: b, split: [{ backend: a, weight: 1 }] }] }]",
    );
    const problems = await problemsOf(text);
    assertEquals(problems.map(({ line, column }) => ({ line, column })), spots);
    assertMatch(problems[0]!.message, /b is split/);
  });
});
