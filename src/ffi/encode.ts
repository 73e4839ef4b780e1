/**
 * A change of the plan as the blob that the library applies. Called by `engine.ts` only.
 *
 * Layout of a blob: header, then the tables one after the other in the order of their numbers, each at a multiple of
 * 8; the string table, last, holds the paths of unix sockets.
 *
 * @module
 */

import type { Address, BackendPlan, EndpointPlan, ListenerPlan, PlanChange, TenantPlan } from "../config/plan.ts";
import { formatAddress, putAddress, unixPathBytes } from "./address.ts";
import { CONSTANTS } from "./constants.ts";
import type { ErrorSubject } from "./error.ts";
import { type BackendIds, endpointKey, type IdRegistry, type TenantIds } from "./ids.ts";
import { RECORDS } from "./layout.ts";
import { Records } from "./record.ts";

/** Bytes of a record of the table of removed tenants: {id, 0}. */
const REMOVED_SIZE = 8;

/** A blob that is ready to be applied. */
export interface Draft {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What a record is about, for the error that names it by table and index. */
  describe(table: number, record: number): ErrorSubject;
  /** Says that the blob is in force now: its names and numbers count from here on. */
  commit(): void;
}

interface ListenerRow {
  readonly tenant: string;
  readonly ids: TenantIds;
  readonly plan: ListenerPlan;
}

interface BackendRow {
  readonly tenant: string;
  readonly ids: BackendIds;
  readonly plan: BackendPlan;
  readonly firstEndpoint: number;
}

interface EndpointRow {
  readonly tenant: string;
  readonly backend: string;
  readonly id: number;
  readonly plan: EndpointPlan;
}

interface TenantRow {
  readonly ids: TenantIds;
  readonly plan: TenantPlan;
  readonly firstListener: number;
  readonly firstBackend: number;
}

/**
 * Encodes a change.
 *
 * @throws {RangeError} when a value does not fit its field
 * @throws {TypeError} when the change contradicts itself or what is in force: a removed tenant that is not there, a
 *   listener with a backend that is not of its tenant
 */
export function encodeChange(change: PlanChange, generation: number, registry: IdRegistry): Draft {
  const tenants: TenantRow[] = [];
  const listeners: ListenerRow[] = [];
  const backends: BackendRow[] = [];
  const endpoints: EndpointRow[] = [];
  for (const plan of change.upserts) {
    const ids = registry.assign(plan);
    tenants.push({ ids, plan, firstListener: listeners.length, firstBackend: backends.length });
    for (const listener of plan.listeners) listeners.push({ tenant: plan.id, ids, plan: listener });
    for (const backend of plan.backends) {
      const backendIds = present(ids.backends.get(backend.id), `backend ${backend.id}`);
      backends.push({ tenant: plan.id, ids: backendIds, plan: backend, firstEndpoint: endpoints.length });
      for (const endpoint of backend.endpoints) {
        const id = present(backendIds.endpoints.get(endpointKey(endpoint)), `endpoint ${endpoint.id}`);
        endpoints.push({ tenant: plan.id, backend: backend.id, id, plan: endpoint });
      }
    }
  }
  const removed = change.removals.map((name) => present(registry.tenant(name), `tenant ${name}`).id);

  const counts: readonly (readonly [count: number, recordSize: number])[] = [
    [change.process === undefined ? 0 : 1, RECORDS.process_record.size],
    [tenants.length, RECORDS.tenant_record.size],
    [removed.length, REMOVED_SIZE],
    [listeners.length, RECORDS.listener_record.size],
    [backends.length, RECORDS.backend_record.size],
    [endpoints.length, RECORDS.endpoint_record.size],
    [stringBytes([...listeners, ...endpoints]), 1],
  ];
  const { records, starts } = openBlob(counts, generation);
  const strings = new StringTable(records, starts[CONSTANTS.TABLE_STRING] ?? 0);

  if (change.process !== undefined) putProcess(records, starts[CONSTANTS.TABLE_PROCESS] ?? 0, change.process);
  let at = starts[CONSTANTS.TABLE_TENANT] ?? 0;
  for (const row of tenants) {
    putTenant(records, at, row);
    at += RECORDS.tenant_record.size;
  }
  at = starts[CONSTANTS.TABLE_REMOVED] ?? 0;
  for (const id of removed) {
    records.put(at, { offset: 0, size: 4, kind: "u32" }, id);
    at += REMOVED_SIZE;
  }
  at = starts[CONSTANTS.TABLE_LISTENER] ?? 0;
  for (const row of listeners) {
    putListener(records, at, row, strings);
    at += RECORDS.listener_record.size;
  }
  at = starts[CONSTANTS.TABLE_BACKEND] ?? 0;
  for (const row of backends) {
    putBackend(records, at, row);
    at += RECORDS.backend_record.size;
  }
  at = starts[CONSTANTS.TABLE_ENDPOINT] ?? 0;
  for (const row of endpoints) {
    putEndpoint(records, at, row, strings);
    at += RECORDS.endpoint_record.size;
  }

  return {
    bytes: records.bytes,
    describe: (table, record) => describe(table, record, { change, tenants, listeners, backends, endpoints }),
    commit: () => registry.commit(new Map(tenants.map((row) => [row.plan.id, row.ids])), change.removals),
  };
}

function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new TypeError(`Cannot encode a change: ${what} must be known: it is not`);
  return value;
}

function stringBytes(rows: readonly { plan: { address: Address } }[]): number {
  return rows.reduce(
    (sum, { plan: { address } }) => sum + (address.family === "unix" ? unixPathBytes(address.path).length : 0),
    0,
  );
}

