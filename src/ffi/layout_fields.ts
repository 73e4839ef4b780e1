/**
 * What the tables of records are made of. Used by `layout*.ts`.
 *
 * @module
 */

/** How a field is read: an integer, or bytes (text, an array, a record inside). */
export type FieldKind = "u16" | "u32" | "u64" | "i32" | "bytes";

/** One field of a record. */
export interface Field {
  /** Bytes from the start of the record. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
  readonly kind: FieldKind;
}

/** One record: its size, and its fields by their C names. */
export interface RecordLayout {
  readonly size: number;
  readonly fields: Readonly<Record<string, Field>>;
}

export const u16 = (offset: number) => ({ offset, size: 2, kind: "u16" } as const);
export const u32 = (offset: number) => ({ offset, size: 4, kind: "u32" } as const);
export const i32 = (offset: number) => ({ offset, size: 4, kind: "i32" } as const);
export const u64 = (offset: number) => ({ offset, size: 8, kind: "u64" } as const);
export const bytes = (offset: number, size: number) => ({ offset, size, kind: "bytes" } as const);
