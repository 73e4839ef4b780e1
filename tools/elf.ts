/**
 * Reads the names that a shared library exports, so that the ABI check needs no `nm`.
 *
 * @module
 */

const SHT_DYNSYM = 11;
const SECTION_HEADER_BYTES = 64;
const SYMBOL_BYTES = 24;
const STB_LOCAL = 0;
const SHN_UNDEF = 0;
const STV_DEFAULT = 0;
const STV_PROTECTED = 3;

/** Sorted names of the functions and objects that a 64-bit little-endian ELF library exports. */
export function exportedNames(file: Uint8Array): string[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const isElf64 = file.length > 64 && view.getUint32(0, false) === 0x7f454c46 && file[4] === 2 && file[5] === 1;
  if (!isElf64) throw new TypeError("Cannot read library: file must be a 64-bit little-endian ELF file");
  const u64 = (at: number) => Number(view.getBigUint64(at, true));
  const tableAt = u64(40);
  const sections = Array.from({ length: view.getUint16(60, true) }, (_, index) => {
    const at = tableAt + index * SECTION_HEADER_BYTES;
    return {
      type: view.getUint32(at + 4, true),
      offset: u64(at + 24),
      size: u64(at + 32),
      link: view.getUint32(at + 40, true),
    };
  });
  const symbols = sections.find((section) => section.type === SHT_DYNSYM);
  const strings = symbols === undefined ? undefined : sections[symbols.link];
  if (symbols === undefined || strings === undefined) {
    throw new TypeError("Cannot read library: file must have a table of dynamic symbols");
  }
  const names: string[] = [];
  for (let at = symbols.offset; at + SYMBOL_BYTES <= symbols.offset + symbols.size; at += SYMBOL_BYTES) {
    const binding = view.getUint8(at + 4) >> 4;
    const visibility = view.getUint8(at + 5) & 3;
    const isVisible = visibility === STV_DEFAULT || visibility === STV_PROTECTED;
    if (binding === STB_LOCAL || !isVisible || view.getUint16(at + 6, true) === SHN_UNDEF) continue;
    const start = strings.offset + view.getUint32(at, true);
    names.push(new TextDecoder().decode(file.subarray(start, file.indexOf(0, start))));
  }
  return names.sort();
}
