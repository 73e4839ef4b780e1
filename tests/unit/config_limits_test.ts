/** Limits and access lists: what they are when they are left out, and what of them is refused, with place and remedy. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { allProblems, compilePlan, type TenantPlan } from "../../src/config/mod.ts";
import { MOST_BURST, MOST_BYTE_RATE_PER_S, MOST_RATE_PER_S } from "../../src/config/units.ts";
import { CONSTANTS } from "../../src/ffi/constants.ts";
import { loadText, problemsOf, unmark } from "./config_fixture.ts";
import { NO_LIMITS } from "./ffi_fixture.ts";

async function tenantOf(keys: string, rest = ""): Promise<TenantPlan> {
  const result = await loadText(`${rest}tenants: [{ id: a, ${keys} }]\n`);
  assertEquals(allProblems(result), [], keys);
  assert(result.config !== null);
  const plan = compilePlan(result.config, result.names).tenants.get("a");
  assert(plan !== undefined);
  return plan;
}

const limitsOf = async (written: string) => (await tenantOf(`limits: ${written}`)).limits;
const accessOf = async (written: string) => (await tenantOf(`access: ${written}`)).access;

Deno.test("config limits: every key arrives in the plan's units", async () => {
  const limits = await limitsOf(`{
    max_connections: 1000,
    connection_rate: { rate: 200/s, burst: 400 },
    bandwidth: { up: { rate: 10MiB/s, burst: 1MiB }, down: { rate: 50MiB/s } },
    per_source: { max_connections: 50, connection_rate: { rate: 0.5/s }, ipv4_prefix: 24, ipv6_prefix: 48 },
    per_connection: { bandwidth: { down: { rate: 5MB/s, burst: 10KB } } },
    on_limit: queue,
    queue: { size: 7, timeout: 0s },
    dry_run: true
  }`);
  assertEquals(limits, {
    maxConnections: 1000,
    connectionRate: { ratePer1000s: 200_000, burst: 400 },
    bandwidth: {
      up: { ratePer1000s: 10_485_760_000, burst: 1_048_576 },
      down: { ratePer1000s: 52_428_800_000, burst: 5_242_880 },
    },
    perConnection: { up: null, down: { ratePer1000s: 5_000_000_000, burst: 10_000 } },
    perSource: {
      maxConnections: 50,
      connectionRate: { ratePer1000s: 500, burst: 1 },
      ipv4Bits: 24,
      ipv6Bits: 48,
    },
    onLimit: "queue",
    queue: { size: 7, timeoutMs: 0 },
    dryRun: true,
  });
});

Deno.test("config limits: a burst that is left out follows the rate", async () => {
  const sessions: [string, number][] = [
    ["200/s", 200],
    ["1.001/s", 2],
    ["0.001/s", 1],
    ["0/s", 0],
    ["1000000000/s", 1_000_000_000],
  ];
  for (const [rate, burst] of sessions) {
    const { connectionRate } = await limitsOf(`{ connection_rate: { rate: ${rate} } }`);
    assertEquals(connectionRate?.burst, burst, rate);
  }
  const bytes: [string, number][] = [
    ["1B/s", 65_536],
    ["640KiB/s", 65_536],
    ["655361B/s", 65_537],
    ["100GB/s", 10_000_000_000],
    ["0B/s", 0],
  ];
  for (const [rate, burst] of bytes) {
    const { bandwidth } = await limitsOf(`{ bandwidth: { up: { rate: ${rate} } } }`);
    assertEquals(bandwidth.up?.burst, burst, rate);
  }
  const given = await limitsOf("{ connection_rate: { rate: 0, burst: 3 }, bandwidth: { up: { rate: 0, burst: 0 } } }");
  assertEquals(given.connectionRate, { ratePer1000s: 0, burst: 3 });
  assertEquals(given.bandwidth.up, { ratePer1000s: 0, burst: 0 });
});

Deno.test("config limits: a rate is a whole number in 1000 s, whatever its decimals are in binary", async () => {
  for (const [rate, tokens] of [["0.007/s", 7], ["1.005/s", 1005], ["8.205/s", 8205], ["0.29/s", 290]] as const) {
    const { connectionRate } = await limitsOf(`{ connection_rate: { rate: ${rate} } }`);
    assertEquals(connectionRate?.ratePer1000s, tokens, rate);
  }
});

Deno.test("config limits: a queue that is left out is the standard one; without on_limit: queue there is none", async () => {
  assertEquals((await limitsOf("{ on_limit: queue }")).queue, { size: 1000, timeoutMs: 5_000 });
  assertEquals((await limitsOf("{ on_limit: queue, queue: { size: 0 } }")).queue, { size: 0, timeoutMs: 5_000 });
  assertEquals(await limitsOf("{ queue: { size: 5 } }"), NO_LIMITS);
  const defaults = "defaults: { limits: { queue: { size: 5 } } }\n";
  const { limits } = await tenantOf("limits: { on_limit: queue, queue: { timeout: 1s } }", defaults);
  assertEquals(limits.queue, { size: 5, timeoutMs: 1_000 });
});

Deno.test("config limits: maps without limits in them limit nothing", async () => {
  assertEquals(await limitsOf("{ bandwidth: {}, per_source: {}, per_connection: { bandwidth: {} } }"), NO_LIMITS);
});

Deno.test("config access: an allow list refuses the rest, even an empty one; no list allows everybody", async () => {
  assertEquals(await accessOf("{}"), { allow: null, deny: [] });
  assertEquals(await accessOf("{ allow: [] }"), { allow: [], deny: [] });
  assertEquals(await accessOf('{ allow: ["0.0.0.0/0", "::/0"], deny: ["203.0.113.0/24", "2001:DB8::1"] }'), {
    allow: [{ family: "ipv4", ip: "0.0.0.0", bits: 0 }, { family: "ipv6", ip: "::", bits: 0 }],
    deny: [{ family: "ipv4", ip: "203.0.113.0", bits: 24 }, { family: "ipv6", ip: "2001:db8::1", bits: 128 }],
  });
});

Deno.test("config access: v4-mapped prefixes of /96 and longer are IPv4, shorter ones IPv6", async () => {
  const rows: [string, TenantPlan["access"]["deny"][number]][] = [
    ["::ffff:203.0.113.7", { family: "ipv4", ip: "203.0.113.7", bits: 32 }],
    ["::ffff:cb00:7100/120", { family: "ipv4", ip: "203.0.113.0", bits: 24 }],
    ["::ffff:0:0/96", { family: "ipv4", ip: "0.0.0.0", bits: 0 }],
    ["::fffe:0:0/95", { family: "ipv6", ip: "::fffe:0:0", bits: 95 }],
    ["64:ff9b::/96", { family: "ipv6", ip: "64:ff9b::", bits: 96 }],
  ];
  for (const [written, expected] of rows) {
    assertEquals((await accessOf(`{ deny: ["${written}"] }`)).deny, [expected], written);
  }
});

interface Case {
  readonly name: string;
  /** Below the tenant; `^^` stands before the place of the one problem. */
  readonly yaml: string;
  readonly path: string;
  readonly message: RegExp;
  readonly remedy: RegExp;
}

