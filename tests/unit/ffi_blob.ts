/** A blob as the library reads it, for the tests of encoding. */
import type { PlanChange } from "../../src/config/mod.ts";
import { CONSTANTS } from "../../src/ffi/constants.ts";
import { encodeChange } from "../../src/ffi/encode.ts";
import { IdRegistry } from "../../src/ffi/ids.ts";
import { RECORDS } from "../../src/ffi/layout.ts";
import { Records } from "../../src/ffi/record.ts";

type Name = keyof typeof RECORDS;

/** Reads a blob as the library does: by its header alone. */
export class Blob {
  readonly records: Records;
  constructor(change: PlanChange, readonly registry = new IdRegistry(), generation = 1) {
    this.records = new Records(encodeChange(change, generation, registry).bytes);
  }

  header(field: keyof typeof RECORDS.blob_header.fields): number {
    return this.records.number(0, RECORDS.blob_header.fields[field]);
  }

  table(index: number): { offset: number; count: number; record_size: number } {
    const at = RECORDS.blob_header.fields.tables.offset + index * RECORDS.table.size;
    const { offset, count, record_size } = RECORDS.table.fields;
    return {
      offset: this.records.number(at, offset),
      count: this.records.number(at, count),
      record_size: this.records.number(at, record_size),
    };
  }

  /** Every integer field of a record. */
  record(table: number, index: number, name: Name, start = 0): Record<string, number> {
    const { offset, record_size } = this.table(table);
    const at = offset + index * record_size + start;
    const integers = Object.entries(RECORDS[name].fields).filter(([, field]) => field.kind !== "bytes");
    return Object.fromEntries(integers.map(([key, field]) => [key, this.records.number(at, field)]));
  }

  /** The limits of a tenant; a bucket is its rate (null: unlimited) and its burst. */
  limits(index: number): Record<string, unknown> {
    const { offset, record_size } = this.table(CONSTANTS.TABLE_TENANT);
    const at = offset + index * record_size + RECORDS.tenant_record.fields.limits.offset;
    const { rate, burst } = RECORDS.bucket.fields;
    return Object.fromEntries(
      Object.entries(RECORDS.limits.fields).map(([key, field]) => [
        key,
        field.kind !== "bytes" ? this.records.number(at, field) : [
          this.records.numberOrNever(at + field.offset, rate),
          this.records.number(at + field.offset, burst),
        ],
      ]),
    );
  }

  address(table: number, index: number, name: "listener_record" | "endpoint_record" | "backend_record") {
    const start = name === "backend_record"
      ? RECORDS.backend_record.fields.source_address.offset
      : RECORDS[name].fields.address.offset;
    const address = this.record(table, index, "address", start);
    const { offset, record_size } = this.table(table);
    const at = offset + index * record_size + start;
    const path = this.table(CONSTANTS.TABLE_STRING).offset + (address["path_offset"] ?? 0);
    return {
      family: address["family"],
      port: address["port"],
      scope_id: address["scope_id"],
      ip: [...this.records.slice(at, RECORDS.address.fields.ip)],
      path: [...this.records.bytes.subarray(path, path + (address["path_length"] ?? 0))],
    };
  }

  /** The text of a row of the table of texts. */
  text(index: number): string {
    const { offset, length } = this.record(CONSTANTS.TABLE_TEXT, index, "text_record");
    return this.records.text(this.table(CONSTANTS.TABLE_STRING).offset + (offset ?? 0), length ?? 0);
  }

  /** A row of the table of prefixes: `10.0.0.0/8`, or the first bytes of an IPv6 address in hexadecimal. */
  prefix(index: number): string {
    const { offset, record_size } = this.table(CONSTANTS.TABLE_PREFIX);
    const { family, bits } = this.record(CONSTANTS.TABLE_PREFIX, index, "prefix_record");
    const ip = this.records.slice(offset + index * record_size, RECORDS.prefix_record.fields.ip);
    return `${family === CONSTANTS.FAMILY_IPV4 ? ip.slice(0, 4).join(".") : ip.slice(0, 4).toHex()}/${bits}`;
  }
}

/** A change that only brings tenants. */
export function upsert(...upserts: PlanChange["upserts"]): PlanChange {
  return { upserts, removals: [] };
}
