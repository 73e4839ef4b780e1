/**
 * Records of backends and what is in them, written from the plan. Called by `encode.ts`, which knows where each one
 * stands.
 *
 * @module
 */

import type { BackendPlan, Balance } from "../config/plan.ts";
import { putAddress } from "./address.ts";
import { CONSTANTS } from "./constants.ts";
import { limit32, pathOffset } from "./encode_records.ts";
import { healthNumber } from "./health.ts";
import { type BackendRow, type EndpointRow, present, type SplitRow } from "./encode_rows.ts";
import { RECORDS } from "./layout.ts";
import type { Records } from "./record.ts";
import type { StringTable } from "./string_table.ts";

const BALANCES: Readonly<Record<Balance, number>> = {
  round_robin: CONSTANTS.BALANCE_ROUND_ROBIN,
  least_connections: CONSTANTS.BALANCE_LEAST_CONNECTIONS,
  random_two: CONSTANTS.BALANCE_RANDOM_TWO,
  source_hash: CONSTANTS.BALANCE_SOURCE_HASH,
  first: CONSTANTS.BALANCE_FIRST,
  least_time: CONSTANTS.BALANCE_LEAST_TIME,
};

const SEND_PROXY: Readonly<Record<BackendPlan["sendProxy"], number>> = {
  off: CONSTANTS.SEND_PROXY_OFF,
  v1: CONSTANTS.SEND_PROXY_V1,
  v2: CONSTANTS.SEND_PROXY_V2,
};

/** Writes a record at `at`. */
export function putBackend(records: Records, at: number, row: BackendRow, strings: StringTable): void {
  const { fields } = RECORDS.backend_record;
  const { ids, plan } = row;
  const { sourceAddress: source } = plan;
  records.put(at, fields.id, ids.id);
  records.put(at, fields.balance, BALANCES[plan.balance]);
  records.put(at, fields.attempts, plan.attempts);
  records.put(at, fields.first_endpoint, row.firstEndpoint);
  records.put(at, fields.endpoint_count, plan.endpoints.length);
  records.put(at, fields.first_split, row.firstSplit);
  records.put(at, fields.split_count, plan.split.length);
  if (plan.split.length > 0) records.put(at, fields.split_seed, seedOf(`${row.tenant}/${plan.id}`));
  records.put(at, fields.send_proxy, SEND_PROXY[plan.sendProxy]);
  if (source !== null) putAddress(records, at + fields.source_address.offset, source, pathOffset(source, strings));
  records.put(at, fields.backoff_ms, plan.backoffMs);
  records.put(at, fields.retry_budget_ppm, limit32(plan.retryBudgetPpm));
  putResilience(records, at, plan);
}

/** A number of a name, the same in each process: FNV-1a, 32 bits. */
function seedOf(name: string): number {
  let seed = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) seed = Math.imul(seed ^ byte, 0x01000193) >>> 0;
  return seed;
}

/** What is off is zero. */
function putResilience(records: Records, at: number, plan: BackendPlan): void {
  const { fields } = RECORDS.backend_record;
  const { passive, breaker, preconnect } = plan;
  records.put(at, fields.passive_failures, passive?.failures ?? 0);
  records.put(at, fields.passive_window_ms, passive?.windowMs ?? 0);
  records.put(at, fields.eject_ms, passive?.ejectMs ?? 0);
  records.put(at, fields.max_ejected_ppm, passive?.maxEjectedPpm ?? 0);
  records.put(at, fields.breaker_requests, breaker?.requests ?? 0);
  records.put(at, fields.breaker_error_ppm, breaker?.errorPpm ?? 0);
  records.put(at, fields.breaker_probes, breaker?.probes ?? 0);
  records.put(at, fields.breaker_window_ms, breaker?.windowMs ?? 0);
  records.put(at, fields.breaker_open_ms, breaker?.openMs ?? 0);
  records.put(at, fields.slow_start_ms, plan.slowStartMs);
  records.put(at, fields.panic_ppm, plan.panicPpm);
  records.put(at, fields.preconnect_min, preconnect?.min ?? 0);
  records.put(at, fields.preconnect_max, preconnect?.max ?? 0);
  records.put(at, fields.preconnect_idle_ms, preconnect?.idleMs ?? 0);
}

const ENDPOINT_STATES = {
  ready: CONSTANTS.ENDPOINT_READY,
  drain: CONSTANTS.ENDPOINT_DRAIN,
  maintenance: CONSTANTS.ENDPOINT_MAINTENANCE,
} as const;

/** Writes a record at `at`. A new endpoint counts as unknown, and is used, until somebody has checked it. */
export function putEndpoint(records: Records, at: number, row: EndpointRow, strings: StringTable): void {
  const { id, plan, health } = row;
  const { fields } = RECORDS.endpoint_record;
  records.put(at, fields.id, id);
  records.put(at, fields.weight, plan.weight);
  records.put(at, fields.max_connections, limit32(plan.maxConnections));
  records.put(at, fields.state, ENDPOINT_STATES[plan.state]);
  records.put(at, fields.tier, plan.tier);
  records.put(at, fields.health, healthNumber(health));
  putAddress(records, at + fields.address.offset, plan.address, pathOffset(plan.address, strings));
}

/** Writes a record at `at`. */
export function putSplit(records: Records, at: number, { ids, plan, backend }: SplitRow): void {
  const { fields } = RECORDS.split_record;
  const part = present(ids.backends.get(plan.backend), `backend ${plan.backend} of split ${backend}`);
  records.put(at, fields.backend, part.id);
  records.put(at, fields.weight, plan.weight);
}
