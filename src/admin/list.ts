/**
 * The shape of lists of configuration objects.
 *
 * @module
 */

import { componentRef, type ConfigComponent } from "./config_components.ts";

/** JSON Schema of a page of components. */
export function listOf(component: ConfigComponent): Readonly<Record<string, unknown>> {
  return {
    type: "object",
    required: ["items", "next_cursor"],
    additionalProperties: false,
    properties: {
      items: { type: "array", items: componentRef(component) },
      next_cursor: { type: ["string", "null"], description: "For the next page; null at the end." },
    },
  };
}
