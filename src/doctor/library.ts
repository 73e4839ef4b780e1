/**
 * Whether the data plane's library can be used by this program.
 *
 * @module
 */
import { LibraryError, libraryPath, openLibrary } from "../ffi/mod.ts";
import type { LibraryState } from "./facts.ts";

/** Opens the library, which compares its ABI with this program's, and closes it again. */
export function libraryState(override: string | undefined): LibraryState {
  const path = libraryPath(override);
  try {
    openLibrary(path).close();
    return { usable: true, detail: path };
  } catch (error) {
    if (!(error instanceof LibraryError)) throw error;
    return { usable: false, detail: error.message };
  }
}
