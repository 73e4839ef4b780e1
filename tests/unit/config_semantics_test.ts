/** What holds between the parts of a configuration: unique ids, references, addresses, each with its exact place. */
import { assertEquals, assertMatch } from "@std/assert";
import { problemsOf, unmark } from "./config_fixture.ts";

interface Case {
  readonly name: string;
  /** `^^` stands before the place of each problem. */
  readonly yaml: string;
  readonly path: string;
  readonly message: RegExp;
  readonly remedy: RegExp;
}

/** A tenant whose backend `pg` is right. */
const tenant = (id: string, listeners: string, backends = "") => `
  - id: ${id}
    listeners: [${listeners}]
    backends: [{ id: pg, endpoints: [{ id: a, address: "10.0.0.5:1" }] }${backends}]`;

const CASES: readonly Case[] = [
  {
    name: "two tenants of one id",
    yaml: "tenants:\n  - id: acme\n  - id: ^^acme\n",
    path: "tenants[1].id",
    message: /^must be unique: the tenant acme is already at \/etc\/sluice\.yaml:2:9$/,
    remedy: /another id/,
  },
  {
    name: "two listeners of one id",
    yaml: `tenants:${
      tenant("acme", '{ id: x, address: "1.1.1.1:1", backend: pg }, { id: ^^x, address: "1.1.1.1:2", backend: pg }')
    }`,
    path: "tenants[0].listeners[1].id",
    message: /the listener x is already at \/etc\/sluice\.yaml:3:23$/,
    remedy: /another id/,
  },
  {
    name: "two backends of one id",
    yaml: `tenants:${tenant("acme", "", ', { id: ^^pg, endpoints: [{ id: a, address: "10.0.0.5:1" }] }')}`,
    path: "tenants[0].backends[1].id",
    message: /the backend pg is already at/,
    remedy: /another id/,
  },
  {
    name: "two endpoints of one id",
    yaml: `tenants:${
      tenant(
        "acme",
        "",
        ', { id: b, endpoints: [{ id: a, address: "10.0.0.5:1" }, { id: ^^a, address: "10.0.0.6:1" }] }',
      )
    }`,
    path: "tenants[0].backends[1].endpoints[1].id",
    message: /the endpoint a is already at/,
    remedy: /another id/,
  },
  {
    name: "a listener that names a backend with a slip",
    yaml: `tenants:${tenant("acme", '{ id: x, address: "1.1.1.1:1", backend: ^^pgg }')}`,
    path: "tenants[0].listeners[0].backend",
    message: /^must be a backend of this tenant: current value is "pgg"$/,
    remedy: /^did you mean pg\?$/,
  },
  {
    name: "a listener that names the backend of another tenant",
    yaml: `tenants:${tenant("acme", '{ id: x, address: "1.1.1.1:1", backend: ^^other }')}
  - id: globex
    backends: [{ id: other, endpoints: [{ id: a, address: "10.0.0.5:1" }] }]
`,
    path: "tenants[0].listeners[0].backend",
    message: /a backend of this tenant: current value is "other"/,
    remedy: /^use one of pg$/,
  },
  {
    name: "a listener of a tenant without backends",
    yaml: 'tenants: [{ id: acme, listeners: [{ id: x, address: "1.1.1.1:1", backend: ^^pg }] }]',
    path: "tenants[0].listeners[0].backend",
    message: /a backend of this tenant/,
    remedy: /declare it/,
  },
  {
    name: "a backend without endpoints",
    yaml: "tenants:\n  - id: acme\n    backends:\n      - ^^id: pg\n",
    path: "tenants[0].backends[0].endpoints",
    message: /^must have at least one endpoint$/,
    remedy: /add endpoints/,
  },
  {
    name: "a backend with an empty list of endpoints",
    yaml: "tenants:\n  - id: acme\n    backends:\n      - id: pg\n        ^^endpoints: []\n",
    path: "tenants[0].backends[0].endpoints",
    message: /at least one endpoint/,
    remedy: /add endpoints/,
  },
  {
    name: "the same address twice",
    yaml: `tenants:${tenant("a", '{ id: x, address: "1.1.1.1:1", backend: pg }')}${
      tenant("b", '{ id: y, address: ^^"1.1.1.1:1", backend: pg }')
    }`,
    path: "tenants[1].listeners[0].address",
    message: /address of its own: 1\.1\.1\.1:1 is taken, by listener x of tenant a at \/etc\/sluice\.yaml:3:35$/,
    remedy: /another port or address/,
  },
  {
    name: "a wildcard over an address that comes before it",
    yaml: `tenants:${tenant("a", '{ id: x, address: "1.1.1.1:1", backend: pg }')}${
      tenant("b", '{ id: y, address: ^^"0.0.0.0:1", backend: pg }')
    }`,
    path: "tenants[1].listeners[0].address",
    message: /0\.0\.0\.0:1 overlaps 1\.1\.1\.1:1, by listener x of tenant a/,
    remedy: /another port/,
  },
  {
    name: "an endpoint without port",
    yaml: "tenants: [{ id: a, backends: [{ id: b, endpoints: [{ id: e, address: ^^_pg._tcp.db }] }] }]",
    path: "tenants[0].backends[0].endpoints[0].address",
    message: /^must have a port$/,
    remedy: /srv: true/,
  },
  {
    name: "a zone of no interface",
    yaml: 'tenants: [{ id: a, backends: [{ id: b, endpoints: [{ id: e, address: ^^"[fe80::1%wlan9]:1" }] }] }]',
    path: "tenants[0].backends[0].endpoints[0].address",
    message: /an interface of this machine: wlan9/,
    remedy: /another interface/,
  },
  {
    name: "a mirror that copies to nobody, named by defaults",
    yaml: "defaults: { mirror: { backend: ^^shadow } }\ntenants: [{ id: a }]",
    path: "defaults.mirror.backend",
    message: /a backend of this tenant: current value is "shadow"/,
    remedy: /declare it/,
  },
  {
    name: "a route on a listener that is not shared",
    yaml: `listeners: [{ id: edge, address: "[::]:8443" }]
tenants:
  - id: a
    routes: [{ id: r, listener: ^^egde, default: true, backend: b }]
    backends: [{ id: b, endpoints: [{ id: e, address: "1.1.1.1:1" }] }]`,
    path: "tenants[0].routes[0].listener",
    message: /a shared listener/,
    remedy: /did you mean edge\?/,
  },
  {
    name: "a route that takes nothing",
    yaml: `listeners: [{ id: edge, address: "[::]:8443" }]
tenants:
  - id: a
    routes: [^^{ id: r, listener: edge, backend: b }]
    backends: [{ id: b, endpoints: [{ id: e, address: "1.1.1.1:1" }] }]`,
    path: "tenants[0].routes[0]",
    message: /must say what it takes/,
    remedy: /default: true/,
  },
  {
    name: "endpoints and a split",
    yaml: `tenants:
  - id: a
    backends:
      - { id: b, endpoints: [{ id: e, address: "1.1.1.1:1" }], ^^split: [{ backend: b, weight: 1 }] }`,
    path: "tenants[0].backends[0].split",
    message: /endpoints or split, not both/,
    remedy: /remove one/,
  },
  {
    name: "a canary without a split",
    yaml:
      'tenants: [{ id: a, backends: [{ id: b, endpoints: [{ id: e, address: "1.1.1.1:1" }], ^^canary: { steps: [100] } }] }]',
    path: "tenants[0].backends[0].canary",
    message: /must come with split/,
    remedy: /add split/,
  },
  {
    name: "PROXY headers from nobody",
    yaml: 'listeners: [{ id: edge, address: "[::]:8443", proxy_protocol: { accept: required, trusted: ^^[] } }]',
    path: "listeners[0].proxy_protocol.trusted",
    message: /must name who may send/,
    remedy: /trusted/,
  },
  {
    name: "trusted senders of PROXY headers that nobody asks for",
    yaml: 'listeners: [{ id: edge, address: "[::]:8443", proxy_protocol: ^^{ trusted: [10.0.0.0/8] } }]',
    path: "listeners[0].proxy_protocol.accept",
    message: /must be off or required where trusted is set: it is missing/,
    remedy: /accept: required/,
  },
  {
    name: "a route at the tenant's own listener",
    yaml: 'listeners: [{ id: edge, address: "[::]:8443" }]\n' +
      'tenants: [{ id: a, listeners: [{ id: web, address: "127.0.0.1:1", backend: b }], ' +
      "routes: [{ id: r, listener: ^^web, default: true, backend: b }], " +
      'backends: [{ id: b, endpoints: [{ id: e, address: "1.1.1.1:1" }] }] }]',
    path: "tenants[0].routes[0].listener",
    message: /must be a shared listener: current value is "web"/,
    remedy: /remove the route: web is the tenant's own.*; or use one of edge$/,
  },
  {
    name: "a mirror to nobody, beside a split",
    yaml: "tenants: [{ id: a, mirror: { backend: ^^zzz }, backends: [" +
      '{ id: b, endpoints: [{ id: e, address: "1.1.1.1:1" }] }, { id: s, split: [{ backend: b, weight: 1 }] }] }]',
    path: "tenants[0].mirror.backend",
    message: /must be a backend of this tenant/,
    remedy: /use one of b$/,
  },
  {
    name: "a tenant's token for no tenant",
    yaml: `admin: { tokens: [{ name: x, sha256: ${"a".repeat(64)}, role: tenant, tenant: ^^acme }] }`,
    path: "admin.tokens[0].tenant",
    message: /must be a tenant/,
    remedy: /declare it/,
  },
  {
    name: "an admin's token with a tenant",
    yaml: `admin: { tokens: [{ name: x, sha256: ${"a".repeat(64)}, role: admin, ^^tenant: acme }] }`,
    path: "admin.tokens[0].tenant",
    message: /only role tenant/,
    remedy: /remove it/,
  },
  {
    name: "the admin API on a tenant's address",
    yaml: `admin: { listen: "127.0.0.1:1" }\ntenants:${
      tenant("a", '{ id: x, address: ^^"127.0.0.1:1", backend: pg }')
    }`,
    path: "tenants[0].listeners[0].address",
    message: /127\.0\.0\.1:1 is taken, by the admin API/,
    remedy: /another port/,
  },
];

