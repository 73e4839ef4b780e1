/** From a configuration to a plan, and from one plan to the next. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { allProblems, compilePlan, diffPlans, isEmptyChange, loadConfig, type Plan } from "../../src/config/mod.ts";
import { systemLoadDeps } from "../../src/config/mod.ts";
import { fakeDeps, GOOD_TENANT, loadText, type World } from "./config_fixture.ts";
import { backendPlan, endpoint, listener, NO_FAULT, NO_LIMITS } from "./ffi_fixture.ts";

async function planOf(text: string, world: World = {}): Promise<Plan> {
  const result = await loadText(text, world);
  assertEquals(allProblems(result), []);
  assert(result.config !== null);
  return compilePlan(result.config, result.names);
}

const FULL = `
limits: { max_connections: 1000 }
log: { access: { sample: 0.25, progress: 10s } }
tenants:
  - id: acme
    enabled: false
    labels: { plan: gold }
    limits: { max_connections: 0, on_limit: reset }
    timeouts:
      { connect: 1s, first_byte: 2s, idle: 3s, half_close: 4s, max_duration: 5s, max_duration_jitter: 10%, drain: 6s }
    tcp:
      keepalive: { idle: 1m, interval: 5s, probes: 4 }
      user_timeout: 20s
      reset_propagation: to_backend
    listeners:
      - { id: one, address: "0.0.0.0:5432", backend: pg }
      - { id: many, address: "[fe80::1%eth0]:7000-7009", backend: pg }
      - { id: path, address: "unix:/run/a.sock", backend: pg }
    backends:
      - id: pg
        balance: least_connections
        retry: { attempts: 2 }
        endpoints:
          - { id: a, address: "10.0.0.5:5432", weight: 7, max_connections: 0, state: drain }
          - { id: b, address: "db.example:5432", state: maintenance }
          - { id: u, address: "unix:@pg" }
  - id: plain
`;

Deno.test("config plan: every value arrives in the plan's units", async () => {
  const plan = await planOf(FULL, { hosts: { "db.example": ["10.0.0.7", "fd00::7"] } });
  assertEquals(plan.process, {
    maxConnections: 1000,
    accessLog: true,
    accessSamplePpm: 250_000,
    accessProgressMs: 10_000,
  });
  assertEquals([...plan.tenants.keys()], ["acme", "plain"]);
  assertEquals(plan.tenants.get("acme"), {
    id: "acme",
    enabled: false,
    limits: { ...NO_LIMITS, maxConnections: 0, onLimit: "reset" },
    access: { allow: null, deny: [] },
    timeouts: {
      connectMs: 1000,
      firstByteMs: 2000,
      idleMs: 3000,
      halfCloseMs: 4000,
      maxDurationMs: 5000,
      maxDurationJitterPpm: 100_000,
      drainMs: 6000,
    },
    tcp: {
      keepalive: { idleS: 60, intervalS: 5, probes: 4 },
      userTimeoutMs: 20_000,
      resetPropagation: "to_backend",
    },
    bufferBytes: 67_108_864,
    listeners: [
      {
        id: "one",
        backend: "pg",
        address: { family: "ipv4", ip: "0.0.0.0", port: 5432, scopeId: 0 },
        portLast: 5432,
        detect: null,
        proxyHeader: null,
      },
      {
        id: "many",
        backend: "pg",
        address: { family: "ipv6", ip: "fe80::1", port: 7000, scopeId: 7 },
        portLast: 7009,
        detect: null,
        proxyHeader: null,
      },
      listener("path", { family: "unix", path: "/run/a.sock" }, "pg"),
    ],
    routes: [],
    backends: [backendPlan("pg", {
      balance: "least_connections",
      attempts: 2,
      slowStartMs: 0,
      endpoints: [
        {
          id: "a",
          weight: 7,
          maxConnections: 0,
          state: "drain",
          tier: 0,
          address: { family: "ipv4", ip: "10.0.0.5", port: 5432, scopeId: 0 },
        },
        {
          id: "b",
          weight: 100,
          maxConnections: null,
          state: "maintenance",
          tier: 0,
          address: { family: "ipv4", ip: "10.0.0.7", port: 5432, scopeId: 0 },
        },
        {
          id: "b",
          weight: 100,
          maxConnections: null,
          state: "maintenance",
          tier: 0,
          address: { family: "ipv6", ip: "fd00::7", port: 5432, scopeId: 0 },
        },
        endpoint("u", { family: "unix", path: "@pg" }),
      ],
    })],
    mirror: null,
    fault: NO_FAULT,
  });
});

Deno.test("config plan: what is left out is the default", async () => {
  const plan = await planOf("tenants: [{ id: plain }]");
  assertEquals(plan.process, {
    maxConnections: null,
    accessLog: true,
    accessSamplePpm: 1_000_000,
    accessProgressMs: 0,
  });
  assertEquals(plan.tenants.get("plain"), {
    id: "plain",
    enabled: true,
    limits: NO_LIMITS,
    access: { allow: null, deny: [] },
    timeouts: {
      connectMs: 5000,
      firstByteMs: 0,
      idleMs: 600_000,
      halfCloseMs: 30_000,
      maxDurationMs: 0,
      maxDurationJitterPpm: 0,
      drainMs: 30_000,
    },
    tcp: { keepalive: { idleS: 600, intervalS: 30, probes: 3 }, userTimeoutMs: 0, resetPropagation: "both" },
    bufferBytes: 67_108_864,
    listeners: [],
    routes: [],
    backends: [],
    mirror: null,
    fault: NO_FAULT,
  });
  assertEquals((await planOf(`tenants: ${GOOD_TENANT}`)).tenants.get("acme")!.backends[0]!.attempts, 3);
});

Deno.test("config plan: a keepalive of 0s is none, and no access log is none", async () => {
  const plan = await planOf(
    "log: { access: { sink: none } }\ntenants: [{ id: a, tcp: { keepalive: { idle: 0s } } }]",
  );
  assertEquals(plan.process.accessLog, false);
  assertEquals(plan.tenants.get("a")!.tcp.keepalive, null);
});

Deno.test("config plan: a name that was not resolved with it is refused", async () => {
  const text = 'tenants: [{ id: a, backends: [{ id: b, endpoints: [{ id: e, address: "db.example:1" }] }] }]';
  const { config } = await loadText(text, { hosts: { "db.example": ["10.0.0.1"] } });
  assert(config !== null);
  assertThrows(
    () => compilePlan(config, { hosts: new Map(), services: new Map(), zones: new Map() }),
    TypeError,
    "db.example",
  );
});

Deno.test("config plan: the example configurations load, compile and do not differ from themselves", async () => {
  for (const name of ["sluice.yaml", "demo.yaml"]) {
    const result = await loadConfig(`config/${name}`, { ...fakeDeps({}), ...systemLoadDeps() });
    assertEquals(allProblems(result), [], name);
    assert(result.config !== null);
    const plan = compilePlan(result.config, result.names);
    assert(plan.tenants.size >= 2);
    assert(isEmptyChange(diffPlans(plan, compilePlan(result.config, result.names))));
  }
});

Deno.test("config diff: the first plan is all new", async () => {
  const plan = await planOf(FULL, { hosts: { "db.example": ["10.0.0.7"] } });
  assertEquals(diffPlans(null, plan), { process: plan.process, upserts: [...plan.tenants.values()], removals: [] });
});

Deno.test("config diff: only what changed is told", async () => {
  const before = await planOf("tenants: [{ id: kept }, { id: gone }, { id: changed }]");
  const after = await planOf("tenants: [{ id: fresh }, { id: changed, enabled: false }, { id: kept }]");
  const change = diffPlans(before, after);
  assertEquals(change, {
    upserts: [after.tenants.get("fresh")!, after.tenants.get("changed")!],
    removals: ["gone"],
  });
  assertEquals(isEmptyChange(change), false);
});

Deno.test("config diff: the process's own part", async () => {
  const before = await planOf("limits: { max_connections: 1 }");
  const after = await planOf("limits: { max_connections: 2 }");
  assertEquals(diffPlans(before, after), { process: after.process, upserts: [], removals: [] });
  const unlimited = await planOf("version: 1");
  assertEquals(diffPlans(before, unlimited), { process: unlimited.process, upserts: [], removals: [] });
  assertEquals(isEmptyChange({ process: after.process, upserts: [], removals: [] }), false);
});

Deno.test("config diff: the order of keys does not matter, that of endpoints does", async () => {
  const endpoints = (list: string) => `tenants: [{ id: a, backends: [{ id: b, endpoints: [${list}] }] }]`;
  const [one, two] = ['{ id: x, address: "1.1.1.1:1" }', '{ id: y, address: "1.1.1.1:2" }'];
  const plan = await planOf(endpoints(`${one}, ${two}`));
  const swappedKeys = await planOf(endpoints(`{ address: "1.1.1.1:1", id: x }, ${two}`));
  const swapped = await planOf(endpoints(`${two}, ${one}`));
  assert(isEmptyChange(diffPlans(plan, swappedKeys)));
  assertEquals(diffPlans(plan, swapped).upserts, [swapped.tenants.get("a")!]);

  const reversed = (value: unknown): unknown =>
    typeof value !== "object" || value === null || Array.isArray(value)
      ? value
      : Object.fromEntries(Object.entries(value).reverse().map(([key, part]) => [key, reversed(part)]));
  const tenants = new Map([...plan.tenants].map(([id, tenant]) => [id, reversed(tenant) as typeof tenant]));
  assert(isEmptyChange(diffPlans(plan, { ...plan, tenants })));
});

Deno.test("config diff: labels are no business of the data plane", async () => {
  const before = await planOf("tenants: [{ id: a, labels: { plan: gold } }]");
  assert(isEmptyChange(diffPlans(before, await planOf("tenants: [{ id: a }]"))));
});
