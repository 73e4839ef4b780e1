/**
 * Bodies of requests: media type, size and syntax. The size is counted while reading, for a body may be endless.
 *
 * @module
 */

import type { AdminContext } from "./context.ts";
import type { JsonObject } from "./control.ts";
import { Problem } from "./problem.ts";

/** Most bytes of a body. */
export const BODY_LIMIT = 1024 * 1024;
/** Most bytes of a whole configuration. */
export const CONFIG_LIMIT = 64 * BODY_LIMIT;

/** Objects and lists within each other; nothing that makes sense is near it. */
const DEEPEST = 64;

/** Media types of JSON. */
export const JSON_TYPES = ["application/json"] as const;
/** Media types of JSON Merge Patch. */
export const PATCH_TYPES = ["application/merge-patch+json", "application/json"] as const;
/** Media types of YAML. */
export const YAML_TYPES = ["application/yaml", "application/x-yaml", "text/yaml"] as const;

/** The body as a JSON object. */
export async function readObject(
  context: AdminContext,
  types: readonly string[] = JSON_TYPES,
  limit = BODY_LIMIT,
): Promise<JsonObject> {
  requireType(context, types);
  return parseObject(await readText(context, limit));
}

/** A whole configuration, as JSON or YAML. */
export async function readConfig(
  context: AdminContext,
): Promise<{ readonly value: JsonObject } | { readonly yaml: string }> {
  const type = requireType(context, [...JSON_TYPES, ...YAML_TYPES]);
  const text = await readText(context, CONFIG_LIMIT);
  return JSON_TYPES.some((json) => json === type) ? { value: parseObject(text) } : { yaml: text };
}

function requireType(context: AdminContext, types: readonly string[]): string {
  const header = context.req.header("Content-Type") ?? "";
  const [type = "", ...parameters] = header.split(";").map((part) => part.trim().toLowerCase());
  const isUtf8 = parameters.every((one) => !one.startsWith("charset=") || /^charset="?utf-8"?$/.test(one));
  if (!types.includes(type) || !isUtf8) {
    throw new Problem(415, `Content-Type must be ${types.join(" or ")}, in UTF-8`, {
      headers: { [context.req.method === "PATCH" ? "Accept-Patch" : "Accept-Post"]: types.join(", ") },
    });
  }
  if ((context.req.header("Content-Encoding") ?? "identity").toLowerCase() !== "identity") {
    throw new Problem(415, "Content-Encoding must be left out", { headers: { "Accept-Encoding": "identity" } });
  }
  return type;
}

async function readText(context: AdminContext, limit: number): Promise<string> {
  const tooLarge = () => new Problem(413, `The body must be ${limit} bytes at the most`);
  if (Number(context.req.header("Content-Length") ?? 0) > limit) throw tooLarge();
  const body: ReadableStream<Uint8Array> | null = context.req.raw.body;
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const parts: string[] = [];
  let size = 0;
  try {
    if (body !== null) {
      for await (const chunk of body) {
        size += chunk.byteLength;
        if (size > limit) throw tooLarge();
        parts.push(decoder.decode(chunk, { stream: true }));
      }
    }
    parts.push(decoder.decode());
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem(400, "The body must be whole, and in UTF-8");
  }
  return parts.join("");
}

function parseObject(text: string): JsonObject {
  if (depthOf(text) > DEEPEST) throw new Problem(400, `The body must be ${DEEPEST} levels deep at the most`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const detail = error instanceof Error ? error.message : "not JSON";
    throw new Problem(400, "The body must be JSON", { faults: [{ pointer: "", detail, ...placeOf(detail, text) }] });
  }
  if (isObject(value)) return value;
  throw new Problem(422, "The body must be a JSON object", {
    faults: [{ pointer: "", detail: "must be a JSON object" }],
  });
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Where the parser stopped, if it says so. */
function placeOf(detail: string, text: string): { line?: number; column?: number } {
  const position = /position (\d+)/.exec(detail)?.[1];
  if (position === undefined) return {};
  const before = text.slice(0, Number(position)).split("\n");
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

/** Levels of objects and lists, found without recursion. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let isInText = false;
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (isInText) {
      if (character === "\\") index++;
      else if (character === '"') isInText = false;
    } else if (character === '"') isInText = true;
    else if (character === "[" || character === "{") deepest = Math.max(deepest, ++depth);
    else if (character === "]" || character === "}") depth--;
  }
  return deepest;
}
