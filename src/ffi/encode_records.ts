/**
 * Single records of a blob, written from the plan. Called by `encode.ts`, which knows where each one stands.
 *
 * @module
 */

import type {
  Address,
  BackendPlan,
  BucketPlan,
  EndpointPlan,
  LimitsPlan,
  ListenerPlan,
  PlanChange,
  PrefixPlan,
  TenantPlan,
} from "../config/plan.ts";
import { ipBytes, putAddress, unixPathBytes } from "./address.ts";
import { CONSTANTS } from "./constants.ts";
import type { BackendIds, TenantIds } from "./ids.ts";
import { RECORDS } from "./layout.ts";
import type { Records } from "./record.ts";

/** A listener with the numbers of its tenant. */
export interface ListenerRow {
  readonly tenant: string;
  readonly ids: TenantIds;
  readonly plan: ListenerPlan;
}

/** A backend, and where its endpoints begin in their table. */
export interface BackendRow {
  readonly tenant: string;
  readonly ids: BackendIds;
  readonly plan: BackendPlan;
  readonly firstEndpoint: number;
}

/** An endpoint with its number. */
export interface EndpointRow {
  readonly tenant: string;
  readonly backend: string;
  readonly id: number;
  readonly plan: EndpointPlan;
}

/** A tenant, and where its parts begin in their tables. */
export interface TenantRow {
  readonly ids: TenantIds;
  readonly plan: TenantPlan;
  readonly firstListener: number;
  readonly firstBackend: number;
  readonly firstPrefix: number;
}

/** A prefix of an access list. */
export interface PrefixRow {
  readonly tenant: string;
  readonly plan: PrefixPlan;
}

/** The value, which must be there. */
export function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new TypeError(`Cannot encode a change: ${what} must be known: it is not`);
  return value;
}

/** The string table while it fills. */
export class StringTable {
  #length = 0;
  constructor(readonly records: Records, readonly start: number) {}

  /** Puts the path of a unix socket in; nothing for other addresses. Returns where in the table it starts. */
  add(address: Address): number {
    if (address.family !== "unix") return 0;
    const bytes = unixPathBytes(address.path);
    const offset = this.#length;
    this.records.bytes.set(bytes, this.start + offset);
    this.#length += bytes.length;
    return offset;
  }
}

function limit32(limit: number | null): number {
  return limit ?? CONSTANTS.UNLIMITED32;
}

/** Writes a record at `at`. */
export function putProcess(records: Records, at: number, plan: NonNullable<PlanChange["process"]>): void {
  const { fields } = RECORDS.process_record;
  records.put(at, fields.max_connections, limit32(plan.maxConnections));
  records.put(at, fields.access_log, plan.accessLog ? 1 : 0);
  records.put(at, fields.access_sample_ppm, plan.accessSamplePpm);
  records.put(at, fields.access_progress_ms, plan.accessProgressMs);
}

const RESETS = {
  none: CONSTANTS.RESET_NONE,
  to_backend: CONSTANTS.RESET_TO_BACKEND,
  both: CONSTANTS.RESET_BOTH,
} as const;

/** Writes a record at `at`. */
export function putTenant(records: Records, at: number, row: TenantRow): void {
  const { fields } = RECORDS.tenant_record;
  const { ids, plan } = row;
  const { timeouts, tcp, access } = plan;
  const enabled = plan.enabled ? CONSTANTS.TENANT_ENABLED : 0;
  records.put(at, fields.id, ids.id);
  records.put(at, fields.flags, enabled | (access.allow === null ? 0 : CONSTANTS.TENANT_ALLOW_LIST));
  records.put(at, fields.connect_ms, timeouts.connectMs);
  records.put(at, fields.first_byte_ms, timeouts.firstByteMs);
  records.put(at, fields.idle_ms, timeouts.idleMs);
  records.put(at, fields.half_close_ms, timeouts.halfCloseMs);
  records.put(at, fields.max_duration_ms, timeouts.maxDurationMs);
  records.put(at, fields.drain_ms, timeouts.drainMs);
  records.put(at, fields.max_duration_jitter_ppm, timeouts.maxDurationJitterPpm);
  records.put(at, fields.user_timeout_ms, tcp.userTimeoutMs);
  records.put(at, fields.keepalive_idle_s, tcp.keepalive?.idleS ?? 0);
  records.put(at, fields.keepalive_interval_s, tcp.keepalive?.intervalS ?? 0);
  records.put(at, fields.keepalive_probes, tcp.keepalive?.probes ?? 0);
  records.put(at, fields.reset_propagation, RESETS[tcp.resetPropagation]);
  records.put(at, fields.buffer_bytes, plan.bufferBytes);
  records.put(at, fields.first_listener, row.firstListener);
  records.put(at, fields.listener_count, plan.listeners.length);
  records.put(at, fields.first_backend, row.firstBackend);
  records.put(at, fields.backend_count, plan.backends.length);
  records.put(at, fields.first_prefix, row.firstPrefix);
  records.put(at, fields.allow_count, access.allow?.length ?? 0);
  records.put(at, fields.deny_count, access.deny.length);
  putLimits(records, at + fields.limits.offset, plan.limits);
}

