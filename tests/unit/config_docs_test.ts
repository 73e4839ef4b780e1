/**
 * The documents about the configuration say what the code does: docs/config.md and config/sluice.schema.json. For every
 * key: its value with its unit, its default, what it means, what a change of it does to live sessions, and an example
 * that the schema takes.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { parse } from "yaml";
import { z } from "zod";
import { UNAVAILABLE_IN_TENANT, unavailableRule } from "../../src/config/availability.ts";
import { configSchema } from "../../src/config/schema.ts";
import { configJsonSchema, configJsonSchemaText } from "../../src/config/schema_json.ts";
import { tenantDefaultsSchema, tenantSchema } from "../../src/config/schema_tenant.ts";
import { allKeys, validate } from "../../src/config/validate.ts";

interface Row {
  readonly key: string;
  readonly written: string;
  readonly standard: string;
  readonly meaning: string;
  readonly atReload: string;
  readonly example: string;
}

const DOCUMENT = await Deno.readTextFile("docs/config.md");

/** The rows of the table below a heading. */
function rowsOf(heading: string): Row[] {
  const section = DOCUMENT.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? "";
  return section.split("\n").filter((line) => line.startsWith("| `")).map((line) => {
    const cells = line.split("|").slice(1, -1).map((cell) => cell.trim());
    assertEquals(cells.length, 6, line);
    const [key = "", written = "", standard = "", meaning = "", atReload = "", example = ""] = cells;
    return { key: key.replaceAll("`", ""), written, standard, meaning, atReload, example };
  });
}

const MAIN = rowsOf("The main file");
const TENANT = rowsOf("A tenant");

Deno.test("config docs: every key is described, and no other", () => {
  const isElsewhere = (key: string) => /^(defaults\.|tenants\[\])/.test(key);
  assertEquals(
    MAIN.map(({ key }) => key).sort(),
    allKeys(configSchema).filter((key) => !isElsewhere(key)).sort(),
  );
  assertEquals(TENANT.map(({ key }) => key).sort(), allKeys(tenantSchema).sort());
});

Deno.test("config docs: defaults take every key of a tenant but id, grants and the lists of things with ids", () => {
  const root = (key: string) => /^\w+/.exec(key)?.[0] ?? "";
  const apart = ["id", "grants", "listeners", "routes", "backends"];
  assertEquals(
    allKeys(tenantDefaultsSchema).sort(),
    allKeys(tenantSchema).filter((key) => !apart.includes(root(key))).sort(),
  );
  for (const key of apart) assert(DOCUMENT.includes(`\`${key}\``));
});

Deno.test("config docs: what is not available yet says so, and nothing else does", () => {
  for (const { key, meaning } of MAIN) assertEquals(/not available/i.test(meaning), false, key);
  for (const { key, meaning } of TENANT) {
    const isRefused = unavailableRule(key, UNAVAILABLE_IN_TENANT) !== undefined;
    assertEquals(meaning.startsWith("_Not available yet._ "), isRefused, key);
  }
});

