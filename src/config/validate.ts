/**
 * A value against a schema, with words for people: every problem by its path. Called by `load.ts`.
 *
 * @module
 */

import { z } from "zod";
import { suggest } from "./nearest.ts";
import { mustBe, show } from "./scalar.ts";
import type { Path } from "./source.ts";

/** A problem that has no file yet. */
export interface Finding {
  readonly path: Path;
  /** Whether the key or its value is at fault. */
  readonly at: "value" | "key";
  readonly message: string;
  readonly remedy: string;
}

/** The value as the schema reads it, or all that is wrong with it. */
export type Validated<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly findings: readonly Finding[] };

/** Reads `value` by `schema`. */
export function validate<T extends z.ZodType>(schema: T, value: unknown): Validated<z.output<T>> {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return { ok: true, value: result.data };
  return { ok: false, findings: result.error.issues.flatMap((issue) => explain(schema, issue)) };
}

/** The keys of the map that stands at `path`; empty where no map with fixed keys does. */
export function keysAt(schema: z.ZodType, path: Path): string[] {
  let current: z.core.$ZodType = bare(schema);
  for (const step of path) {
    if (current instanceof z.ZodObject) {
      const next: z.ZodType | undefined = current.shape[String(step)];
      if (next === undefined) return [];
      current = bare(next);
    } else if (current instanceof z.ZodArray) current = bare(current.element);
    else return [];
  }
  return current instanceof z.ZodObject ? Object.keys(current.shape) : [];
}

/** Every key that a schema knows, as patterns: `tenants[].backends[].endpoints[].address`; maps of free keys end in `.*`. */
export function allKeys(schema: z.core.$ZodType, prefix = ""): string[] {
  const inner = bare(schema);
  if (inner instanceof z.ZodArray) return allKeys(inner.element, `${prefix}[]`);
  if (inner instanceof z.ZodRecord) return [`${prefix}.*`];
  if (!(inner instanceof z.ZodObject)) return [];
  return Object.entries(inner.shape as Record<string, z.ZodType>).flatMap(([key, part]) => {
    const path = prefix === "" ? key : `${prefix}.${key}`;
    return [path, ...allKeys(part, path)];
  });
}

function bare(schema: z.core.$ZodType): z.core.$ZodType {
  return schema instanceof z.ZodOptional || schema instanceof z.ZodPrefault ? bare(schema.unwrap()) : schema;
}

function explain(schema: z.ZodType, issue: z.core.$ZodIssue): Finding[] {
  const path = issue.path.map((step) => typeof step === "number" ? step : String(step));
  const one = (message: string, remedy: string, at: "value" | "key" = "value") => [{ path, at, message, remedy }];
  switch (issue.code) {
    case "custom":
      return one(issue.message, String(issue.params?.["remedy"] ?? "mend the value"));
    case "unrecognized_keys": {
      const known = keysAt(schema, path);
      return issue.keys.map((key) => {
        const nearest = suggest(key, known);
        const remedy = nearest === undefined ? `use one of ${known.join(", ")}` : `did you mean ${nearest}?`;
        return { path: [...path, key], at: "key" as const, message: "there is no such key", remedy };
      });
    }
    case "invalid_key":
      return one(
        "a label's name must be letters, digits and . _ - / inside, 63 at the most",
        "choose a name such as plan or team/owner",
        "key",
      );
    case "too_small":
      return one("must have at least one entry", "add one, or remove the key");
    case "too_big":
      return one(`must have at most ${issue.maximum} entries`, "take some out");
    case "invalid_type": {
      const isList = issue.expected === "array";
      const rule = isList ? "a list" : "a map of keys and values";
      const remedy = isList ? "write entries with - in front, or [ … ]" : "write keys below it, or { key: value }";
      if (issue.input === null) return one(`must be ${rule}: it has no value`, `${remedy}; or remove the key`);
      return one(mustBe(rule, issue.input), remedy);
    }
    default:
      return one(`${issue.message}: current value is ${show(issue.input)}`, "mend the value");
  }
}