/** A blob of zeros with its header and tables in place. */
function openBlob(counts: readonly (readonly [number, number])[], generation: number) {
  const header = RECORDS.blob_header;
  let end: number = header.size;
  const starts = counts.map(([count, recordSize]) => {
    const start = end;
    end += Math.ceil(count * recordSize / 8) * 8;
    return start;
  });
  const records = Records.ofSize(end);
  records.put(0, header.fields.magic, CONSTANTS.BLOB_MAGIC);
  records.put(0, header.fields.abi_version, CONSTANTS.ABI_VERSION);
  records.put(0, header.fields.total_size, end);
  records.put(0, header.fields.generation, generation);
  const table = RECORDS.table;
  for (const [index, [count, recordSize]] of counts.entries()) {
    const at = header.fields.tables.offset + index * table.size;
    records.put(at, table.fields.offset, starts[index] ?? 0);
    records.put(at, table.fields.count, count);
    records.put(at, table.fields.record_size, recordSize);
  }
  return { records, starts };
}

/** The string table while it fills. */
class StringTable {
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

function putProcess(records: Records, at: number, plan: NonNullable<PlanChange["process"]>): void {
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

function putTenant(records: Records, at: number, { ids, plan, firstListener, firstBackend }: TenantRow): void {
  const { fields } = RECORDS.tenant_record;
  const { timeouts, tcp, limits } = plan;
  records.put(at, fields.id, ids.id);
  records.put(at, fields.flags, plan.enabled ? CONSTANTS.TENANT_ENABLED : 0);
  records.put(at, fields.max_connections, limit32(limits.maxConnections));
  records.put(at, fields.on_limit, limits.onLimit === "reset" ? CONSTANTS.ON_LIMIT_RESET : CONSTANTS.ON_LIMIT_CLOSE);
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
  records.put(at, fields.first_listener, firstListener);
  records.put(at, fields.listener_count, plan.listeners.length);
  records.put(at, fields.first_backend, firstBackend);
  records.put(at, fields.backend_count, plan.backends.length);
}

function putListener(records: Records, at: number, { ids, plan }: ListenerRow, strings: StringTable): void {
  const { fields } = RECORDS.listener_record;
  const backend = present(ids.backends.get(plan.backend), `backend ${plan.backend} of listener ${plan.id}`);
  records.put(at, fields.id, present(ids.listeners.get(plan.id), `listener ${plan.id}`));
  records.put(at, fields.backend, backend.id);
  records.put(at, fields.port_last, plan.portLast);
  putAddress(records, at + fields.address.offset, plan.address, strings.add(plan.address));
}

function putBackend(records: Records, at: number, { ids, plan, firstEndpoint }: BackendRow): void {
  const { fields } = RECORDS.backend_record;
  const { BALANCE_LEAST_CONNECTIONS, BALANCE_ROUND_ROBIN } = CONSTANTS;
  records.put(at, fields.id, ids.id);
  records.put(at, fields.balance, plan.balance === "round_robin" ? BALANCE_ROUND_ROBIN : BALANCE_LEAST_CONNECTIONS);
  records.put(at, fields.attempts, plan.attempts);
  records.put(at, fields.first_endpoint, firstEndpoint);
  records.put(at, fields.endpoint_count, plan.endpoints.length);
}

const ENDPOINT_STATES = {
  ready: CONSTANTS.ENDPOINT_READY,
  drain: CONSTANTS.ENDPOINT_DRAIN,
  maintenance: CONSTANTS.ENDPOINT_MAINTENANCE,
} as const;

function putEndpoint(records: Records, at: number, { id, plan }: EndpointRow, strings: StringTable): void {
  const { fields } = RECORDS.endpoint_record;
  records.put(at, fields.id, id);
  records.put(at, fields.weight, plan.weight);
  records.put(at, fields.max_connections, limit32(plan.maxConnections));
  records.put(at, fields.state, ENDPOINT_STATES[plan.state]);
  putAddress(records, at + fields.address.offset, plan.address, strings.add(plan.address));
}

interface Rows {
  readonly change: PlanChange;
  readonly tenants: readonly TenantRow[];
  readonly listeners: readonly ListenerRow[];
  readonly backends: readonly BackendRow[];
  readonly endpoints: readonly EndpointRow[];
}

function describe(table: number, record: number, rows: Rows): ErrorSubject {
  switch (table) {
    case CONSTANTS.TABLE_TENANT: {
      const row = rows.tenants[record];
      return row === undefined ? {} : { tenant: row.plan.id };
    }
    case CONSTANTS.TABLE_REMOVED: {
      const tenant = rows.change.removals[record];
      return tenant === undefined ? {} : { tenant };
    }
    case CONSTANTS.TABLE_LISTENER: {
      const row = rows.listeners[record];
      if (row === undefined) return {};
      const { address, id: listener } = row.plan;
      const text = formatAddress(address, undefined, address.family === "unix" ? undefined : row.plan.portLast);
      return { tenant: row.tenant, listener, address: text };
    }
    case CONSTANTS.TABLE_BACKEND: {
      const row = rows.backends[record];
      return row === undefined ? {} : { tenant: row.tenant, backend: row.plan.id };
    }
    case CONSTANTS.TABLE_ENDPOINT: {
      const row = rows.endpoints[record];
      if (row === undefined) return {};
      const { id: endpoint, address } = row.plan;
      return { tenant: row.tenant, backend: row.backend, endpoint, address: formatAddress(address) };
    }
    default:
      return {};
  }
}
