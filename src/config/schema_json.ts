/**
 * The configuration's JSON Schema (2020-12), for editors and for the admin API. Run as a program it writes
 * `config/sluice.schema.json`: `deno task schema`.
 *
 * @module
 */

import { z } from "zod";
import { configSchema } from "./schema.ts";

/** The schema of the main file as it is written; that of a tenant, whole files included, is `#/$defs/tenant`. */
export function configJsonSchema(): Record<string, unknown> {
  const { $schema, ...rest } = z.toJSONSchema(configSchema, { io: "input", target: "draft-2020-12" });
  return {
    $schema,
    title: "Sluice configuration",
    description: "The main file. Keys that this version does not have yet are part of it; `sluice check` names them.",
    ...rest,
  };
}

/** The text of the generated file. */
export function configJsonSchemaText(): string {
  return `${JSON.stringify(configJsonSchema(), null, 2)}\n`;
}

if (import.meta.main) {
  await Deno.writeTextFile(new URL("../../config/sluice.schema.json", import.meta.url), configJsonSchemaText());
}
