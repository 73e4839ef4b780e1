/**
 * The records of `ffi/include/sluice.h`: offset, size and kind of every field, written by hand. `encode.ts` and
 * `decode.ts` read and write through these; `library.ts` and `tests/abi/layout_test.ts` compare them with what the
 * library says of itself, both ways.
 *
 * @module
 */

import { BLOB_RECORDS } from "./layout_blob.ts";
import { bytes, i32, type RecordLayout, u32, u64 } from "./layout_fields.ts";
import { REPORT_RECORDS } from "./layout_report.ts";

export type { Field, FieldKind, RecordLayout } from "./layout_fields.ts";

/** Every record, by its C name without `sluice_`. */
export const RECORDS = {
  error: {
    size: 256,
    fields: {
      code: i32(0),
      sys_errno: i32(4),
      table: u32(8),
      record: u32(12),
      field: bytes(16, 32),
      message: bytes(48, 208),
    },
  },
  engine_options: {
    size: 24,
    fields: {
      abi_version: u32(0),
      workers: u32(4),
      log_ring_bytes: u32(8),
      reserved0: u32(12),
      reserved1: u64(16),
    },
  },
  engine_status: {
    size: 48,
    fields: {
      state: u32(0),
      workers: u32(4),
      generation: u64(8),
      sessions_active: u64(16),
      tenants: u64(24),
      listeners: u64(32),
      snapshots_held: u64(40),
    },
  },
  layout_row: {
    size: 88,
    fields: { record: bytes(0, 32), field: bytes(32, 40), offset: u64(72), size: u64(80) },
  },
  ...BLOB_RECORDS,
  ...REPORT_RECORDS,
} as const satisfies Readonly<Record<string, RecordLayout>>;
