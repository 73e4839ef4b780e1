/**
 * Lines of text from a program's stream or from a file that grows.
 *
 * @module
 */

/** Adds each whole line of `stream` to `lines` as it comes, and the rest at its end. */
export async function pumpLines(stream: ReadableStream<Uint8Array<ArrayBuffer>>, lines: string[]): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    lines.push(...parts);
  }
  if (rest !== "") lines.push(rest);
}

/** The text of a file from a byte on; "" while there is no such file. */
export function readFrom(path: string, offset: number): string {
  try {
    using file = Deno.openSync(path);
    file.seekSync(offset, Deno.SeekMode.Start);
    const parts: Uint8Array[] = [];
    for (;;) {
      const buffer = new Uint8Array(65_536);
      const got = file.readSync(buffer);
      if (got === null) break;
      parts.push(buffer.subarray(0, got));
    }
    const decoder = new TextDecoder();
    return parts.map((part) => decoder.decode(part, { stream: true })).join("");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
