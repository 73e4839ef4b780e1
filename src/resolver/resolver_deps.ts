/**
 * What the resolver works with, and what it tells others.
 *
 * @module
 */

import type { Clock } from "../schedule/timed.ts";
import type { NameTarget, WantedName } from "./finding.ts";
import type { Lookup } from "./lookup.ts";

/** What the resolver needs. */
export interface ResolverDeps extends Clock {
  readonly lookup: Lookup;
  /** Unix time in ms. */
  unixMs(): number;
  /** From 0 to below 1. */
  random(): number;
  /** Told of names that stand for something else than before, soon after; not of the first answer that is waited for. */
  onChange(names: readonly WantedName[]): void;
  /** Told what `onChange` threw. */
  onError(error: unknown): void;
}

/** What is known of a name. */
export type NameAnswer =
  /** Perhaps from an earlier look-up, when the last one failed. */
  | { readonly kind: "known"; readonly targets: readonly NameTarget[] }
  /** Nothing was ever found, and there is nothing: no such name, or no record of the kind. */
  | { readonly kind: "none"; readonly why: string }
  /** Nothing was ever found, and nobody could say. */
  | { readonly kind: "failed"; readonly why: string };

/** What is known of a name. */
export interface KnownName {
  readonly answer: NameAnswer;
  /** Why the last look-up gave nothing, or not everything; null when it was good, and before the first. */
  readonly error: string | null;
}

/** A name, for those who look on. */
export interface NameState extends WantedName, KnownName {
  /** Who wants it. */
  readonly owners: readonly string[];
  /** End of the last look-up, Unix time in ms; null before the first. */
  readonly checkedMs: number | null;
}

/** A name that stands for no address. `code` is that of the C library's resolver. */
export class NameError extends Error {
  readonly code: "ENOTFOUND" | "EAI_AGAIN";

  constructor(message: string, code: "ENOTFOUND" | "EAI_AGAIN") {
    super(message);
    this.name = "NameError";
    this.code = code;
  }
}
