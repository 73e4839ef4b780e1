/**
 * The health room's door: active checks of endpoints. The control plane gives each tenant's targets (`targetsOf`) to the
 * one `HealthChecker`, and hands what changes to the data plane.
 *
 * @module
 */

export { type Check, checkOver, type Verdict } from "./check.ts";
export type { Health } from "./check_state.ts";
export { HealthChecker } from "./checker.ts";
export type { CheckerDeps, HealthRow, HealthTransition } from "./checker_deps.ts";
export { type Connection, type Dial, dialSystem } from "./connection.ts";
export { type CheckSpec, type HealthTarget, targetsOf, type Trial } from "./target.ts";
