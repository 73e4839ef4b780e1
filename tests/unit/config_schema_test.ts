/** Single keys: each kind of mistake, with its exact place, message and remedy. */
import { assertEquals, assertMatch } from "@std/assert";
import { GOOD_TENANT, problemsOf, unmark } from "./config_fixture.ts";

interface Case {
  readonly name: string;
  /** `^^` stands before the place of the one problem. */
  readonly yaml: string;
  readonly path: string;
  readonly message: RegExp;
  readonly remedy: RegExp;
}

const backend = (more: string) =>
  `tenants:\n  - id: acme\n    backends: [{ id: pg, endpoints: [{ id: a, address: "10.0.0.5:1" }], ${more} }]\n`;

const CASES: readonly Case[] = [
  {
    name: "a token where its hash belongs is not shown",
    yaml: `admin: { tokens: [{ name: x, sha256: ^^my-secret-token, role: admin }] }`,
    path: "admin.tokens[0].sha256",
    message: /^must be the SHA-256 of a token: 64 hexadecimal digits: current value is not shown$/,
    remedy: /sluice token new/,
  },
  {
    name: "an unknown key names the nearest",
    yaml: `version: 1\n^^workerz: 2\ntenants: ${GOOD_TENANT}`,
    path: "workerz",
    message: /^there is no such key$/,
    remedy: /^did you mean workers\?$/,
  },
  {
    name: "an unknown key far from all names them all",
    yaml: "version: 1\nlimits:\n  ^^speed: 3\n",
    path: "limits.speed",
    message: /^there is no such key$/,
    remedy: /^use one of max_connections$/,
  },
  {
    name: "an unknown key in a list of lists",
    yaml: `tenants:\n  - id: acme\n    backends:\n      - id: pg\n        endpoints:\n` +
      `          - { id: a, ^^adress: "1.2.3.4:5", address: "1.2.3.4:5" }\n`,
    path: "tenants[0].backends[0].endpoints[0].adress",
    message: /no such key/,
    remedy: /did you mean address\?/,
  },
  {
    name: "a duration without unit",
    yaml: "tenants:\n  - id: acme\n    timeouts: { idle: ^^10 }\n",
    path: "tenants[0].timeouts.idle",
    message: /^must be a duration such as 250ms, 5s, 10m or 1h: current value is 10$/,
    remedy: /^add a unit: 10ms or 10s$/,
  },
  {
    name: "a duration in words",
    yaml: "tenants:\n  - id: acme\n    timeouts:\n      idle: ^^10 minutes\n",
    path: "tenants[0].timeouts.idle",
    message: /current value is "10 minutes"$/,
    remedy: /ms, s, m or h/,
  },
  {
    name: "a duration beyond a year",
    yaml: "shutdown: { grace: ^^9000h }\n",
    path: "shutdown.grace",
    message: /^must be at most 8760h: current value is "9000h"$/,
    remedy: /lower it to 8760h/,
  },
  {
    name: "a keepalive in parts of a second",
    yaml: "tenants:\n  - id: acme\n    tcp: { keepalive: { idle: ^^1500ms } }\n",
    path: "tenants[0].tcp.keepalive.idle",
    message: /whole seconds from 0s to 32767s: current value is "1500ms"/,
    remedy: /s, m or h/,
  },
  {
    name: "a size without unit",
    yaml: "tenants:\n  - id: acme\n    limits: { bandwidth: { up: { rate: 1MiB/s, burst: ^^5 } } }\n",
    path: "tenants[0].limits.bandwidth.up.burst",
    message: /a size such as .* current value is 5$/,
    remedy: /5B or 5KiB/,
  },
  {
    name: "a share above all",
    yaml: "tenants:\n  - id: acme\n    timeouts: { max_duration_jitter: ^^101% }\n",
    path: "tenants[0].timeouts.max_duration_jitter",
    message: /a share from 0% to 100%: current value is "101%"/,
    remedy: /number and %/,
  },
  {
    name: "a limit below zero",
    yaml: "limits:\n  max_connections: ^^-1\n",
    path: "limits.max_connections",
    message: /whole number from 0 to 4294967294: current value is -1/,
    remedy: /without quotes or unit/,
  },
  {
    name: "a number in quotes",
    yaml: 'limits:\n  max_connections: ^^"10"\n',
    path: "limits.max_connections",
    message: /current value is "10"$/,
    remedy: /without quotes/,
  },
  {
    name: "a word that is near a choice",
    yaml: "log: { level: ^^warning }\n",
    path: "log.level",
    message: /one of debug \| info \| warn \| error: current value is "warning"/,
    remedy: /^did you mean warn\?$/,
  },
  {
    name: "a boolean in YAML 1.1",
    yaml: "tenants:\n  - id: acme\n    enabled: ^^yes\n",
    path: "tenants[0].enabled",
    message: /true or false: current value is "yes"/,
    remedy: /write true or false/,
  },
  {
    name: "another version of the format",
    yaml: "version: ^^2\n",
    path: "version",
    message: /must be 1: current value is 2/,
    remedy: /version: 1/,
  },
  {
    name: "workers",
    yaml: "workers: ^^0\n",
    path: "workers",
    message: /auto or a whole number from 1 to 64: current value is 0/,
    remedy: /auto/,
  },
  {
    name: "an access log that goes nowhere",
    yaml: "log: { access: { sink: ^^stderr } }\n",
    path: "log.access.sink",
    message: /stdout, none or file:PATH: current value is "stderr"/,
    remedy: /file:/,
  },
  {
    name: "an id with a capital letter",
    yaml: "tenants:\n  - id: ^^Acme\n",
    path: "tenants[0].id",
    message: /an id: lower-case letters.*current value is "Acme"/,
    remedy: /a name such as/,
  },
  {
    name: "an id that YAML reads as a number",
    yaml: "tenants:\n  - id: ^^42\n",
    path: "tenants[0].id",
    message: /as text: current value is 42/,
    remedy: /put it in quotes: "42"/,
  },
  {
    name: "an id that is missing",
    yaml: "tenants:\n  - ^^enabled: true\n",
    path: "tenants[0].id",
    message: /must be an id.*: it is missing$/,
    remedy: /choose a name/,
  },
  {
    name: "a reference that is missing",
    yaml: 'tenants: [{ id: a, listeners: [^^{ id: web, address: "127.0.0.1:1" }] }]\n',
    path: "tenants[0].listeners[0].backend",
    message: /must be an id.*: it is missing$/,
    remedy: /^name a backend of this tenant$/,
  },
  {
    name: "a list that is missing",
    yaml: "tenants:\n  - id: a\n    backends:\n" +
      "      - { id: s, split: [{ backend: b, weight: 1 }, { backend: c, weight: 1 }], canary: ^^{} }\n" +
      '      - { id: b, endpoints: [{ id: e, address: "1.1.1.1:1" }] }\n' +
      '      - { id: c, endpoints: [{ id: e, address: "1.1.1.1:1" }] }\n',
    path: "tenants[0].backends[0].canary.steps",
    message: /^must be a list: it is missing$/,
    remedy: /write entries/,
  },
  {
    name: "a key without a value",
    yaml: "tenants:\n  - id: acme\n    ^^enabled:\n",
    path: "tenants[0].enabled",
    message: /must be true or false: it has no value$/,
    remedy: /true or false/,
  },
  {
    name: "a map without keys",
    yaml: "version: 1\n^^log:\n",
    path: "log",
    message: /^must be a map of keys and values: it has no value$/,
    remedy: /or remove the key/,
  },
  {
    name: "a list where a map belongs",
    yaml: "limits: ^^[]\n",
    path: "limits",
    message: /^must be a map of keys and values: current value is a list$/,
    remedy: /key: value/,
  },
  {
    name: "a map where a list belongs",
    yaml: "tenants: ^^{ acme: {} }\n",
    path: "tenants",
    message: /^must be a list: current value is a map$/,
    remedy: /with - in front/,
  },
  {
    name: "a tenant that is no map",
    yaml: "tenants:\n  - ^^acme\n",
    path: "tenants[0]",
    message: /^must be a map of keys and values: current value is "acme"$/,
    remedy: /key: value/,
  },
  {
    name: "a label's name",
    yaml: "tenants:\n  - id: acme\n    labels: { ^^-x: y }\n",
    path: "tenants[0].labels.-x",
    message: /a label's name must be/,
    remedy: /plan/,
  },
  {
    name: "a label that is a number",
    yaml: "tenants:\n  - id: acme\n    labels: { plan: ^^7 }\n",
    path: "tenants[0].labels.plan",
    message: /as text: current value is 7/,
    remedy: /quotes: "7"/,
  },
  {
    name: "an address without a port",
    yaml: `tenants:\n  - id: acme\n    backends: [{ id: pg, endpoints: [{ id: a, address: ^^10.0.0.5 }] }]\n`,
    path: "tenants[0].backends[0].endpoints[0].address",
    message: /an address to connect to such as .* current value is "10.0.0.5"/,
    remedy: /add a port/,
  },
  {
    name: "a weight beyond what the data plane has",
    yaml:
      `tenants:\n  - id: acme\n    backends: [{ id: pg, endpoints: [{ id: a, address: "1.2.3.4:5", weight: ^^65536 }] }]\n`,
    path: "tenants[0].backends[0].endpoints[0].weight",
    message: /from 0 to 65535/,
    remedy: /65535/,
  },
  {
    name: "no attempt at all",
    yaml: backend("retry: { attempts: ^^0 }"),
    path: "tenants[0].backends[0].retry.attempts",
    message: /whole number from 1 to 64/,
    remedy: /from 1 to 64/,
  },
  {
    name: "more endpoints than the data plane can choose between",
    yaml: `tenants:\n  - id: acme\n    backends:\n      - id: pg\n        endpoints:\n          ^^${
      Array.from({ length: 4097 }, (_, index) => `- { id: e${index}, address: "10.0.0.1:1" }\n`).join("          ")
    }`,
    path: "tenants[0].backends[0].endpoints",
    message: /at most 4096 entries/,
    remedy: /take some out/,
  },
  {
    name: "a canary without steps",
    yaml:
      "tenants:\n  - id: acme\n    backends: [{ id: pg, split: [{ backend: v1, weight: 1 }, { backend: v2, weight: 1 }], " +
      'canary: { steps: ^^[] } }, { id: v1, endpoints: [{ id: a, address: "10.0.0.1:1" }] }, ' +
      '{ id: v2, endpoints: [{ id: a, address: "10.0.0.1:1" }] }]\n',
    path: "tenants[0].backends[0].canary.steps",
    message: /at least one entry/,
    remedy: /add one/,
  },
  {
    name: "a duration in defaults",
    yaml: "defaults:\n  timeouts: { connect: ^^5sec }\n",
    path: "defaults.timeouts.connect",
    message: /current value is "5sec"/,
    remedy: /unit/,
  },
  {
    name: "an id in defaults",
    yaml: "defaults: { ^^id: acme }\n",
    path: "defaults.id",
    message: /no such key/,
    remedy: /use one of enabled, labels/,
  },
];

