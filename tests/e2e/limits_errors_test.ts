/** What is wrong in limits and access lists, as `check` tells it: place, rule, current value and remedy, all at once. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { runProgram } from "../helpers/sluice.ts";
import { e2e } from "../helpers/world.ts";

/** Wrong lines below `limits` and `access`, and what is told of each. Each line is a line of the file. */
const WRONG: readonly (readonly [line: string, path: string, told: RegExp])[] = [
  ["  max_connections: lots", "limits.max_connections", /number of sessions|whole number/],
  ["  connection_rate: { rate: fast }", "limits.connection_rate.rate", /200\/s.*"fast"/],
  ["  bandwidth:", "", /^$/],
  ["    up: { rate: 10MiB }", "limits.bandwidth.up.rate", /10MiB\/s.*"10MiB"/],
  ["    down: { rate: 1MiB/s, burst: plenty }", "limits.bandwidth.down.burst", /size.*"plenty"/],
  ["  per_source:", "", /^$/],
  ["    connection_rate: { burst: 5 }", "limits.per_source.connection_rate.rate", /missing/],
  ["    ipv4_prefix: 33", "limits.per_source.ipv4_prefix", /0 to 32.*33/],
  ["    ipv6_prefix: -1", "limits.per_source.ipv6_prefix", /0 to 128.*-1/],
  ["  per_connection: { bandwith: {} }", "limits.per_connection.bandwith", /bandwidth/],
  ["  on_limit: drop", "limits.on_limit", /close \| reset \| queue.*"drop"/],
  ["  queue: { size: many, timeout: 5 }", "limits.queue.size", /whole number.*"many"/],
  ["  dry_run: perhaps", "limits.dry_run", /true.*false|"perhaps"/],
  ["access:", "", /^$/],
  ["  allow: [10.0.0.1/8]", "access.allow[0]", /beyond its prefix.*10\.0\.0\.1\/8/],
  ["  deny: [intranet]", "access.deny[0]", /range of addresses.*"intranet"/],
];

const FIRST = ["id: acme", "limits:"];

e2e("errors: all that is wrong in a tenant's limits is told at once, with place and remedy", async (world) => {
  const dir = await world.tempDir();
  Deno.mkdirSync(`${dir}/tenants.d`);
  Deno.writeTextFileSync(`${dir}/sluice.yaml`, "version: 1\ntenants_dir: tenants.d\n");
  Deno.writeTextFileSync(`${dir}/tenants.d/acme.yaml`, [...FIRST, ...WRONG.map(([line]) => line), ""].join("\n"));
  const { code, stdout, stderr } = await runProgram("check", "--config", `${dir}/sluice.yaml`, "--json");
  assertEquals([code, stderr], [1, ""]);
  const { problems } = JSON.parse(stdout) as {
    problems: { file: string; line: number; column: number; path: string; message: string; remedy: string }[];
  };
  for (const [index, [line, path, told]] of WRONG.entries()) {
    if (path === "") continue;
    const found = problems.find((one) => one.path.endsWith(path));
    assert(found !== undefined, `${path}: ${stdout}`);
    assertEquals(found.line, FIRST.length + index + 1, `${line}: ${JSON.stringify(found)}`);
    assert(found.column > 1 && found.file.endsWith("acme.yaml"), line);
    assertMatch(`${found.message} ${found.remedy}`, told, line);
    assert(found.remedy !== "", line);
  }
});

/** What looks odd and is not wrong. */
const ODD: readonly string[] = [
  "limits: { max_connections: 0 }",
  "limits: { connection_rate: { rate: 0, burst: 0 } }",
  "limits: { connection_rate: { rate: 0.001/s } }",
  "limits: { connection_rate: { rate: 1000000000/s, burst: 1125899906842624 } }",
  "limits: { bandwidth: { up: { rate: 0B/s, burst: 0 }, down: { rate: 100GB/s, burst: 1024TiB } } }",
  "limits: { per_source: { max_connections: 4294967294, ipv4_prefix: 0, ipv6_prefix: 0 } }",
  "limits: { per_source: { ipv4_prefix: 32, ipv6_prefix: 128 } }",
  "limits: { on_limit: queue, queue: { size: 0, timeout: 0s } }",
  "limits: { queue: { size: 1000000 } }",
  "limits: { bandwidth: {}, per_connection: {}, per_source: {} }",
  "access: { allow: [] }",
  'access: { allow: ["::/0", "0.0.0.0/0"], deny: ["0.0.0.0/0", "::1", "::ffff:10.0.0.0/104"] }',
  "access: {}",
];

e2e("errors: zeros, the most that may be, and what limits nothing are good", async (world) => {
  const dir = await world.tempDir();
  const tenants = ODD.map((line, index) => `  - { id: t-${index}, ${line} }`);
  Deno.writeTextFileSync(`${dir}/sluice.yaml`, ["version: 1", "tenants:", ...tenants, ""].join("\n"));
  const { code, stdout, stderr } = await runProgram("check", "--config", `${dir}/sluice.yaml`);
  assertEquals([code, stderr], [0, ""], stdout);
  await world.sluice(Deno.readTextFileSync(`${dir}/sluice.yaml`));
});
