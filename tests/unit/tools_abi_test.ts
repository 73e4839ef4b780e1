/** The comparison of header, symbols and library: every way in which they can differ is found. */
import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { compareAbi, foreignTypeOf, parsePrototypes } from "../../tools/abi.ts";
import { exportedNames } from "../../tools/elf.ts";

const HEADER = `
#define SLUICE_API __attribute__((visibility("default")))
/* SLUICE_API int32_t sluice_comment(void); */
SLUICE_API uint32_t sluice_version(void);
/* Two lines. */
SLUICE_API int32_t sluice_create(const void *options, uint64_t size_bytes,
                                 struct sluice_engine **engine, void *error);
SLUICE_API int64_t sluice_drain(struct sluice_engine *engine, void *buffer, uint64_t size_bytes);
struct sluice_engine;
`;

const SYMBOLS = {
  sluice_version: { parameters: [], result: "u32" },
  sluice_create: { parameters: ["buffer", "u64", "buffer", "buffer"], result: "i32" },
  sluice_drain: { parameters: ["usize", "buffer", "u64"], result: "i64" },
};
const EXPORTED = ["sluice_create", "sluice_drain", "sluice_version"];

describe("parsePrototypes", () => {
  it("reads results and types of parameters, over several lines", () => {
    assertEquals(parsePrototypes(HEADER), [
      { name: "sluice_version", result: "uint32_t", parameters: [] },
      {
        name: "sluice_create",
        result: "int32_t",
        parameters: ["const void *", "uint64_t", "struct sluice_engine **", "void *"],
      },
      { name: "sluice_drain", result: "int64_t", parameters: ["struct sluice_engine *", "void *", "uint64_t"] },
    ]);
  });

  it("refuses what it does not understand", () => {
    assertThrows(() => parsePrototypes("SLUICE_API int (*sluice_x(void))(int a);"), SyntaxError);
    assertThrows(() => parsePrototypes("SLUICE_API int32_t sluice_x(uint32_t);"), SyntaxError);
  });
});

describe("compareAbi", () => {
  const prototypes = parsePrototypes(HEADER);

  it("finds nothing where all three agree", () => {
    assertEquals(compareAbi(prototypes, SYMBOLS, EXPORTED), []);
  });

  it("finds a function that one of them lacks, each way", () => {
    const { sluice_drain: _, ...without } = SYMBOLS;
    assertEquals(compareAbi(prototypes, without, EXPORTED), ["sluice_drain is in sluice.h and not in symbols.ts"]);
    assertEquals(compareAbi(prototypes, SYMBOLS, EXPORTED.slice(1)), [
      "sluice_create is in sluice.h and not exported by the library",
    ]);
    assertEquals(compareAbi(prototypes, SYMBOLS, [...EXPORTED, "helper"]), [
      "helper is exported by the library and not in sluice.h",
    ]);
    assertEquals(compareAbi(prototypes, { ...SYMBOLS, sluice_new: SYMBOLS.sluice_version }, EXPORTED), [
      "sluice_new is in symbols.ts and not in sluice.h",
    ]);
  });

  it("finds a wrong result, a wrong parameter and a wrong number of them", () => {
    const sluice_drain = { parameters: ["usize", "buffer", "u64"], result: "i32" };
    assertEquals(compareAbi(prototypes, { ...SYMBOLS, sluice_drain }, EXPORTED), [
      'sluice_drain: result is int64_t: "i64", in symbols.ts "i32"',
    ]);
    const sluice_create = { parameters: ["buffer", "u32", "buffer", "buffer"], result: "i32" };
    assertEquals(compareAbi(prototypes, { ...SYMBOLS, sluice_create }, EXPORTED), [
      'sluice_create: parameter 2 is uint64_t: "u64", in symbols.ts "u32"',
    ]);
    const sluice_version = { parameters: ["u32"], result: "u32" };
    assertEquals(compareAbi(prototypes, { ...SYMBOLS, sluice_version }, EXPORTED), [
      "sluice_version has 0 parameters, in symbols.ts 1",
    ]);
  });

  it("knows no types but those of the ABI", () => {
    assertEquals(["int", "size_t", "bool", "char"].map(foreignTypeOf), [undefined, undefined, undefined, undefined]);
  });
});

/** A library with nothing but a table of dynamic symbols: null section, symbols, strings. */
function elf(symbols: { name: string; binding: number; visibility: number; section: number }[]): Uint8Array {
  const names = `\0${symbols.map((symbol) => `${symbol.name}\0`).join("")}`;
  const [stringsAt, symbolsAt, tableAt] = [64, 64 + 512, 64 + 512 + 24 * symbols.length];
  const file = new Uint8Array(tableAt + 3 * 64);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setBigUint64(40, BigInt(tableAt), true);
  view.setUint16(60, 3, true);
  file.set(new TextEncoder().encode(names), stringsAt);
  let nameAt = 1;
  for (const [index, symbol] of symbols.entries()) {
    const at = symbolsAt + index * 24;
    view.setUint32(at, nameAt, true);
    view.setUint8(at + 4, symbol.binding << 4 | 2);
    view.setUint8(at + 5, symbol.visibility);
    view.setUint16(at + 6, symbol.section, true);
    nameAt += symbol.name.length + 1;
  }
  const section = (index: number, type: number, offset: number, size: number, link: number) => {
    const at = tableAt + index * 64;
    view.setUint32(at + 4, type, true);
    view.setBigUint64(at + 24, BigInt(offset), true);
    view.setBigUint64(at + 32, BigInt(size), true);
    view.setUint32(at + 40, link, true);
  };
  section(1, 11, symbolsAt, 24 * symbols.length, 2);
  section(2, 3, stringsAt, names.length, 0);
  return file;
}

describe("exportedNames", () => {
  it("names what is global, visible and defined", () => {
    const file = elf([
      { name: "second", binding: 1, visibility: 0, section: 5 },
      { name: "first", binding: 2, visibility: 3, section: 5 },
      { name: "imported", binding: 1, visibility: 0, section: 0 },
      { name: "local", binding: 0, visibility: 0, section: 5 },
      { name: "hidden", binding: 1, visibility: 2, section: 5 },
    ]);
    assertEquals(exportedNames(file), ["first", "second"]);
  });

  it("refuses other files", () => {
    assertThrows(() => exportedNames(new Uint8Array(100)), TypeError, "64-bit little-endian ELF");
    assertThrows(() => exportedNames(new TextEncoder().encode("#!/bin/sh")), TypeError);
    const noSymbols = elf([]);
    new DataView(noSymbols.buffer).setUint16(60, 1, true);
    assertThrows(() => exportedNames(noSymbols), TypeError, "dynamic symbols");
  });
});