for (const { name, yaml, path, message, remedy } of CASES) {
  Deno.test(`config semantics: ${name}`, async () => {
    const { text, spots } = unmark(yaml);
    // What this version refuses is the business of another test.
    const problems = (await problemsOf(text)).filter((problem) => !problem.message.includes("not available"));
    assertEquals(problems.map((problem) => ({ path: problem.path, line: problem.line, column: problem.column })), [
      { path, ...spots[0] },
    ]);
    assertMatch(problems[0]!.message, message);
    assertMatch(problems[0]!.remedy, remedy);
  });
}

Deno.test("config semantics: a wrong key elsewhere does not hide a wrong reference", async () => {
  const { text, spots } = unmark(`tenants:
  - id: acme
    ^^limts: {}
    listeners: [{ id: x, address: "1.1.1.1:1", backend: ^^nope, ^^colour: red }]
`);
  assertEquals((await problemsOf(text)).map(({ line, column }) => ({ line, column })), spots);
});

Deno.test("config semantics: one tenant's ids are free for another", async () => {
  const one = tenant("a", '{ id: x, address: "1.1.1.1:1", backend: pg }');
  const other = tenant("b", '{ id: x, address: "1.1.1.1:2", backend: pg }');
  assertEquals(await problemsOf(`tenants:${one}${other}\n`), []);
});
