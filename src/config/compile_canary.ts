/**
 * The canary of a split, with what makes it the one that it is. Pure; called by `compile_backend.ts`.
 *
 * @module
 */

import { canonicalJson, digestOf } from "./digest.ts";
import type { CanaryPlan } from "./plan.ts";
import type { TenantConfig } from "./schema.ts";

type BackendConfig = TenantConfig["backends"][number];

/** The canary of a backend; null for one without. `all` are the tenant's backends. */
export function compileCanary(backend: BackendConfig, all: readonly BackendConfig[]): CanaryPlan | null {
  const { canary, split = [] } = backend;
  if (canary === undefined) return null;
  const { steps, step_for: stepForMs, abort_when: abort } = canary;
  const parts = split.map(({ backend: id }) => id);
  const last = all.find(({ id }) => id === parts.at(-1));
  return {
    steps,
    stepForMs,
    errorPpm: abort?.error_ratio ?? null,
    connectP99Ms: abort?.connect_p99 ?? null,
    revision: digestOf(canonicalJson({ canary, parts, last: last === undefined ? null : withoutStates(last) })),
  };
}

/** What an operator does to an endpoint for a while makes no other canary of it; nor do the addresses of its name. */
function withoutStates(backend: BackendConfig): unknown {
  return { ...backend, endpoints: backend.endpoints?.map(({ state: _, ...endpoint }) => endpoint) };
}
