/**
 * Stands in for `jsr:@std/cli` where only npm is reached: re-exports the original code from `npm:deno-std`, but for the
 * part that does not work there.
 *
 * @module
 */
export * from "./parse_args.ts";
export * from "./unicode_width.ts";