const ON_LIMIT = {
  close: CONSTANTS.ON_LIMIT_CLOSE,
  reset: CONSTANTS.ON_LIMIT_RESET,
  queue: CONSTANTS.ON_LIMIT_QUEUE,
} as const;

function putLimits(records: Records, at: number, plan: LimitsPlan): void {
  const { fields } = RECORDS.limits;
  const { bandwidth, perConnection, perSource, queue } = plan;
  records.put(at, fields.flags, plan.dryRun ? CONSTANTS.LIMITS_DRY_RUN : 0);
  records.put(at, fields.on_limit, ON_LIMIT[plan.onLimit]);
  records.put(at, fields.max_connections, limit32(plan.maxConnections));
  records.put(at, fields.queue_size, queue?.size ?? 0);
  records.put(at, fields.queue_timeout_ms, queue?.timeoutMs ?? 0);
  putBucket(records, at + fields.session_rate.offset, plan.connectionRate);
  putBucket(records, at + fields.up.offset, bandwidth.up);
  putBucket(records, at + fields.down.offset, bandwidth.down);
  putBucket(records, at + fields.session_up.offset, perConnection.up);
  putBucket(records, at + fields.session_down.offset, perConnection.down);
  putBucket(records, at + fields.source_rate.offset, perSource.connectionRate);
  records.put(at, fields.source_max_connections, limit32(perSource.maxConnections));
  records.put(at, fields.source_ipv4_bits, perSource.ipv4Bits);
  records.put(at, fields.source_ipv6_bits, perSource.ipv6Bits);
}

function putBucket(records: Records, at: number, plan: BucketPlan | null): void {
  const { fields } = RECORDS.bucket;
  if (plan === null) return records.putAllOnes(at, fields.rate);
  records.put(at, fields.rate, plan.ratePer1000s);
  records.put(at, fields.burst, plan.burst);
}

/** Writes a record at `at`. */
export function putPrefix(records: Records, at: number, plan: PrefixPlan): void {
  const { fields } = RECORDS.prefix_record;
  records.bytes.set(ipBytes(plan.ip), at + fields.ip.offset);
  records.put(at, fields.family, plan.family === "ipv4" ? CONSTANTS.FAMILY_IPV4 : CONSTANTS.FAMILY_IPV6);
  records.put(at, fields.bits, plan.bits);
}

/** Writes a record at `at`. */
export function putListener(records: Records, at: number, { ids, plan }: ListenerRow, strings: StringTable): void {
  const { fields } = RECORDS.listener_record;
  const backend = present(ids.backends.get(plan.backend), `backend ${plan.backend} of listener ${plan.id}`);
  records.put(at, fields.id, present(ids.listeners.get(plan.id), `listener ${plan.id}`));
  records.put(at, fields.backend, backend.id);
  records.put(at, fields.port_last, plan.portLast);
  putAddress(records, at + fields.address.offset, plan.address, strings.add(plan.address));
}

const BALANCES = {
  round_robin: CONSTANTS.BALANCE_ROUND_ROBIN,
  least_connections: CONSTANTS.BALANCE_LEAST_CONNECTIONS,
  random_two: CONSTANTS.BALANCE_RANDOM_TWO,
  source_hash: CONSTANTS.BALANCE_SOURCE_HASH,
  first: CONSTANTS.BALANCE_FIRST,
  least_time: CONSTANTS.BALANCE_LEAST_TIME,
} as const;

/** Writes a record at `at`. */
export function putBackend(records: Records, at: number, { ids, plan, firstEndpoint }: BackendRow): void {
  const { fields } = RECORDS.backend_record;
  records.put(at, fields.id, ids.id);
  records.put(at, fields.balance, BALANCES[plan.balance]);
  records.put(at, fields.attempts, plan.attempts);
  records.put(at, fields.first_endpoint, firstEndpoint);
  records.put(at, fields.endpoint_count, plan.endpoints.length);
  records.put(at, fields.slow_start_ms, plan.slowStartMs);
}

const ENDPOINT_STATES = {
  ready: CONSTANTS.ENDPOINT_READY,
  drain: CONSTANTS.ENDPOINT_DRAIN,
  maintenance: CONSTANTS.ENDPOINT_MAINTENANCE,
} as const;

/** Writes a record at `at`. */
export function putEndpoint(records: Records, at: number, { id, plan }: EndpointRow, strings: StringTable): void {
  const { fields } = RECORDS.endpoint_record;
  records.put(at, fields.id, id);
  records.put(at, fields.weight, plan.weight);
  records.put(at, fields.max_connections, limit32(plan.maxConnections));
  records.put(at, fields.state, ENDPOINT_STATES[plan.state]);
  records.put(at, fields.tier, plan.tier);
  putAddress(records, at + fields.address.offset, plan.address, strings.add(plan.address));
}
