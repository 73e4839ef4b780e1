/**
 * Values without parts, as zod schemas that say rule, value and remedy in words. `units.ts` and the schemas are
 * built of these; zod's own string and number checks are not used, because their messages are for programmers.
 *
 * @module
 */

import { z } from "zod";
import { suggest } from "./nearest.ts";

/** Thrown by a parse function that does not accept a value; never leaves this folder. */
export class Refusal extends Error {
  /** `rule` completes "must be …"; `remedy` is a whole instruction. */
  constructor(readonly rule: string, readonly remedy: string) {
    super(rule);
    this.name = "Refusal";
  }
}

/** What a value must be (for the JSON Schema) and how it is read. */
export interface ScalarRule<T> {
  /** Keywords of JSON Schema that describe the written value. */
  readonly json: Readonly<Record<string, unknown>>;
  /** Completes "must be …" where the value is missing or not a scalar. */
  readonly rule: string;
  /** What to do where the value is missing or not a scalar. */
  readonly remedy: string;
  /** Reads the value; throws a {@link Refusal}, or one is made from `rule` and `remedy` when it returns undefined. */
  readonly parse: (value: unknown) => T | undefined;
  /** True for what may be a secret, also when it is wrong: messages do not show it. */
  readonly isSecret?: boolean;
}

/** A schema that reads one value. */
export type Scalar<T> = z.ZodPipe<z.ZodUnknown, z.ZodTransform<T, unknown>>;

/** A schema that reads one value by a rule. */
export function scalar<T>(rule: ScalarRule<T>): Scalar<T> {
  return z.unknown().meta(rule.json).transform((value, context): T => {
    const refuse = (message: string, remedy: string) => {
      context.issues.push({ code: "custom", message, params: { remedy }, input: value });
      return z.NEVER;
    };
    if (value === undefined) return refuse(`must be ${rule.rule}: it is missing`, rule.remedy);
    if (value === null) return refuse(`must be ${rule.rule}: it has no value`, rule.remedy);
    const must = (words: string) =>
      rule.isSecret === true ? `must be ${words}: current value is not shown` : mustBe(words, value);
    try {
      const parsed = rule.parse(value);
      return parsed === undefined ? refuse(must(rule.rule), rule.remedy) : parsed;
    } catch (error) {
      if (error instanceof Refusal) return refuse(must(error.rule), error.remedy);
      throw error;
    }
  });
}

/** "must be <rule>: current value is <v>", or that it is missing. */
export function mustBe(rule: string, value: unknown): string {
  if (value === undefined) return `must be ${rule}: it is missing`;
  return `must be ${rule}: current value is ${show(value)}`;
}

/** A value as it may stand in a message: one line, not too long. */
export function show(value: unknown): string {
  if (value === undefined) return "missing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "a map";
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

/** true or false. */
export function boolean(): Scalar<boolean> {
  return scalar({
    json: { type: "boolean" },
    rule: "true or false",
    remedy: "write true or false, without quotes",
    parse: (value) => typeof value === "boolean" ? value : undefined,
  });
}

/** A whole number from `least` to `most`. */
export function integer(least: number, most: number): Scalar<number> {
  return scalar({
    json: { type: "integer", minimum: least, maximum: most },
    rule: `a whole number from ${least} to ${most}`,
    remedy: `write a number from ${least} to ${most}, without quotes or unit`,
    parse: (value) =>
      typeof value === "number" && Number.isInteger(value) && value >= least && value <= most ? value : undefined,
  });
}

/** A number from `least` to `most`. */
export function number(least: number, most: number): Scalar<number> {
  return scalar({
    json: { type: "number", minimum: least, maximum: most },
    rule: `a number from ${least} to ${most}`,
    remedy: `write a number from ${least} to ${most}`,
    parse: (value) => typeof value === "number" && value >= least && value <= most ? value : undefined,
  });
}

/** One of some words. */
export function choice<const W extends string>(...words: readonly W[]): Scalar<W> {
  const list = words.join(" | ");
  return scalar({
    json: { type: "string", enum: [...words] },
    rule: words.length === 1 ? list : `one of ${list}`,
    remedy: `write ${list}`,
    parse: (value): W => {
      const found = words.find((word) => word === value);
      if (found !== undefined) return found;
      const nearest = typeof value === "string" ? suggest(value, words) : undefined;
      throw new Refusal(
        words.length === 1 ? list : `one of ${list}`,
        nearest === undefined ? `write ${list}` : `did you mean ${nearest}?`,
      );
    },
  });
}

/** A text that matches `pattern`; `rule` completes "must be …". */
export function text(pattern: RegExp, rule: string, remedy: string): Scalar<string> {
  return scalar({
    json: { type: "string", pattern: pattern.source },
    rule,
    remedy,
    parse: (value) => {
      if (typeof value === "string") return pattern.test(value) ? value : undefined;
      if (typeof value === "number" && pattern.test(String(value))) {
        throw new Refusal(`${rule}, as text`, `put it in quotes: "${value}"`);
      }
      return undefined;
    },
  });
}

const ID_PATTERN = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** True for what may be the id of a tenant, listener, route, backend or endpoint. */
export function isId(value: string): boolean {
  return ID_PATTERN.test(value);
}

/** An id; `remedy` for one that names something else. */
export function id(remedy = "choose a name such as web or db-1"): Scalar<string> {
  return text(ID_PATTERN, "an id: lower-case letters, digits and -, 63 at the most, not starting with -", remedy);
}

/** A path of a file, never empty. */
export function filePath(): Scalar<string> {
  return text(/^[^\0]+$/, "the path of a file", "write a path; a relative one starts from this file's folder");
}
