/**
 * The configuration room's door: everything that `src/control`, `src/cli` and later `src/admin` use of it.
 *
 * The way: `loadConfig` (files to a checked configuration with resolved names, or all problems at once), `compilePlan`
 * (to what the data plane is told), `diffPlans` (to what has changed).
 *
 * @module
 */

export type {
  Address,
  BackendPlan,
  EndpointPlan,
  ListenerPlan,
  Plan,
  PlanChange,
  ProcessPlan,
  TenantPlan,
} from "./plan.ts";
export { formatProblem, type Problem } from "./problem.ts";
export { allProblems, loadConfig, type LoadResult } from "./load.ts";
export { type LoadDeps, systemLoadDeps } from "./load_deps.ts";
export { placeOfListener } from "./locate.ts";
export { compilePlan } from "./compile.ts";
export { diffPlans, isEmptyChange } from "./diff.ts";
export { defaultConfigPath, type PathDeps, systemPathDeps } from "./path.ts";
export type { AccessSink, Config, TenantConfig } from "./schema.ts";
export type { ResolvedNames } from "./resolve.ts";
