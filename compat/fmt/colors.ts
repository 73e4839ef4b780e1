/**
 * `@std/fmt/colors`: the original code from `npm:deno-std`, as far as it is used here.
 *
 * @module
 */
export {
  blue,
  bold,
  cyan,
  dim,
  getColorEnabled,
  green,
  magenta,
  red,
  setColorEnabled,
  stripAnsiCode,
  yellow,
  // @ts-types="./colors.d.ts"
} from "deno-std/fmt/colors.js";
