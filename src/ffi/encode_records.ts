/**
 * Single records of a blob, written from the plan. Called by `encode.ts`, which knows where each one stands.
 *
 * @module
 */

import type { Address, BucketPlan, LimitsPlan, PrefixPlan, ProcessPlan } from "../config/plan.ts";
import { SHARED_HOLDER } from "../config/plan.ts";
import { ipBytes, putAddress, unixPathBytes } from "./address.ts";
import { CONSTANTS } from "./constants.ts";
import { type ListenerRow, present, type RouteRow, type TenantRow } from "./encode_rows.ts";
import { RECORDS } from "./layout.ts";
import type { Records } from "./record.ts";
import { type StringTable, textBytes } from "./string_table.ts";

/** Where the path of an address is in the string table; 0 for one without a path. */
export function pathOffset(address: Address, strings: StringTable): number {
  return address.family === "unix" ? strings.offsetOf(unixPathBytes(address.path)) : 0;
}

/** A limit; null is unlimited. */
export function limit32(limit: number | null): number {
  return limit ?? CONSTANTS.UNLIMITED32;
}

/** Writes a record at `at`. */
export function putProcess(records: Records, at: number, plan: ProcessPlan): void {
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
  const { timeouts, tcp, access, mirror, fault } = plan;
  const enabled = plan.enabled ? CONSTANTS.TENANT_ENABLED : 0;
  const allow = access.allow === null ? 0 : CONSTANTS.TENANT_ALLOW_LIST;
  const shared = plan.id === SHARED_HOLDER ? CONSTANTS.TENANT_SHARED : 0;
  const mirrored = mirror === null ? undefined : present(ids.backends.get(mirror.backend), `backend ${mirror.backend}`);
  records.put(at, fields.id, ids.id);
  records.put(at, fields.flags, enabled | allow | shared);
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
  records.put(at, fields.first_route, row.firstRoute);
  records.put(at, fields.route_count, row.routeCount);
  records.put(at, fields.mirror_backend, mirrored?.id ?? 0);
  records.put(at, fields.mirror_share_ppm, mirror?.sharePpm ?? 0);
  records.put(at, fields.fault_delay_ppm, fault.delayPpm);
  records.put(at, fields.fault_reset_ppm, fault.resetPpm);
  records.put(at, fields.fault_refuse_ppm, fault.refusePpm);
  records.put(at, fields.fault_delay_ms, fault.delayMs);
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
export function putListener(records: Records, at: number, row: ListenerRow, strings: StringTable): void {
  const { fields } = RECORDS.listener_record;
  const { ids, plan } = row;
  const { backend, proxyHeader: proxy } = plan;
  const own = backend === null
    ? undefined
    : present(ids.backends.get(backend), `backend ${backend} of listener ${plan.id}`);
  records.put(at, fields.id, present(ids.listeners.get(plan.id), `listener ${plan.id}`));
  records.put(at, fields.backend, own?.id ?? 0);
  records.put(at, fields.port_last, plan.portLast);
  records.put(at, fields.detect, plan.detect === null ? CONSTANTS.DETECT_NONE : CONSTANTS.DETECT_TLS);
  records.put(at, fields.proxy_accept, proxy === null ? CONSTANTS.PROXY_OFF : CONSTANTS.PROXY_REQUIRED);
  records.put(at, fields.first_trusted, row.firstTrusted);
  records.put(at, fields.trusted_count, proxy?.trusted.length ?? 0);
  records.put(at, fields.proxy_timeout_ms, proxy?.timeoutMs ?? 0);
  records.put(at, fields.detect_timeout_ms, plan.detect?.timeoutMs ?? 0);
  putAddress(records, at + fields.address.offset, plan.address, pathOffset(plan.address, strings));
}

/** Writes a record at `at`. */
export function putRoute(records: Records, at: number, row: RouteRow): void {
  const { fields } = RECORDS.route_record;
  const { ids, plan } = row;
  const backend = present(ids.backends.get(plan.backend), `backend ${plan.backend} of route ${plan.id}`);
  records.put(at, fields.id, present(ids.routes.get(plan.id), `route ${plan.id}`));
  records.put(at, fields.listener, row.listener);
  records.put(at, fields.backend, backend.id);
  records.put(at, fields.flags, plan.isDefault ? CONSTANTS.ROUTE_DEFAULT : 0);
  records.put(at, fields.first_name, row.firstName);
  records.put(at, fields.name_count, plan.names.length);
  records.put(at, fields.first_protocol, row.firstProtocol);
  records.put(at, fields.protocol_count, plan.protocols.length);
  records.put(at, fields.first_source, row.firstSource);
  records.put(at, fields.source_count, plan.sources.length);
}

/** Writes a record at `at`. */
export function putText(records: Records, at: number, text: string, strings: StringTable): void {
  const { fields } = RECORDS.text_record;
  const bytes = textBytes(text);
  records.put(at, fields.offset, strings.offsetOf(bytes));
  records.put(at, fields.length, bytes.length);
}
