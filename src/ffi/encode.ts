/**
 * A change of the plan as the blob that the library applies. Called by `engine.ts` only; single records are written by
 * `encode_records.ts`.
 *
 * Layout of a blob: header, then the tables one after the other in the order of their numbers, each at a multiple of
 * 8; the string table, last, holds the paths of unix sockets.
 *
 * @module
 */

import type { Address, PlanChange } from "../config/plan.ts";
import { formatAddress, unixPathBytes } from "./address.ts";
import { CONSTANTS } from "./constants.ts";
import {
  type BackendRow,
  type EndpointRow,
  type ListenerRow,
  type PrefixRow,
  present,
  putBackend,
  putEndpoint,
  putListener,
  putPrefix,
  putProcess,
  putTenant,
  StringTable,
  type TenantRow,
} from "./encode_records.ts";
import type { ErrorSubject } from "./error.ts";
import { endpointKey, type IdRegistry } from "./ids.ts";
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
  const prefixes: PrefixRow[] = [];
  for (const plan of change.upserts) {
    const ids = registry.assign(plan);
    const firsts = {
      firstListener: listeners.length,
      firstBackend: backends.length,
      firstPrefix: prefixes.length,
    };
    tenants.push({ ids, plan, ...firsts });
    for (const prefix of [...plan.access.allow ?? [], ...plan.access.deny]) {
      prefixes.push({ tenant: plan.id, plan: prefix });
    }
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
    [prefixes.length, RECORDS.prefix_record.size],
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
  at = starts[CONSTANTS.TABLE_PREFIX] ?? 0;
  for (const { plan } of prefixes) {
    putPrefix(records, at, plan);
    at += RECORDS.prefix_record.size;
  }

  return {
    bytes: records.bytes,
    describe: (table, record) => describe(table, record, { change, tenants, listeners, backends, endpoints, prefixes }),
    commit: () => registry.commit(new Map(tenants.map((row) => [row.plan.id, row.ids])), change.removals),
  };
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

interface Rows {
  readonly change: PlanChange;
  readonly tenants: readonly TenantRow[];
  readonly listeners: readonly ListenerRow[];
  readonly backends: readonly BackendRow[];
  readonly endpoints: readonly EndpointRow[];
  readonly prefixes: readonly PrefixRow[];
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
    case CONSTANTS.TABLE_PREFIX: {
      const row = rows.prefixes[record];
      return row === undefined ? {} : { tenant: row.tenant };
    }
    default:
      return {};
  }
}
