/**
 * `@std/cli/unicode-width`, written here: npm carries the original without the table that it reads. Widths come from
 * the properties of characters that JavaScript's regular expressions know.
 *
 * @module
 */

/** Characters that take no column: marks, joiners and other format characters, controls. */
const NONE = /^[\p{Mn}\p{Me}\p{Cf}\p{Cc}\u{1160}-\u{11ff}]$/u;

/** Characters that take two: East Asian wide and full-width ones, and emoji that are pictures by themselves. */
const WIDE = new RegExp(
  "^[\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Bopomofo}\\p{Script=Yi}\\p{Emoji_Presentation}" +
    "\\u{1100}-\\u{115f}\\u{3001}-\\u{303e}\\u{a960}-\\u{a97c}\\u{ac00}-\\u{d7a3}\\u{fe30}-\\u{fe6f}\\u{ff01}-\\u{ff60}" +
    "\\u{ffe0}-\\u{ffe6}]$",
  "u",
);

/** Half-width katakana have the script, not the width. */
const HALF = /^[\u{ff61}-\u{ff9f}]$/u;

/** Columns that a string takes on a terminal. */
export function unicodeWidth(str: string): number {
  let width = 0;
  for (const character of str) {
    if (NONE.test(character)) continue;
    width += WIDE.test(character) && !HALF.test(character) ? 2 : 1;
  }
  return width;
}
