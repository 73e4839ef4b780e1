/**
 * Whether the data plane's library is there.
 *
 * @module
 */
import type { LibraryState } from "./facts.ts";

const LIBRARY = new URL("../../ffi/build/libsluice.so", import.meta.url);

/** Looks for the library where the build puts it. */
export async function libraryState(): Promise<LibraryState> {
  try {
    const { size } = await Deno.stat(LIBRARY);
    return { usable: true, detail: `${LIBRARY.pathname}, ${size} bytes` };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return { usable: false, detail: `${LIBRARY.pathname} is not there` };
  }
}
