/**
 * `@std/cli/parse-args`: the original code from `npm:deno-std`, typed by `parse_args.d.ts`.
 *
 * @module
 */
// @ts-types="./parse_args.d.ts"
export { parseArgs } from "deno-std/cli/parse_args.js";
export type { Args, ParseOptions } from "./parse_args.d.ts";
