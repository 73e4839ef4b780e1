/**
 * A change of the plan as the blob that the library applies. Called by `engine.ts` only; `encode_rows.ts` says which
 * records there are, `encode_records.ts` and `encode_backends.ts` write single ones.
 *
 * Layout of a blob: header, then the tables one after the other in the order of their numbers, each at a multiple of
 * 8; the string table, last, holds the paths of unix sockets and the texts of routes.
 *
 * @module
 */

import type { PlanChange } from "../config/plan.ts";
import { formatAddress, unixPathBytes } from "./address.ts";
import { CONSTANTS } from "./constants.ts";
import { putBackend, putEndpoint, putSplit } from "./encode_backends.ts";
import { putListener, putPrefix, putProcess, putRoute, putTenant, putText } from "./encode_records.ts";
import { ofTenant, type Rows, rowsOf } from "./encode_rows.ts";
import type { ErrorSubject } from "./error.ts";
import type { IdRegistry } from "./ids.ts";
import { RECORDS } from "./layout.ts";
import { Records } from "./record.ts";
import { StringTable, textBytes } from "./string_table.ts";

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

/** A table of a blob. */
interface Table {
  readonly count: number;
  /** Bytes. */
  readonly recordSize: number;
  /** Writes its records, of which the first is at `start`. */
  put(records: Records, start: number): void;
}

/**
 * Encodes a change.
 *
 * @throws {RangeError} when a value does not fit its field
 * @throws {TypeError} when the change contradicts itself or what is in force: a removed tenant that is not there, a
 *   listener with a backend that is not of its tenant
 */
export function encodeChange(change: PlanChange, generation: number, registry: IdRegistry): Draft {
  const rows = rowsOf(change, registry);
  const upserts = new Map(rows.tenants.map(({ plan, ids }) => [plan.id, ids]));
  return {
    bytes: blobOf(tablesOf(change, rows), generation),
    describe: (table, record) => describe(table, record, rows),
    commit: () => registry.commit(upserts, rows.removed.map(({ name }) => name)),
  };
}

/** The tables in the order of their numbers. */
function tablesOf(change: PlanChange, rows: Rows): Table[] {
  const strings = new StringTable();
  for (const { plan: { address } } of [...rows.listeners, ...rows.endpoints]) {
    if (address.family === "unix") strings.add(unixPathBytes(address.path));
  }
  for (const { text } of rows.texts) strings.add(textBytes(text));
  return [
    tableOf(change.process === undefined ? [] : [change.process], RECORDS.process_record.size, putProcess),
    tableOf(rows.tenants, RECORDS.tenant_record.size, putTenant),
    tableOf(
      rows.removed,
      REMOVED_SIZE,
      (records, at, { id }) => records.put(at, { offset: 0, size: 4, kind: "u32" }, id),
    ),
    tableOf(rows.listeners, RECORDS.listener_record.size, (records, at, row) => putListener(records, at, row, strings)),
    tableOf(rows.backends, RECORDS.backend_record.size, (records, at, row) => putBackend(records, at, row, strings)),
    tableOf(rows.endpoints, RECORDS.endpoint_record.size, (records, at, row) => putEndpoint(records, at, row, strings)),
    tableOf(rows.prefixes, RECORDS.prefix_record.size, (records, at, { plan }) => putPrefix(records, at, plan)),
    tableOf(rows.routes, RECORDS.route_record.size, putRoute),
    tableOf(rows.texts, RECORDS.text_record.size, (records, at, { text }) => putText(records, at, text, strings)),
    tableOf(rows.splits, RECORDS.split_record.size, putSplit),
    { count: strings.length, recordSize: 1, put: (records, start) => strings.put(records, start) },
  ];
}

function tableOf<R>(
  rows: readonly R[],
  recordSize: number,
  put: (records: Records, at: number, row: R) => void,
): Table {
  const putAll = (records: Records, start: number) => {
    for (const [index, row] of rows.entries()) put(records, start + index * recordSize, row);
  };
  return { count: rows.length, recordSize, put: putAll };
}

/** Header and tables as one. */
function blobOf(tables: readonly Table[], generation: number): Uint8Array<ArrayBuffer> {
  const header = RECORDS.blob_header;
  let end: number = header.size;
  const starts = tables.map(({ count, recordSize }) => {
    const start = end;
    end += Math.ceil(count * recordSize / 8) * 8;
    return start;
  });
  const records = Records.ofSize(end);
  records.put(0, header.fields.magic, CONSTANTS.BLOB_MAGIC);
  records.put(0, header.fields.abi_version, CONSTANTS.ABI_VERSION);
  records.put(0, header.fields.total_size, end);
  records.put(0, header.fields.generation, generation);
  const { size, fields } = RECORDS.table;
  for (const [index, table] of tables.entries()) {
    const at = header.fields.tables.offset + index * size;
    const start = starts[index] ?? 0;
    records.put(at, fields.offset, start);
    records.put(at, fields.count, table.count);
    records.put(at, fields.record_size, table.recordSize);
    table.put(records, start);
  }
  return records.bytes;
}

function describe(table: number, record: number, rows: Rows): ErrorSubject {
  switch (table) {
    case CONSTANTS.TABLE_TENANT: {
      const row = rows.tenants[record];
      return row === undefined ? {} : ofTenant(row.plan.id);
    }
    case CONSTANTS.TABLE_REMOVED: {
      const row = rows.removed[record];
      return row === undefined ? {} : ofTenant(row.name);
    }
    case CONSTANTS.TABLE_LISTENER: {
      const row = rows.listeners[record];
      if (row === undefined) return {};
      const { address, id: listener } = row.plan;
      const text = formatAddress(address, undefined, address.family === "unix" ? undefined : row.plan.portLast);
      return { ...ofTenant(row.tenant), listener, address: text };
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
    case CONSTANTS.TABLE_PREFIX:
      return rows.prefixes[record]?.subject ?? {};
    case CONSTANTS.TABLE_ROUTE: {
      const row = rows.routes[record];
      return row === undefined ? {} : { tenant: row.tenant, route: row.plan.id };
    }
    case CONSTANTS.TABLE_TEXT:
      return rows.texts[record]?.subject ?? {};
    case CONSTANTS.TABLE_SPLIT: {
      const row = rows.splits[record];
      return row === undefined ? {} : { tenant: row.tenant, backend: row.backend };
    }
    default:
      return {};
  }
}
