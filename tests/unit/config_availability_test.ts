/** What this version refuses, key by key, and what of it is accepted because it asks for nothing. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { UNAVAILABLE_IN_TENANT, UNAVAILABLE_TOP, unavailableRule } from "../../src/config/availability.ts";
import { configSchema } from "../../src/config/schema.ts";
import { tenantSchema } from "../../src/config/schema_tenant.ts";
import { allKeys } from "../../src/config/validate.ts";
import { problemsOf, unmark } from "./config_fixture.ts";

interface Row {
  readonly key: string;
  /** Written at the tenant's level; `^^` stands before the key that is refused. */
  readonly refused: string;
  readonly remedy?: RegExp;
  /** The same, asking for nothing. */
  readonly accepted?: readonly string[];
}

const ENDPOINT = 'endpoints: [{ id: e, address: "10.0.0.1:1" }]';
const backend = (more: string) => `backends: [{ id: b, ${ENDPOINT}, ${more} }]`;
const listener = (more: string) =>
  `listeners: [{ id: l, address: "127.0.0.1:1", backend: b, ${more} }], ${backend("")}`;

const IN_TENANT: readonly Row[] = [
  {
    key: "listeners[].proxy_protocol",
    refused: listener("^^proxy_protocol: { accept: required, trusted: [10.0.0.0/8] }"),
    accepted: [listener("proxy_protocol: { accept: off }"), listener("proxy_protocol: {}")],
  },
  {
    key: "routes",
    refused: `^^routes: [{ id: r, listener: edge, default: true, backend: b }], ${backend("")}`,
    accepted: ["routes: []"],
  },
  {
    key: "backends[].endpoints[].srv",
    refused: "backends: [{ id: b, endpoints: [{ id: e, address: _pg._tcp.db, ^^srv: true }] }]",
    accepted: ['backends: [{ id: b, endpoints: [{ id: e, address: "10.0.0.1:1", srv: false }] }]'],
  },
  {
    key: "backends[].send_proxy_protocol",
    refused: backend("^^send_proxy_protocol: v2"),
    accepted: [backend("send_proxy_protocol: off")],
  },
  { key: "backends[].source_address", refused: backend("^^source_address: 127.0.0.1") },
  {
    key: "backends[].retry.backoff",
    refused: backend("retry: { ^^backoff: 100ms }"),
    accepted: [backend("retry: { backoff: 0s }")],
  },
  { key: "backends[].retry.budget", refused: backend("retry: { ^^budget: 20% }") },
  {
    key: "backends[].health",
    refused: backend("^^health: { active: { type: tcp } }"),
    accepted: [backend("health: {}")],
  },
  { key: "backends[].circuit_breaker", refused: backend("^^circuit_breaker: {}") },
  {
    key: "backends[].panic_threshold",
    refused: backend("^^panic_threshold: 50%"),
    accepted: [backend("panic_threshold: 0%")],
  },
  {
    key: "backends[].preconnect",
    refused: backend("^^preconnect: { min: 1, max: 2 }"),
    accepted: [backend("preconnect: { min: 0, max: 0, idle: 60s }"), backend("preconnect: {}")],
  },
  {
    key: "backends[].split",
    refused: `backends: [{ id: b, ${ENDPOINT} }, { id: c, ^^split: [{ backend: b, weight: 1 }] }]`,
  },
  {
    key: "backends[].canary",
    refused:
      `backends: [{ id: b, ${ENDPOINT} }, { id: c, ^^split: [{ backend: b, weight: 1 }], ^^canary: { steps: [5] } }]`,
  },
  { key: "mirror", refused: `^^mirror: { backend: b, share: 10% }, ${backend("")}` },
  {
    key: "fault",
    refused: "^^fault: { delay: 10ms }",
    accepted: ["fault: { delay: 0ms, delay_share: 0%, reset_share: 0%, refuse_share: 0% }", "fault: {}"],
  },
];

const tenant = (keys: string) => `tenants: [{ id: a, ${keys} }]`;

for (const { key, refused, remedy = /^remove it$/, accepted = [] } of IN_TENANT) {
  Deno.test(`config availability: ${key} is refused, not ignored`, async () => {
    const { text, spots } = unmark(tenant(refused));
    const shared = (path: string) => path.endsWith(".listener") && key === "routes";
    const problems = (await problemsOf(text)).filter(({ path }) => !shared(path));
    assertEquals(problems.map(({ line, column }) => ({ line, column })), spots);
    const last = problems.at(-1)!;
    assertEquals(last.path.replaceAll(/\[\d+\]/g, "[]"), `tenants[].${key}`);
    assertMatch(last.message, /^is not available in this version/);
    assertMatch(last.remedy, remedy);
    for (const keys of accepted) assertEquals(await problemsOf(tenant(keys)), [], keys);
  });
}

Deno.test("config availability: the rows above are the whole table", () => {
  assertEquals(UNAVAILABLE_IN_TENANT.map(({ key }) => key).sort(), IN_TENANT.map(({ key }) => key).sort());
  for (const { key, asksNothing } of UNAVAILABLE_IN_TENANT) {
    const row = IN_TENANT.find((one) => one.key === key);
    assertEquals((row?.accepted ?? []).length > 0, asksNothing !== undefined, key);
  }
});

Deno.test("config availability: keys of the main file", async () => {
  const { text, spots } = unmark('^^listeners: [{ id: l, address: "[::]:1" }]\n');
  const problems = await problemsOf(text);
  assertEquals(problems.map(({ line, column, path }) => ({ line, column, path })), [
    { ...spots[0]!, path: "listeners" },
  ]);
  assertEquals(await problemsOf("version: 1\nlisteners: []\n"), []);
});

Deno.test("config availability: defaults are held to the same table", async () => {
  const { text, spots } = unmark("defaults: { ^^fault: { delay: 1s } }\ntenants: [{ id: a }, { id: b }]\n");
  assertEquals((await problemsOf(text)).map(({ line, column, path }) => ({ line, column, path })), [
    { ...spots[0]!, path: "defaults.fault" },
  ]);
});

Deno.test("config availability: every rule names a key of the schema", () => {
  const tenantKeys = allKeys(tenantSchema);
  for (const { key } of UNAVAILABLE_IN_TENANT) assert(tenantKeys.includes(key), key);
  const topKeys = allKeys(configSchema);
  for (const { key } of UNAVAILABLE_TOP) assert(topKeys.includes(key), key);
});

Deno.test("config availability: a rule covers the keys below it, and no other", () => {
  assertEquals(unavailableRule("mirror.share", UNAVAILABLE_IN_TENANT)?.key, "mirror");
  assertEquals(unavailableRule("routes[].sni", UNAVAILABLE_IN_TENANT)?.key, "routes");
  assertEquals(unavailableRule("limits.max_connections", UNAVAILABLE_IN_TENANT), undefined);
  assertEquals(unavailableRule("backends[].retry.attempts", UNAVAILABLE_IN_TENANT), undefined);
});
