/** The built library and `src/ffi` mean the same by every record and constant; what is not this library is refused. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CONSTANTS } from "../../src/ffi/constants.ts";
import { RECORDS } from "../../src/ffi/layout.ts";
import { compareLayout, expectedLayout, LibraryError, openLibrary, readLayout } from "../../src/ffi/library.ts";
import { SYMBOLS } from "../../src/ffi/symbols.ts";

const BUILT = new URL("../../ffi/build/libsluice.so", import.meta.url).pathname;

describe("the built library", () => {
  it("has the records and constants of layout.ts and constants.ts, and no others", () => {
    const library = Deno.dlopen(BUILT, SYMBOLS);
    try {
      assertEquals(library.symbols.sluice_abi_version(), CONSTANTS.ABI_VERSION);
      const theirs = readLayout(library.symbols);
      const ours = expectedLayout();
      assertEquals(compareLayout(ours, theirs), []);
      assertEquals(theirs.length, ours.length);
      assertEquals(new Set(theirs.map((row) => row.name)).size, theirs.length);
      assert(theirs.length > 200, `${theirs.length} rows`);
    } finally {
      library.close();
    }
  });

  it("gives its rows in any portions", () => {
    const library = Deno.dlopen(BUILT, SYMBOLS);
    try {
      const { size } = RECORDS.layout_row;
      const total = readLayout(library.symbols).length;
      const layout = library.symbols.sluice_abi_layout;
      const rows = new Uint8Array(size * 3);
      assertEquals(layout(0, rows, BigInt(rows.length)), 3);
      assertEquals(layout(total - 1, rows, BigInt(rows.length)), 1);
      assertEquals(layout(total, rows, BigInt(rows.length)), 0);
      assertEquals(layout(0xffff_ffff, rows, BigInt(rows.length)), 0);
      assertEquals(layout(0, rows, BigInt(size - 1)), CONSTANTS.E_BUFFER);
      assertEquals(layout(0, null, BigInt(rows.length)), CONSTANTS.E_ARGUMENT);
    } finally {
      library.close();
    }
  });

  it("is opened and proved by openLibrary", () => {
    const library = openLibrary();
    assertEquals(library.path, BUILT);
    assertEquals(library.symbols.sluice_abi_version(), CONSTANTS.ABI_VERSION);
    library.close();
  });
});

describe("openLibrary", () => {
  it("says how to build a library that is not there", () => {
    const path = new URL("../../ffi/build/absent.so", import.meta.url).pathname;
    const error = assertThrows(() => openLibrary(path), LibraryError);
    assertStringIncludes(error.message, `${path} must be there: it is not; run: deno task build`);
  });

  it("says what permission is missing, and what is no library", () => {
    const outside = assertThrows(() => openLibrary("/tmp/libsluice.so"), LibraryError);
    assertStringIncludes(outside.message, "add --allow-ffi=/tmp/libsluice.so");
    const folder = new URL("../../ffi/build/", import.meta.url).pathname;
    const error = assertThrows(() => openLibrary(folder), LibraryError);
    assertStringIncludes(error.message, `Cannot load the data plane from ${folder}`);
  });
});
