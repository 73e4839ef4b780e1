/**
 * ETag, If-Match and If-None-Match (RFC 9110, section 13).
 *
 * @module
 */

import type { AdminContext } from "./context.ts";
import type { Versioned } from "./control.ts";
import { Problem } from "./problem.ts";

/** What the headers of a write ask for. */
export interface Preconditions {
  readonly ifMatch?: string;
  readonly ifNoneMatch?: "*";
}

/**
 * Reads the headers of a write.
 *
 * @param current the object now, asked for when If-Match names several validators
 */
export function preconditionsOf(context: AdminContext, current: () => Versioned | null): Preconditions {
  const match = context.req.header("If-Match");
  const noneMatch = context.req.header("If-None-Match");
  if (noneMatch !== undefined && noneMatch.trim() !== "*") {
    throw new Problem(400, "If-None-Match must be * on a write", {
      faults: [{ pointer: "", parameter: "If-None-Match", detail: "must be *" }],
    });
  }
  return {
    ...(match === undefined ? {} : { ifMatch: oneOf(match, current) }),
    ...(noneMatch === undefined ? {} : { ifNoneMatch: "*" as const }),
  };
}

/** The validator that is the object's own, when it is among those named. */
function oneOf(header: string, current: () => Versioned | null): string {
  const tags = tagsOf("If-Match", header);
  const [first = "*"] = tags;
  if (tags.length === 1) return first;
  const etag = current()?.etag;
  return etag !== undefined && tags.includes(etag) ? etag : first;
}

/** Whether If-None-Match of a GET names this validator: the answer is 304 then. */
export function isUnchanged(context: AdminContext, etag: string): boolean {
  const header = context.req.header("If-None-Match");
  if (header === undefined) return false;
  // Weak comparison, as the RFC asks for on GET.
  const weak = (tag: string) => tag.replace(/^W\//, "");
  return tagsOf("If-None-Match", header).some((tag) => tag === "*" || weak(tag) === weak(etag));
}

function tagsOf(name: string, header: string): string[] {
  if (header.trim() === "*") return ["*"];
  const tags = [...header.matchAll(/(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g)].map(([tag]) => tag);
  const rest = header.replace(/(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g, "");
  if (tags.length > 0 && /^[\s,]*$/.test(rest)) return tags;
  throw new Problem(400, `${name} must be * or entity tags in quotes`, {
    faults: [{ pointer: "", parameter: name, detail: "must be * or entity tags in quotes" }],
  });
}