Deno.test("config docs: the defaults are those of the schema", () => {
  let compared = 0;
  for (const [rows, root] of [[MAIN, configJsonSchema()], [TENANT, tenantJsonSchema()]] as const) {
    for (const { key, standard } of rows) {
      const schema = schemaAt(root, key);
      const inSchema = schema["default"];
      if (inSchema === undefined || (typeof inSchema === "object" && Object.keys(inSchema ?? {}).length === 0)) {
        assertMatch(
          standard,
          /^(none|any|everybody|unlimited|the kernel's choice|required.*|what .*|\[\].*|\{\})$/,
          key,
        );
      } else {
        compared++;
        assertEquals(standard, String(inSchema), key);
      }
    }
  }
  assert(compared > 40);
});

Deno.test("config docs: every row is whole", () => {
  for (const { key, written, standard, meaning, atReload, example } of [...MAIN, ...TENANT]) {
    for (const cell of [written, standard, atReload, example]) assert(cell.length > 1 || standard === cell, key);
    assert(meaning.length > 8 && meaning.endsWith("."), `${key}: ${meaning}`);
  }
});

Deno.test("config docs: values say their unit, or the words that there are", () => {
  for (const [rows, root] of [[MAIN, configJsonSchema()], [TENANT, tenantJsonSchema()]] as const) {
    for (const { key, written } of rows) {
      const { type, pattern, enum: words, minimum, maximum } = schemaAt(root, key);
      const text = String(pattern ?? "");
      if (Array.isArray(words)) assertEquals(written, words.map((word) => `\`${word}\``).join(" "), key);
      else if (type === "boolean") assertEquals(written, "`true` `false`", key);
      else if (text.includes("ms|s|m|h")) assertMatch(written, /^duration/, key);
      else if (text.endsWith("%$")) assertEquals(written, "share", key);
      else if (text.endsWith("/s$")) assertMatch(written, /^rate/, key);
      else if (text.includes("KiB")) assertMatch(written, /^size/, key);
      else if (type === "array") assertMatch(written, /^list/, key);
      else if (type === "object") assertMatch(written, /^map/, key);
      else if (type === "integer" || type === "number") {
        assertMatch(written, /^number of \w+$|^\d+ to \d+(,? [a-z ]+)?$/, key);
        const [, least, most] = /^(\d+) to (\d+)/.exec(written) ?? [];
        if (least !== undefined) assertEquals([Number(least), Number(most)], [minimum, maximum], key);
      }
    }
  }
});

Deno.test("config docs: every example is one that the schema takes, and says more than the default", () => {
  for (const [rows, schema] of [[MAIN, configSchema], [TENANT, tenantSchema]] as const) {
    for (const { key, standard, example } of rows) {
      const [, yaml = ""] = /^`(.+)`$/.exec(example) ?? [];
      const entries = Object.entries(parse(yaml) as Record<string, unknown>);
      assertEquals(entries.length, 1, `${key}: ${example}`);
      const [[name, value]] = entries as [[string, unknown]];
      const last = key.split(".").at(-1)!.replace("[]", "");
      if (last !== "*") assertEquals(name, last, key);
      const checked = validate(zodAt(schema, key), value);
      assert(checked.ok, `${key}: ${example}: ${checked.ok ? "" : checked.findings.map((one) => one.message).join()}`);
      if (key !== "version" && key !== "admin.listen") assert(String(value) !== standard, `${key}: ${example}`);
    }
  }
});

Deno.test("config docs: YAML in the documents is what the schema takes", async () => {
  let count = 0;
  for (const document of ["docs/config.md", "docs/canary.md", "docs/operations.md", "README.md"]) {
    const text = await Deno.readTextFile(document);
    for (const [, yaml = ""] of text.matchAll(/^```yaml\n(.*?)^```$/gms)) {
      for (const [key, value] of Object.entries(parse(yaml) as Record<string, unknown>)) {
        const schemas = [configSchema, tenantSchema].filter((schema) => Object.hasOwn(schema.shape, key));
        const checks = schemas.map((schema) => validate(zodAt(schema, key), value));
        assert(checks.some(({ ok }) => ok), `${document}: ${key}: ${JSON.stringify(checks)}`);
        count++;
      }
    }
  }
  assert(count > 10);
});

Deno.test("config docs: config/sluice.schema.json is current (mend: deno task schema)", async () => {
  assertEquals(await Deno.readTextFile("config/sluice.schema.json"), configJsonSchemaText());
});

type JsonSchema = Record<string, unknown>;

function tenantJsonSchema(): JsonSchema {
  return (configJsonSchema()["$defs"] as Record<string, JsonSchema>)["tenant"]!;
}

/** The part of a JSON Schema that describes a key. */
function schemaAt(root: JsonSchema, key: string): JsonSchema {
  const definitions = configJsonSchema()["$defs"] as Record<string, JsonSchema>;
  const follow = (schema: JsonSchema): JsonSchema => {
    const name = /^#\/\$defs\/(\w+)$/.exec(String(schema["$ref"] ?? ""))?.[1];
    return name === undefined ? schema : definitions[name]!;
  };
  return key.replaceAll("[]", ".[]").split(".").reduce<JsonSchema>((schema, step) => {
    const next = step === "[]"
      ? schema["items"]
      : step === "*"
      ? schema["additionalProperties"]
      : (schema["properties"] as Record<string, unknown> | undefined)?.[step];
    assert(typeof next === "object" && next !== null, `${key} is not in the schema`);
    return follow(next as JsonSchema);
  }, root);
}

/** The part of a schema that reads a key. */
function zodAt(schema: z.ZodType, key: string): z.ZodType {
  const bare = (part: z.core.$ZodType): z.core.$ZodType =>
    part instanceof z.ZodOptional || part instanceof z.ZodPrefault ? bare(part.unwrap()) : part;
  return key.replaceAll("[]", ".[]").split(".").reduce<z.core.$ZodType>((part, step) => {
    const inner = bare(part);
    if (inner instanceof z.ZodArray) return inner.element;
    if (inner instanceof z.ZodRecord) return inner.valueType;
    assert(inner instanceof z.ZodObject, key);
    return inner.shape[step] as z.core.$ZodType;
  }, schema) as z.ZodType;
}
