/** Columns of characters: what tables are aligned by. */
import { unicodeWidth } from "@std/cli/unicode-width";
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";

describe("unicodeWidth", () => {
  for (
    const [text, columns] of [
      ["", 0],
      ["acme-1", 6],
      ["Größe", 5],
      ["e\u0301", 1],
      ["日本語", 6],
      ["한국", 4],
      ["ｱｲ", 2],
      ["Ａ", 2],
      ["🚀", 2],
      ["a\u200bb", 2],
      ["×·—…", 4],
    ] as const
  ) {
    it(`of ${JSON.stringify(text)} is ${columns}`, () => assertEquals(unicodeWidth(text), columns));
  }
});
