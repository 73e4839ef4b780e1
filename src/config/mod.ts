/**
 * The configuration room's door: everything that the other rooms use of it.
 *
 * The way of a command: `loadConfig` (files to a checked configuration with resolved names, or all problems at once),
 * `compilePlan` (to what the data plane is told), `diffPlans` (to what has changed). The control plane takes the same
 * steps tenant by tenant: `checkTop`, `checkUnit`, `compileTenant`.
 *
 * @module
 */

export type {
  AccessPlan,
  Address,
  BackendPlan,
  BandwidthPlan,
  BreakerPlan,
  BucketPlan,
  CanaryPlan,
  EndpointPlan,
  FaultPlan,
  LimitsPlan,
  ListenerPlan,
  PassivePlan,
  Plan,
  PlanChange,
  PrefixPlan,
  ProcessPlan,
  RoutePlan,
  TenantPlan,
} from "./plan.ts";
export { SHARED_HOLDER } from "./plan.ts";
export { formatProblem, inTenantsWords, type Problem } from "./problem.ts";
export { AddressIndex, type HeldAddress } from "./address_index.ts";
export { formatAddress, type ListenAddress, parseEndpointAddress, parseListenAddress } from "./address.ts";
export { canonicalJson, digestOf } from "./digest.ts";
export {
  listTenantFiles,
  sortTenantFiles,
  strayProblem,
  type TenantFile,
  type TenantListing,
  tenantsFolder,
  unreadable,
} from "./files.ts";
export { type AddressGrant, isGranted, parseAddressGrant } from "./grants.ts";
export { type HeldRoute, RouteIndex, type RouteKey } from "./route_index.ts";
export { checkTop, type MainConfig, mainUnits } from "./main_file.ts";
export { outlineOf } from "./outline.ts";
export { isMapValue, mergeOver, textOf } from "./raw.ts";
export { isId } from "./scalar.ts";
export { checkSharedListeners, claimsOfMain, collisionProblem, type ListenClaim, uniqueIds } from "./semantics.ts";
export { type RouteClaim, routeProblem } from "./semantics_routes.ts";
export { formatPath, parseSource, type Path, type Source, valueSource } from "./source.ts";
export {
  FileChangedError,
  type FileWrite,
  removeStaleTemps,
  StagedFiles,
  type StoreFs,
  systemStoreFs,
  tempPathOf,
} from "./store.ts";
export { editYaml, type ValueEdit, yamlText } from "./store_yaml.ts";
export { type CheckedUnit, checkUnit, resolveOutline, type TenantUnit, unitOf } from "./unit.ts";
export { parseByteRatePerS, parseRatePerS, parseSizeBytes } from "./units.ts";
export { type FileEvents, type Touched, type WatchDeps, watchFiles } from "./watch.ts";
export { allProblems, loadConfig, type LoadResult } from "./load.ts";
export { type LoadDeps, systemLoadDeps } from "./load_deps.ts";
export { placeOfListener } from "./locate.ts";
export { compilePlan, compileProcess, compileTenant } from "./compile.ts";
export { compileShared } from "./compile_routing.ts";
export { diffPlans, isEmptyChange, sameValue } from "./diff.ts";
export { defaultConfigPath, type PathDeps, systemPathDeps } from "./path.ts";
export type { AccessSink, Config, TenantConfig } from "./schema.ts";
export type { ResolvedNames, ServiceAddress } from "./resolve.ts";
export { parseDurationMs } from "./units.ts";
export { configJsonSchema } from "./schema_json.ts";
