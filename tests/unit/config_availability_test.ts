/** What this version refuses, key by key, and what of it is accepted because it asks for nothing. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { findUnavailable, UNAVAILABLE_IN_TENANT, unavailableRule } from "../../src/config/availability.ts";
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

/** None now: this version does all that the schema knows. */
const IN_TENANT: readonly Row[] = [];

const tenant = (keys: string) => `tenants: [{ id: a, ${keys} }]`;

for (const { key, refused, remedy = /^remove it$/, accepted = [] } of IN_TENANT) {
  Deno.test(`config availability: ${key} is refused, not ignored`, async () => {
    const { text, spots } = unmark(tenant(refused));
    const problems = await problemsOf(text);
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

Deno.test("config availability: defaults are held to the same table", () => {
  const table = [{ key: "fault" }, { key: "tcp.user_timeout", asksNothing: (value: unknown) => value === "0s" }];
  const found = findUnavailable({ fault: { delay: "1s" }, tcp: { user_timeout: "0s" } }, table);
  assertEquals(found.map(({ path }) => path), [["fault"]]);
});

Deno.test("config availability: every rule names a key of the schema", () => {
  const tenantKeys = allKeys(tenantSchema);
  for (const { key } of UNAVAILABLE_IN_TENANT) assert(tenantKeys.includes(key), key);
});

Deno.test("config availability: a rule covers the keys below it, and no other", () => {
  const table = [{ key: "backends[].canary" }, { key: "listeners[]" }];
  assertEquals(unavailableRule("backends[].canary", table)?.key, "backends[].canary");
  assertEquals(unavailableRule("backends[].canary.steps", table)?.key, "backends[].canary");
  assertEquals(unavailableRule("listeners[].id", table)?.key, "listeners[]");
  assertEquals(unavailableRule("backends[].canaries", table), undefined);
  assertEquals(unavailableRule("limits.max_connections", table), undefined);
});