for (const { name, yaml, path, message, remedy } of CASES) {
  Deno.test(`config schema: ${name}`, async () => {
    const { text, spots } = unmark(yaml);
    // What this version refuses is the business of another test.
    const problems = (await problemsOf(text)).filter(({ message }) => !message.includes("not available"));
    assertEquals(problems.map((problem) => ({ path: problem.path, line: problem.line, column: problem.column })), [
      { path, ...spots[0] },
    ]);
    assertMatch(problems[0]!.message, message);
    assertMatch(problems[0]!.remedy, remedy);
    assertEquals(problems[0]!.file, "/etc/sluice.yaml");
  });
}

Deno.test("config schema: every problem of a file is told at once, in the order of the lines", async () => {
  const { text, spots } = unmark(`version: ^^3
^^wrokers: 2
limits: { max_connections: ^^many }
tenants:
  - id: acme
    timeouts:
      connect: ^^fast
    listeners:
      - { id: pg, address: ^^pg, backend: ^^nowhere }
  - id: ^^-globex
`);
  const problems = await problemsOf(text);
  assertEquals(problems.map(({ line, column }) => ({ line, column })), spots);
});

Deno.test("config schema: a problem of defaults is told once, not for each tenant", async () => {
  const { text, spots } = unmark("defaults: { timeouts: { idle: ^^10 } }\ntenants: [{ id: a }, { id: b }]\n");
  assertEquals((await problemsOf(text)).map(({ path, line, column }) => ({ path, line, column })), [
    { path: "defaults.timeouts.idle", ...spots[0] },
  ]);
});

Deno.test("config schema: the admin API listens on one port", async () => {
  const { text, spots } = unmark("admin: { listen: ^^127.0.0.1:9900-9909 }\n");
  assertEquals((await problemsOf(text)).map(({ path, line, column }) => ({ path, line, column })), [
    { path: "admin.listen", ...spots[0] },
  ]);
});
