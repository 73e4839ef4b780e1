/** ULIDs: the text of the published example and of the extremes, and the time in it. */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ulidBytes, ulidText, ulidTimeMs } from "../../src/ffi/ulid.ts";

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** The other direction, by arithmetic on the whole number. */
function bytesOf(text: string): Uint8Array {
  let value = 0n;
  for (const letter of text) value = value * 32n + BigInt(ALPHABET.indexOf(letter));
  const bytes = new Uint8Array(16);
  for (let index = 15; index >= 0; index--) {
    bytes[index] = Number(value & 255n);
    value >>= 8n;
  }
  return bytes;
}

describe("ulidText", () => {
  it("writes 26 characters of Crockford's alphabet", () => {
    for (
      const text of [
        "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "00000000000000000000000000",
        "7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
        "0123456789ABCDEFGHJKMNPQRS",
        "2TVWXYZ0000000000000000001",
      ]
    ) assertEquals(ulidText(bytesOf(text), 0), text);
  });

  it("reads from where it is told", () => {
    const bytes = new Uint8Array(24).fill(0xff);
    bytes.set(bytesOf("01ARZ3NDEKTSV4RRFFQ69G5FAV"), 8);
    assertEquals(ulidText(bytes, 8), "01ARZ3NDEKTSV4RRFFQ69G5FAV");
    assertEquals(ulidTimeMs(bytes, 8), 1469922850259);
  });
});

describe("ulidBytes", () => {
  it("reads what ulidText writes", () => {
    for (
      const text of [
        "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "00000000000000000000000000",
        "7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
        "0123456789ABCDEFGHJKMNPQRS",
        "2TVWXYZ0000000000000000001",
      ]
    ) assertEquals(ulidBytes(text), bytesOf(text));
  });

  it("has nothing for what is no ULID", () => {
    for (
      const text of [
        "",
        "01ARZ3NDEKTSV4RRFFQ69G5FA",
        "01ARZ3NDEKTSV4RRFFQ69G5FAVV",
        "81ARZ3NDEKTSV4RRFFQ69G5FAV",
        "01arz3ndektsv4rrffq69g5fav",
        "01ARZ3NDEKTSV4RRFFQ69G5FAU",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV\n",
      ]
    ) assertEquals(ulidBytes(text), null, text);
  });
});
