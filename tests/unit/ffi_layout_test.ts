/** The tables of records by themselves: no overlap, no gap, natural alignment; and that a difference is told. */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { BUCKET_BOUNDS_US, CODES, CONSTANTS, REASONS } from "../../src/ffi/constants.ts";
import { type Field, RECORDS } from "../../src/ffi/layout.ts";
import { compareLayout, expectedLayout } from "../../src/ffi/library.ts";

describe("layout", () => {
  it("covers every record without gap or overlap, each integer at a multiple of its size", () => {
    for (const [name, { size, fields }] of Object.entries(RECORDS)) {
      let end = 0;
      for (const [key, field] of Object.entries<Field>(fields)) {
        assertEquals(field.offset, end, `${name}.${key}`);
        if (field.kind !== "bytes") assertEquals(field.offset % field.size, 0, `${name}.${key}`);
        end += field.size;
      }
      assertEquals(end, size, name);
      assertEquals(size % 8, 0, name);
    }
  });

  it("has as many reasons, codes and buckets as the records hold", () => {
    const { fields } = RECORDS.tenant_stats;
    assertEquals(REASONS.length, CONSTANTS.REASON_COUNT);
    assertEquals(CODES.length, CONSTANTS.CODE_COUNT);
    assertEquals(BUCKET_BOUNDS_US.length + 1, CONSTANTS.BUCKET_COUNT);
    assertEquals(fields.refused.size, REASONS.length * 8);
    assertEquals(fields.dry_refused.size, REASONS.length * 8);
    assertEquals(fields.closed.size, CODES.length * 8);
    assertEquals(fields.connect_bucket.size, CONSTANTS.BUCKET_COUNT * 8);
    assertEquals(new Set(CODES).size, CODES.length);
  });

  it("has records inside others as large as they are", () => {
    assertEquals(RECORDS.tenant_record.fields.limits.size, RECORDS.limits.size);
    for (const [name, field] of Object.entries<Field>(RECORDS.limits.fields)) {
      if (field.kind === "bytes") assertEquals(field.size, RECORDS.bucket.size, name);
    }
    assertEquals(RECORDS.blob_header.fields.tables.size, CONSTANTS.TABLE_COUNT * RECORDS.table.size);
  });
});

describe("compareLayout", () => {
  it("finds nothing between equals, in any order", () => {
    assertEquals(compareLayout(expectedLayout(), expectedLayout().reverse()), []);
  });

  it("tells what is elsewhere, of another size, missing and unknown", () => {
    const ours = expectedLayout();
    const changed = (name: string, parts: Partial<(typeof ours)[number]>) =>
      compareLayout(ours, ours.map((row) => row.name === name ? { ...row, ...parts } : row));
    assertEquals(changed("table.count", { offset: 12n }), ["table.count is at 12 in the library, here at 4"]);
    assertEquals(changed("table", { size: 24n }), ["table has 24 bytes in the library, here 16"]);
    assertEquals(changed("const.E_BIND", { offset: 3n }), [
      "const.E_BIND is at 3 in the library, here at 18446744073709551613",
    ]);
    assertEquals(changed("const.REASON_OK", { name: "const.REASON_FINE" }), [
      "const.REASON_FINE is only in the library",
      "const.REASON_OK is not in the library",
    ]);
  });
});
