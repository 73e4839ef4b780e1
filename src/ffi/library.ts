/**
 * Finds, opens and checks the C library. A library that is built for another ABI is refused here, before anything is
 * asked of it.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { ALL_ONES_64, CONSTANTS, REASONS } from "./constants.ts";
import { RECORDS } from "./layout.ts";
import { Records } from "./record.ts";
import { SYMBOLS, type Symbols } from "./symbols.ts";

/** What mends nearly all of the errors below. */
const BUILD = "run: deno task build";
const ROWS_AT_ONCE = 256;
const TWO_POW_64 = 1n << 64n;

/** The library could not be opened, or is not of this program. */
export class LibraryError extends Error {
  override readonly name = "LibraryError";
}

/** An open library. */
export interface Library {
  readonly path: string;
  readonly symbols: Symbols;
  close(): void;
}

/** One row of what a library says of its records and constants: offset or value, and size. */
export interface LayoutRow {
  /** `record.field`, `record` for a whole record, or `const.NAME`. */
  readonly name: string;
  readonly offset: bigint;
  readonly size: bigint;
}

/** The library's file: `override` (the environment's SLUICE_LIBRARY), else the one that `deno task build` makes. */
export function libraryPath(override?: string): string {
  return override !== undefined && override !== ""
    ? override
    : fileURLToPath(new URL("../../ffi/build/libsluice.so", import.meta.url));
}

/**
 * Opens the library and proves that it means the same by every record and constant.
 *
 * @throws {LibraryError} that says what to do
 */
export function openLibrary(path: string = libraryPath()): Library {
  const library = dlopen(path);
  try {
    const version = library.symbols.sluice_abi_version();
    if (version !== CONSTANTS.ABI_VERSION) {
      throw new LibraryError(
        `Cannot use ${path}: its ABI version must be ${CONSTANTS.ABI_VERSION}: current value is ${version}; ${BUILD}`,
      );
    }
    const differences = compareLayout(expectedLayout(), readLayout(library.symbols));
    if (differences.length > 0) {
      throw new LibraryError(
        `Cannot use ${path}: its records must be those of this program: ${differences.slice(0, 5).join("; ")}` +
          `${differences.length > 5 ? ` and ${differences.length - 5} more` : ""}; ${BUILD}`,
      );
    }
    return { path, symbols: library.symbols, close: () => library.close() };
  } catch (error) {
    library.close();
    throw error;
  }
}

function dlopen(path: string): Deno.DynamicLibrary<typeof SYMBOLS> {
  try {
    return Deno.dlopen(path, SYMBOLS);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) {
      throw new LibraryError(`Cannot load the data plane: Deno was not permitted to; add --allow-ffi=${path}`, {
        cause,
      });
    }
    const reason = (cause instanceof Error ? cause.message : String(cause)).replace(
      /^(?:Could not open library: )+/,
      "",
    );
    if (/cannot open shared object file|no such file/i.test(reason)) {
      throw new LibraryError(`Cannot load the data plane: ${path} must be there: it is not; ${BUILD}`, { cause });
    }
    throw new LibraryError(`Cannot load the data plane from ${path}: ${reason}; ${BUILD}`, { cause });
  }
}

/** What `layout.ts` and `constants.ts` say, in the shape of the library's rows. */
export function expectedLayout(): LayoutRow[] {
  const rows: LayoutRow[] = [];
  for (const [record, layout] of Object.entries(RECORDS)) {
    rows.push({ name: record, offset: 0n, size: BigInt(layout.size) });
    for (const [field, { offset, size }] of Object.entries(layout.fields)) {
      rows.push({ name: `${record}.${field}`, offset: BigInt(offset), size: BigInt(size) });
    }
  }
  const constant = (name: string, value: bigint) => rows.push({ name: `const.${name}`, offset: value, size: 0n });
  for (const [name, value] of Object.entries(CONSTANTS)) constant(name, BigInt.asUintN(64, BigInt(value)));
  for (const name of ALL_ONES_64) constant(name, TWO_POW_64 - 1n);
  for (const [number, name] of REASONS.entries()) constant(`REASON_${name.toUpperCase()}`, BigInt(number));
  return rows;
}

/** What a library says of itself. */
export function readLayout(symbols: Pick<Symbols, "sluice_abi_layout">): LayoutRow[] {
  const { size, fields } = RECORDS.layout_row;
  const records = Records.ofSize(size * ROWS_AT_ONCE);
  const rows: LayoutRow[] = [];
  for (;;) {
    const count = symbols.sluice_abi_layout(rows.length, records.bytes, BigInt(records.bytes.length));
    if (count <= 0) return rows;
    for (let at = 0; at < count * size; at += size) {
      const record = records.cString(at, fields.record);
      const field = records.cString(at, fields.field);
      rows.push({
        name: field === "" ? record : `${record}.${field}`,
        offset: records.exactU64(at + fields.offset.offset),
        size: records.exactU64(at + fields.size.offset),
      });
    }
  }
}

/** Each difference in a sentence; none when both say the same. */
export function compareLayout(ours: readonly LayoutRow[], theirs: readonly LayoutRow[]): string[] {
  const mine = new Map(ours.map((row) => [row.name, row]));
  const found: string[] = [];
  for (const row of theirs) {
    const own = mine.get(row.name);
    mine.delete(row.name);
    if (own === undefined) found.push(`${row.name} is only in the library`);
    else if (own.offset !== row.offset) {
      found.push(`${row.name} is at ${row.offset} in the library, here at ${own.offset}`);
    } else if (own.size !== row.size) found.push(`${row.name} has ${row.size} bytes in the library, here ${own.size}`);
  }
  for (const name of mine.keys()) found.push(`${name} is not in the library`);
  return found;
}
