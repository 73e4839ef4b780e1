/**
 * Builds the C library into `ffi/build/libsluice.so`. Does nothing, quickly, when it is there and up to date.
 *
 *   --werror       warnings are errors
 *   --if-possible  exit 0 when it cannot be built: the command that follows says what it lacks
 *   --clean        remove everything that was built
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { BUILD_DIR, compileAll, digestOf, exists, filesUnder, headerTexts, link, prune } from "./compile.ts";
import { checkPlatform, compileFlags, findCompiler, libraryFlags, ToolError } from "./toolchain.ts";

/** The library. */
export const LIBRARY = `${BUILD_DIR}/libsluice.so`;
/** Digest of all that the library was built from. */
const STAMP = `${LIBRARY}.stamp`;

/** Builds the library when it is missing or stale. Returns whether there was anything to do. */
export async function buildLibrary(options: { werror?: boolean; cc?: string | undefined } = {}): Promise<boolean> {
  checkPlatform(Deno.build.target);
  const sources = await filesUnder("ffi/src", ".c");
  const texts = await Promise.all(sources.map(async (path) => `${path}\n${await Deno.readTextFile(path)}`));
  const extraFlags = options.werror === true ? ["-Werror"] : [];
  const flags = [...compileFlags("release"), ...extraFlags, ...libraryFlags(), options.cc ?? ""];
  const stamp = await digestOf([...texts, ...await headerTexts(), ...flags]);
  if (await exists(LIBRARY) && await readIfThere(STAMP) === stamp) return false;

  const compiler = await findCompiler("release", options.cc);
  try {
    const objects = await compileAll(sources, { compiler, variant: "release", extraFlags });
    await link(objects, LIBRARY, compiler, libraryFlags());
    await Deno.writeTextFile(STAMP, stamp);
    await prune("release", objects);
  } catch (error) {
    // A library that is older than its sources must not be loaded in their place.
    for (const path of [LIBRARY, STAMP]) if (await exists(path)) await Deno.remove(path);
    throw error;
  }
  return true;
}

async function readIfThere(path: string): Promise<string | undefined> {
  return await exists(path) ? await Deno.readTextFile(path) : undefined;
}

if (import.meta.main) {
  const options = parseArgs(Deno.args, { boolean: ["werror", "if-possible", "clean"] });
  try {
    Deno.chdir(new URL("..", import.meta.url));
    if (options.clean === true && await exists(BUILD_DIR)) await Deno.remove(BUILD_DIR, { recursive: true });
    else if (options.clean !== true) {
      const startedMs = performance.now();
      if (await buildLibrary({ werror: options.werror === true, cc: Deno.env.get("CC") })) {
        console.error(`Built ${LIBRARY} in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
      }
    }
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    console.error(error.message);
    Deno.exit(options["if-possible"] === true ? 0 : error.exitCode);
  }
}
