/**
 * Waiting for sessions to end, for `?wait=`.
 *
 * @module
 */

import type { AdminDeps } from "./context.ts";

/** Between two looks, ms. */
const POLL_MS = 50;

/**
 * Resolves when a tenant has no session left, when the time is over, or when nobody waits any more; with the number of
 * sessions that are left.
 */
export async function whenDrained(deps: AdminDeps, tenant: string, waitMs: number, gone: AbortSignal): Promise<number> {
  const signal = AbortSignal.any([gone, deps.stopping]);
  const end = deps.now() + waitMs;
  for (;;) {
    const sessions = deps.control.tenantStatus(tenant)?.sessions ?? 0;
    const leftMs = end - deps.now();
    if (sessions === 0 || leftMs <= 0 || signal.aborted) return sessions;
    await deps.sleep(Math.min(POLL_MS, leftMs), signal);
  }
}
