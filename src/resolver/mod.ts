/**
 * The resolver room's door: what names of endpoints stand for, and when that changes.
 *
 * @module
 */

export type { NameTarget, WantedName } from "./finding.ts";
export type { Lookup } from "./lookup.ts";
export { Resolver } from "./resolver.ts";
export { type KnownName, type NameAnswer, NameError, type NameState, type ResolverDeps } from "./resolver_deps.ts";
export { systemResolverDeps } from "./system.ts";
export { namesOf } from "./wanted.ts";
