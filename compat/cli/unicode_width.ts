/**
 * `@std/cli/unicode-width`: the original code from `npm:deno-std`.
 *
 * @module
 */
// @ts-types="./unicode_width.d.ts"
export { unicodeWidth } from "deno-std/cli/unicode_width.js";
