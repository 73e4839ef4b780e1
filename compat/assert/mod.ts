/**
 * Stands in for `jsr:@std/assert` where only npm is reached: re-exports the original code from `npm:deno-std`, typed
 * by `mod.d.ts`.
 *
 * @module
 */
// @ts-types="./mod.d.ts"
export * from "deno-std/assert/mod.js";
