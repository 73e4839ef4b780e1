/**
 * Strong validators of objects, and the conditions that requests put on them (RFC 9110, 13). Pure.
 *
 * @module
 */

import { canonicalJson, digestOf } from "../config/mod.ts";
import { ControlError, type Json, type JsonObject, type Versioned, type WriteOptions } from "../admin/control.ts";

/** The validator of a value. */
export function etagOf(value: Json): string {
  return `"${digestOf(canonicalJson(value))}"`;
}

/** A value with its validator. */
export function versioned(value: JsonObject): Versioned {
  return { value, etag: etagOf(value) };
}

/** Whether a list of validators, or `*`, names this one. Weak ones never do. */
export function matches(condition: string, etag: string): boolean {
  return condition.trim() === "*" || condition.split(",").some((one) => one.trim() === etag);
}

/**
 * Holds conditions against an object that is there, or is not (null).
 *
 * @throws {ControlError} precondition_failed
 */
export function checkConditions(options: WriteOptions, object: JsonObject | null, what: string): void {
  if (options.ifNoneMatch !== undefined && object !== null) {
    throw new ControlError("precondition_failed", `Cannot create ${what}: it must not be there: it is`);
  }
  if (options.ifMatch === undefined) return;
  if (object === null) {
    throw new ControlError("precondition_failed", `Cannot change ${what}: it must be there: it is not`);
  }
  checkMatch(options.ifMatch, etagOf(object), what);
}

/** Holds If-Match against a validator. Throws ControlError precondition_failed. */
export function checkMatch(ifMatch: string, etag: string, what: string): void {
  if (matches(ifMatch, etag)) return;
  throw new ControlError(
    "precondition_failed",
    `Cannot change ${what}: If-Match must name its ETag: it has changed, and is ${etag} now`,
  );
}
