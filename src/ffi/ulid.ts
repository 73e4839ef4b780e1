/**
 * ULIDs as text: 128 bits, big-endian, as 26 characters of Crockford's base 32 (https://github.com/ulid/spec).
 *
 * @module
 */

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const BYTES = 16;

/** Text of the ULID at `start`. Its first character holds three bits, each other one five. */
export function ulidText(bytes: Uint8Array, start: number): string {
  let text = "";
  // 128 bits are two short of 26 groups of five: two zero bits come first.
  let bits = 0;
  let held = 2;
  for (let index = 0; index < BYTES; index++) {
    bits = (bits << 8) | (bytes[start + index] ?? 0);
    held += 8;
    while (held >= 5) {
      held -= 5;
      text += ALPHABET[(bits >>> held) & 31];
    }
    bits &= (1 << held) - 1;
  }
  return text;
}

/** Its time: the first 48 bits, Unix time in ms. */
export function ulidTimeMs(bytes: Uint8Array, start: number): number {
  let time = 0;
  for (let index = 0; index < 6; index++) time = time * 256 + (bytes[start + index] ?? 0);
  return time;
}

const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

/** The 16 bytes of a ULID's text, in its canonical capitals; null when it is none. */
export function ulidBytes(text: string): Uint8Array | null {
  if (!ULID.test(text)) return null;
  const bytes = new Uint8Array(BYTES);
  let bits = 0;
  let held = -2;
  let index = 0;
  for (const letter of text) {
    bits = (bits << 5) | ALPHABET.indexOf(letter);
    held += 5;
    if (held >= 8) {
      held -= 8;
      bytes[index++] = bits >>> held;
      bits &= (1 << held) - 1;
    }
  }
  return bytes;
}