const CASES: readonly Case[] = [
  {
    name: "a rate without a unit",
    yaml: "limits: { connection_rate: { rate: ^^200 } }",
    path: "limits.connection_rate.rate",
    message: /^must be a rate such as 200\/s: current value is 200$/,
    remedy: /^add the unit: 200\/s$/,
  },
  {
    name: "a rate a minute",
    yaml: "limits: { connection_rate: { rate: ^^200/m } }",
    path: "limits.connection_rate.rate",
    message: /^must be a rate such as 200\/s: current value is "200\/m"$/,
    remedy: /^write a number and \/s$/,
  },
  {
    name: "a rate below the least",
    yaml: "limits: { per_source: { connection_rate: { rate: ^^0.0005/s } } }",
    path: "limits.per_source.connection_rate.rate",
    message: /^must be 0, or at least 0\.001\/s: current value is "0\.0005\/s"$/,
    remedy: /^raise it to 0\.001\/s, or write 0\/s/,
  },
  {
    name: "a rate between two steps",
    yaml: "limits: { connection_rate: { rate: ^^1.0005/s } }",
    path: "limits.connection_rate.rate",
    message: /^must be a rate in steps of 0\.001\/s: current value is "1\.0005\/s"$/,
    remedy: /^write three decimals at the most$/,
  },
  {
    name: "a rate beyond the most",
    yaml: "limits: { connection_rate: { rate: ^^1000000001/s } }",
    path: "limits.connection_rate.rate",
    message: /^must be at most 1000000000\/s: current value is "1000000001\/s"$/,
    remedy: /^lower it to 1000000000\/s or less$/,
  },
  {
    name: "a burst beyond the most",
    yaml: "limits: { connection_rate: { rate: 1/s, burst: ^^1125899906842625 } }",
    path: "limits.connection_rate.burst",
    message: /^must be a whole number from 0 to 1125899906842624: current value is 1125899906842625$/,
    remedy: /without quotes or unit/,
  },
  {
    name: "a rate of bytes without its second",
    yaml: "limits: { bandwidth: { up: { rate: ^^10MiB } } }",
    path: "limits.bandwidth.up.rate",
    message: /^must be a rate of whole bytes such as 512KiB\/s or 10MiB\/s: current value is "10MiB"$/,
    remedy: /^add the unit: 10MiB\/s$/,
  },
  {
    name: "a rate of bytes in parts of one",
    yaml: "limits: { bandwidth: { down: { rate: ^^0.5B/s } } }",
    path: "limits.bandwidth.down.rate",
    message: /^must be a rate of whole bytes .*current value is "0\.5B\/s"$/,
    remedy: /^write a size and \/s$/,
  },
  {
    name: "a rate of bytes as a number",
    yaml: "limits: { per_connection: { bandwidth: { up: { rate: ^^5 } } } }",
    path: "limits.per_connection.bandwidth.up.rate",
    message: /^must be a rate of whole bytes .*current value is 5$/,
    remedy: /^add the unit: 5B\/s or 5KiB\/s$/,
  },
  {
    name: "a rate of bytes beyond the most",
    yaml: "limits: { bandwidth: { up: { rate: ^^101GB/s } } }",
    path: "limits.bandwidth.up.rate",
    message: /^must be at most 100GB\/s: current value is "101GB\/s"$/,
    remedy: /^lower it to 100GB\/s or less$/,
  },
  {
    name: "a burst of bytes beyond the most",
    yaml: "limits: { bandwidth: { up: { rate: 1B/s, burst: ^^1025TiB } } }",
    path: "limits.bandwidth.up.burst",
    message: /^must be at most 1024TiB: current value is "1025TiB"$/,
    remedy: /^lower it to 1024TiB or less$/,
  },
  {
    name: "a burst without a rate",
    yaml: "limits: { connection_rate: ^^{ burst: 5 } }",
    path: "limits.connection_rate.rate",
    message: /^must be a rate such as 200\/s: it is missing$/,
    remedy: /^write a number and \/s$/,
  },
  {
    name: "a prefix longer than an address",
    yaml: "limits: { per_source: { ipv4_prefix: ^^33 } }",
    path: "limits.per_source.ipv4_prefix",
    message: /a whole number from 0 to 32: current value is 33/,
    remedy: /number from 0 to 32/,
  },
  {
    name: "a queue that is too long",
    yaml: "limits: { on_limit: queue, queue: { size: ^^1000001 } }",
    path: "limits.queue.size",
    message: /a whole number from 0 to 1000000: current value is 1000001/,
    remedy: /number from 0 to 1000000/,
  },
  {
    name: "a word that is near a way to refuse",
    yaml: "limits: { on_limit: ^^que }",
    path: "limits.on_limit",
    message: /one of close \| reset \| queue: current value is "que"/,
    remedy: /^did you mean queue\?$/,
  },
  {
    name: "a range with bits beyond its prefix",
    yaml: "access: { deny: [^^10.0.0.1/8] }",
    path: "access.deny[0]",
    message: /no bits beyond its prefix: current value is "10\.0\.0\.1\/8"$/,
    remedy: /^write 10\.0\.0\.0\/8, or 10\.0\.0\.1 alone$/,
  },
  {
    name: "a name in an access list",
    yaml: "access: { allow: [^^office.example] }",
    path: "access.allow[0]",
    message: /^must be a range of addresses such as 10\.0\.0\.0\/8 or fd00::\/8: current value is "office\.example"$/,
    remedy: /^write address\/prefix$/,
  },
];

for (const { name, yaml, path, message, remedy } of CASES) {
  Deno.test(`config limits: ${name} is told with place and remedy`, async () => {
    const { text, spots } = unmark(`tenants: [{ id: a, ${yaml} }]\n`);
    const problems = await problemsOf(text);
    assertEquals(problems.map(({ line, column, path }) => ({ line, column, path })), [
      { ...spots[0]!, path: `tenants[0].${path}` },
    ]);
    assertMatch(problems[0]!.message, message);
    assertMatch(problems[0]!.remedy, remedy);
  });
}

Deno.test("config limits: the bounds are those of the data plane", () => {
  assertEquals(MOST_BYTE_RATE_PER_S * 1000, CONSTANTS.RATE_MAX);
  assertEquals(MOST_BURST, CONSTANTS.BURST_MAX);
  assert(MOST_RATE_PER_S * 1000 <= CONSTANTS.RATE_MAX && Math.ceil(MOST_BYTE_RATE_PER_S / 10) <= MOST_BURST);
});
