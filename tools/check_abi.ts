/**
 * Holds `ffi/include/sluice.h`, `src/ffi/symbols.ts` and the built library against each other, and fails on any
 * difference.
 *
 * @module
 */
import { SYMBOLS } from "../src/ffi/symbols.ts";
import { compareAbi, parsePrototypes } from "./abi.ts";
import { exportedNames } from "./elf.ts";

if (import.meta.main) {
  const root = new URL("..", import.meta.url);
  const prototypes = parsePrototypes(await Deno.readTextFile(new URL("ffi/include/sluice.h", root)));
  const exported = exportedNames(await Deno.readFile(new URL("ffi/build/libsluice.so", root)));
  const differences = compareAbi(prototypes, SYMBOLS, exported);
  for (const difference of differences) console.error(difference);
  console.log(`abi: ${prototypes.length} functions, ${differences.length} differences`);
  if (differences.length > 0 || prototypes.length === 0) Deno.exit(1);
}
