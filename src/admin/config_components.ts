/**
 * The configuration's objects as components of the OpenAPI document, cut out of the JSON Schema that is made of the
 * schemas which validate the YAML. OpenAPI 3.1 speaks JSON Schema 2020-12: only references change.
 *
 * @module
 */

import type { Json, JsonObject } from "./control.ts";

/** Names of the components. */
export type ConfigComponent = "Config" | "Tenant" | "Listener" | "Route" | "Backend" | "Endpoint";

/** A reference to one of them. */
export function componentRef(name: ConfigComponent): { readonly $ref: string } {
  return { $ref: `#/components/schemas/${name}` };
}

/**
 * Cuts the components out.
 *
 * @throws {TypeError} when the schema has not the parts that the API serves
 */
export function configComponents(schema: JsonObject): Readonly<Record<ConfigComponent, JsonObject>> {
  const { $defs: _defs, $schema: _dialect, ...config } = schema;
  const tenant = below(schema, "$defs", "tenant");
  const backend = below(schema, "$defs", "backend");
  const parts = {
    Config: config,
    Tenant: tenant,
    Listener: below(tenant, "properties", "listeners", "items"),
    Route: below(tenant, "properties", "routes", "items"),
    Backend: backend,
    Endpoint: below(backend, "properties", "endpoints", "items"),
  };
  return Object.fromEntries(
    Object.entries(parts).map(([name, part]) => [name, withReferences(part)]),
  ) as Record<keyof typeof parts, JsonObject>;
}

function below(schema: JsonObject, ...path: readonly string[]): JsonObject {
  let value: Json = schema;
  for (const step of path) value = isObject(value) ? value[step] ?? null : null;
  if (isObject(value)) return value;
  throw new TypeError(`Cannot describe the API: the schema must have ${path.join(".")}: it has not`);
}

function withReferences(part: JsonObject): JsonObject {
  const text = JSON.stringify(part)
    .replaceAll('"#/$defs/tenant"', '"#/components/schemas/Tenant"')
    .replaceAll('"#/$defs/backend"', '"#/components/schemas/Backend"');
  return JSON.parse(text);
}

function isObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
