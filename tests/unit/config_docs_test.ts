/** The documents about the configuration say what the code does: docs/config.md and config/sluice.schema.json. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { UNAVAILABLE_IN_TENANT, UNAVAILABLE_TOP, unavailableRule } from "../../src/config/availability.ts";
import { configSchema } from "../../src/config/schema.ts";
import { configJsonSchema, configJsonSchemaText } from "../../src/config/schema_json.ts";
import { tenantDefaultsSchema, tenantSchema } from "../../src/config/schema_tenant.ts";
import { allKeys } from "../../src/config/validate.ts";

interface Row {
  readonly key: string;
  readonly written: string;
  readonly standard: string;
  readonly meaning: string;
  readonly atReload: string;
  readonly available: string;
}

const DOCUMENT = await Deno.readTextFile("docs/config.md");

/** The rows of the table below a heading. */
function rowsOf(heading: string): Row[] {
  const section = DOCUMENT.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? "";
  return section.split("\n").filter((line) => line.startsWith("| `")).map((line) => {
    const [key = "", written = "", standard = "", meaning = "", atReload = "", available = ""] = line.split("|").slice(
      1,
    )
      .map((cell) => cell.trim());
    return { key: key.replaceAll("`", ""), written, standard, meaning, atReload, available };
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

Deno.test("config docs: what is available is what the table of the code says", () => {
  for (const [rows, table] of [[MAIN, UNAVAILABLE_TOP], [TENANT, UNAVAILABLE_IN_TENANT]] as const) {
    for (const { key, available } of rows) {
      const rule = unavailableRule(key, table);
      if (rule === undefined) assertEquals(available, "yes", key);
      else if (rule.remedy !== undefined) assertMatch(available, /^only `/, key);
      else if (rule.asksNothing === undefined) assertEquals(available, "no", key);
      else assertMatch(available, /^(no|only `.+`)$/, key);
    }
  }
});

Deno.test("config docs: the defaults are those of the schema", () => {
  let compared = 0;
  for (const [rows, root] of [[MAIN, configJsonSchema()], [TENANT, tenantJsonSchema()]] as const) {
    for (const { key, standard } of rows) {
      const schema = schemaAt(root, key);
      const inSchema = schema["default"];
      if (inSchema === undefined || (typeof inSchema === "object" && Object.keys(inSchema ?? {}).length === 0)) {
        assert(/^(|none|any|everybody|unlimited|required.*|what .*|\[\]|\{\})$/.test(standard), `${key}: ${standard}`);
      } else {
        compared++;
        assertEquals(standard, String(inSchema), key);
      }
    }
  }
  assert(compared > 40);
});

Deno.test("config docs: every row says what it means, and every available one what a reload does", () => {
  for (const { key, written, meaning, atReload, available } of [...MAIN, ...TENANT]) {
    assert(meaning.length > 8 && written !== "", key);
    if (available !== "no" && !written.startsWith("map") && !available.match(/^only `(0|0s|0ms|0%|false|off)`$/)) {
      assert(atReload !== "", key);
    }
  }
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
