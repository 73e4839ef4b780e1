/**
 * The canary room's door: splits whose weights move by themselves. The one `Canaries` is asked for weights by the control
 * plane, and tells the host what it did.
 *
 * @module
 */

export { Canaries } from "./canaries.ts";
export type { BackendCounters, CanariesDeps, CanaryMove, CanaryStatus } from "./canaries_deps.ts";
export { type Figures, LEAST_CONNECTS } from "./judge.ts";
