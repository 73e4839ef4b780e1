/** From files to a configuration: what is read, from where, and what happens when it cannot be. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { allProblems, loadConfig, type Problem } from "../../src/config/mod.ts";
import { fakeDeps, GOOD_TENANT, loadText, problemsOf, unmark } from "./config_fixture.ts";

const brief = ({ file, line, column, path }: Problem) => `${file}:${line}:${column} ${path}`;

Deno.test("config load: a file that is there and right", async () => {
  const result = await loadText(`version: 1\ntenants: ${GOOD_TENANT}`);
  assertEquals(allProblems(result), []);
  assert(result.config !== null);
  const { config } = result;
  assertEquals(config.workers, "auto");
  assertEquals(config.shutdown.grace, 30_000);
  assertEquals(config.log, {
    level: "info",
    format: "text",
    access: { sink: { kind: "stdout" }, sample: 1, progress: 0 },
  });
  assertEquals(config.tenants.map((tenant) => tenant.id), ["acme"]);
  assertEquals(config.tenants[0]!.timeouts, {
    connect: 5000,
    first_byte: 0,
    idle: 600_000,
    half_close: 30_000,
    max_duration: 0,
    max_duration_jitter: 0,
    drain: 30_000,
  });
  assertEquals(result.files, ["/etc/sluice.yaml"]);
});

Deno.test("config load: a file that cannot be read, in a sentence", async () => {
  const rows: [Error, RegExp, RegExp][] = [
    [new Deno.errors.NotFound("x"), /^cannot be read: it does not exist$/, /create it/],
    [new Deno.errors.PermissionDenied("x"), /^cannot be read: permission denied$/, /the right to read/],
    [new Deno.errors.IsADirectory("x"), /^cannot be read: it is a folder$/, /name a file/],
    [new Deno.errors.NotCapable("x"), /Deno was not permitted/, /--allow-read/],
    [new Error("disk on fire"), /disk on fire/, /readable/],
  ];
  for (const [error, message, remedy] of rows) {
    const result = await loadConfig("/nowhere.yaml", fakeDeps({ files: { "/nowhere.yaml": error } }));
    assertEquals(result.config, null);
    assertEquals(result.problems.map(brief), ["/nowhere.yaml:0:0 "]);
    assertMatch(result.problems[0]!.message, message);
    assertMatch(result.problems[0]!.remedy, remedy);
  }
});

Deno.test("config load: what is not YAML, or no map, with its place", async () => {
  const rows: [name: string, marked: string, message: RegExp][] = [
    ["empty", "^^", /^the file is empty$/],
    ["only comments", "^^# nothing\n\n", /^the file is empty$/],
    ["a list", "^^- a\n- b\n", /must be a map/],
    ["a text", "^^hello\n", /must be a map/],
    ["an open bracket", "version: 1\nlimits: { max_connections: 1\n^^", /this is not YAML/],
    ["a stray quote", 'version: 1\nlog: { level: "info" ^^"x" }\n', /this is not YAML/],
    ["bad indentation", "log:\n    level: info\n^^  format: text\n", /this is not YAML/],
    ["a tab", "log:\n^^\tlevel: info\n", /tab/],
    ["a key set twice", "version: 1\nlog: {}\n^^version: 1\n", /^the key version is set twice in one map$/],
    ["two documents", "version: 1\n^^---\nversion: 1\n", /more than one document/],
    ["an alias to nothing", "log: ^^*missing\n", /^the alias \*missing leads to no anchor$/],
    ["an alias in itself", "log: &x { level: ^^*x }\n", /^the alias \*x stands in what it stands for$/],
  ];
  for (const [name, marked, message] of rows) {
    const { text, spots } = unmark(marked);
    const problems = await problemsOf(text);
    assertEquals(problems.slice(0, 1).map(({ line, column }) => ({ line, column })), spots, name);
    assertMatch(problems[0]!.message, message, name);
  }
});

Deno.test("config load: a key that is set twice does not hide what else is wrong", async () => {
  const { text, spots } = unmark("version: 1\n^^version: 1\nworkers: ^^none\n");
  assertEquals((await problemsOf(text)).map(({ line, column }) => ({ line, column })), spots);
});

Deno.test("config load: aliases that multiply without end are refused", async () => {
  const rows = Array.from(
    { length: 9 },
    (_, level) => `  k${level + 1}: &a${level + 1} [${Array(9).fill(level === 0 ? "x" : `*a${level}`).join(", ")}]`,
  );
  const problems = await problemsOf(`tenants:\n  k0: 1\n${rows.join("\n")}\n`);
  assertMatch(problems[0]!.message, /aliases/);
});

Deno.test("config load: anchors, aliases and merge keys are followed, also for places", async () => {
  const { text, spots } = unmark(`tenants:
  - id: acme
    timeouts: &slow { idle: 1h, connect: ^^fast }
  - id: globex
    timeouts: { <<: *slow, connect: 1s }
`);
  const problems = await problemsOf(text);
  assertEquals(problems.map(({ line, column, path }) => ({ line, column, path })), [
    { ...spots[0]!, path: "tenants[0].timeouts.connect" },
  ]);
  const good = await loadText(text.replace("fast", "2s"));
  assertEquals(good.config?.tenants.map(({ timeouts }) => [timeouts.idle, timeouts.connect]), [
    [3_600_000, 2000],
    [3_600_000, 1000],
  ]);
});

Deno.test("config load: defaults lie beneath every tenant, map by map; lists are replaced whole", async () => {
  const result = await loadText(`
defaults:
  enabled: false
  labels: { plan: free, region: eu }
  limits: { max_connections: 5, on_limit: reset }
  timeouts: { idle: 1m, connect: 1s }
tenants:
  - { id: plain }
  - id: own
    enabled: true
    labels: { plan: gold }
    limits: { max_connections: 9 }
    timeouts: { idle: 2m }
`);
  assertEquals(allProblems(result), []);
  const [plain, own] = result.config!.tenants;
  assertEquals([plain!.enabled, plain!.labels, plain!.limits.max_connections, plain!.limits.on_limit], [
    false,
    { plan: "free", region: "eu" },
    5,
    "reset",
  ]);
  assertEquals([own!.enabled, own!.labels, own!.limits.max_connections, own!.limits.on_limit], [
    true,
    { plan: "gold", region: "eu" },
    9,
    "reset",
  ]);
  assertEquals([own!.timeouts.idle, own!.timeouts.connect, own!.timeouts.half_close], [120_000, 1000, 30_000]);
});

Deno.test("config load: a tenant may complete what defaults begin", async () => {
  const text = `
defaults: { limits: { connection_rate: { rate: 5/s } } }
tenants: [{ id: a, limits: { connection_rate: { burst: 7 } } }]
`;
  const result = await loadText(text);
  assertEquals(allProblems(result), []);
  assertEquals(result.config?.tenants[0]?.limits.connection_rate, { rate: 5, burst: 7 });
});

Deno.test("config load: files of tenants_dir, beside the main file, by name", async () => {
  const file = (port: number) =>
    `listeners: [{ id: x, address: "127.0.0.1:${port}", backend: b }]
backends: [{ id: b, endpoints: [{ id: e, address: "10.0.0.1:1" }] }]
`;
  const result = await loadText("tenants_dir: tenants.d\ntenants: [{ id: main }]\n", {
    folders: { "/etc/tenants.d": ["globex.yaml", "acme.yaml", ".hidden.yaml", "README.md", "acme.yaml~"] },
    files: { "/etc/tenants.d/globex.yaml": `id: globex\n${file(2)}`, "/etc/tenants.d/acme.yaml": file(1) },
  });
  assertEquals(allProblems(result), []);
  assertEquals(result.config?.tenants.map((tenant) => tenant.id), ["main", "acme", "globex"]);
  assertEquals(result.files, ["/etc/sluice.yaml", "/etc/tenants.d/acme.yaml", "/etc/tenants.d/globex.yaml"]);
});

Deno.test("config load: a wrong tenant file is told apart from the rest, with its own places", async () => {
  const wrong = unmark("timeouts: { idle: ^^never }\n^^colour: red\n");
  const result = await loadText("tenants_dir: /srv/tenants\ntenants: [{ id: main }]\nworkers: 0\n", {
    folders: { "/srv/tenants": ["acme.yaml", "broken.yaml", "good.yaml", "locked.yaml", "other.yaml"] },
    files: {
      "/srv/tenants/acme.yaml": wrong.text,
      "/srv/tenants/broken.yaml": "a: [",
      "/srv/tenants/good.yaml": "enabled: true\n",
      "/srv/tenants/locked.yaml": new Deno.errors.PermissionDenied("x"),
      "/srv/tenants/other.yaml": "id: main\n",
    },
  });
  assertEquals(result.config, null);
  assertEquals(result.problems.map(brief), ["/etc/sluice.yaml:3:10 workers"]);
  assertEquals([...result.tenantProblems.keys()], ["acme", "broken", "locked", "other"]);
  const [first, second] = wrong.spots;
  assertEquals(result.tenantProblems.get("acme")?.map(brief), [
    `/srv/tenants/acme.yaml:${first!.line}:${first!.column} timeouts.idle`,
    `/srv/tenants/acme.yaml:${second!.line}:${second!.column} colour`,
  ]);
  assertMatch(result.tenantProblems.get("locked")![0]!.message, /permission denied/);
  assertEquals(result.tenantProblems.get("other")?.map(({ message }) => message), [
    "must be unique: the tenant main is already at /etc/sluice.yaml:2:17",
    'must be the file\'s name without .yaml, other: current value is "main"',
  ]);
});

Deno.test("config load: a folder that is not there, and files that are not called NAME.yaml", async () => {
  const missing = await problemsOf("version: 1\ntenants_dir: nowhere\n");
  assertEquals(missing.map(brief), ["/etc/sluice.yaml:2:14 tenants_dir"]);
  assertMatch(missing[0]!.message, /^the folder \/etc\/nowhere cannot be read: it does not exist$/);

  const named = await problemsOf("tenants_dir: t\n", { folders: { "/etc/t": ["acme.yml", "Globex.yaml"] } });
  assertEquals(named.map(({ message }) => /file (\S+) must be called NAME\.yaml/.exec(message)?.[1]), [
    "/etc/t/Globex.yaml",
    "/etc/t/acme.yml",
  ]);
});

Deno.test("config load: an access log's file is beside the main file", async () => {
  const sinkOf = async (path: string) =>
    (await loadText(`log: { access: { sink: "file:${path}" } }`)).config?.log.access.sink;
  assertEquals(await sinkOf("access.log"), { kind: "file", path: "/etc/access.log" });
  assertEquals(await sinkOf("/var/log/access.log"), { kind: "file", path: "/var/log/access.log" });
});

Deno.test("config load: names are looked up once each, and told at every place when they fail", async () => {
  const asked: string[] = [];
  const { text, spots } = unmark(`tenants:
  - id: a
    backends:
      - id: b
        endpoints:
          - { id: e, address: "DB.example:1" }
          - { id: f, address: "db.example:2" }
          - { id: g, address: ^^"gone.example:1" }
          - { id: h, address: ^^"gone.example:2" }
`);
  const result = await loadText(text, {
    lookup: (name) => {
      asked.push(name);
      return Promise.resolve(name === "db.example" ? ["10.0.0.1", "FD00::0:1", "10.0.0.1"] : []);
    },
  });
  assertEquals(asked.sort(), ["db.example", "gone.example"]);
  assertEquals(result.names.hosts.get("db.example"), ["10.0.0.1", "fd00::1"]);
  assertEquals(result.names.hosts.get("gone.example"), []);
  assertEquals(allProblems(result), []);
  assertEquals(result.advice.map(({ line, column }) => ({ line, column })), spots);
  assertMatch(result.advice[0]!.message, /gone\.example: it has no address$/);
});

Deno.test("config load: a name service that never answers does not hold it up", async () => {
  const text = 'tenants: [{ id: a, backends: [{ id: b, endpoints: [{ id: e, address: "slow.example:1" }] }] }]';
  let wasTold = false;
  const deps = fakeDeps({
    files: { "/x.yaml": text },
    lookup: (_name, signal) => {
      signal.addEventListener("abort", () => wasTold = true);
      return new Promise(() => {});
    },
  });
  const result = await loadConfig("/x.yaml", { ...deps, lookupTimeoutMs: 5 });
  assertMatch(result.advice[0]!.message, /slow\.example: no answer within 5ms$/);
  assertEquals(result.problems, []);
  assert(wasTold);
});
