/**
 * Stands in for `jsr:@std/cli` where only npm is reached: re-exports the original code from `npm:deno-std`.
 *
 * @module
 */
export * from "./parse_args.ts";
export * from "./unicode_width.ts";
