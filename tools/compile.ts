/**
 * Compiles C sources to objects that are named by their contents, so that what has not changed is not compiled again,
 * and two builds at once do not disturb each other.
 *
 * @module
 */
import { compileFlags, INSTALL_HINT, ToolError, type Variant } from "./toolchain.ts";

/** Where everything that is built goes. */
export const BUILD_DIR = "ffi/build";

/** How to compile. */
export interface CompileOptions {
  readonly compiler: string;
  readonly variant: Variant;
  /** Flags beyond those of the variant. */
  readonly extraFlags?: readonly string[];
}

/** Paths of all files under a folder that end so, sorted; none when the folder is not there. */
export async function filesUnder(folder: string, ending: string): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const entry of Deno.readDir(folder)) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory && path !== BUILD_DIR) found.push(...await filesUnder(path, ending));
      else if (entry.isFile && entry.name.endsWith(ending)) found.push(path);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found.sort();
}

/** Hex digest over texts, in order. */
export async function digestOf(texts: readonly string[]): Promise<string> {
  const bytes = new TextEncoder().encode(texts.map((text) => `${text.length}:${text}`).join(""));
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...hash.subarray(0, 10)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Text of all headers: any change of one compiles everything again. */
export async function headerTexts(): Promise<string[]> {
  const headers = await filesUnder("ffi", ".h");
  return await Promise.all(headers.map(async (path) => `${path}\n${await Deno.readTextFile(path)}`));
}

/** Compiles the sources; returns the paths of the objects, in the order of the sources. Throws ToolError on failure. */
export async function compileAll(sources: readonly string[], options: CompileOptions): Promise<string[]> {
  const headers = await digestOf(await headerTexts());
  const objects: string[] = new Array(sources.length);
  const failures: { exitCode: number }[] = [];
  const queue = sources.entries();
  // One compiler a core; the iterator is shared, so each source is taken once.
  const worker = async () => {
    for (const [index, source] of queue) {
      if (failures.length > 0) return;
      const result = await compileOne(source, headers, options);
      if (typeof result === "string") objects[index] = result;
      else failures.push(result);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, navigator.hardwareConcurrency) }, worker));
  const [failure] = failures;
  if (failure !== undefined) throw new ToolError("Cannot build the C library: the compiler failed.", failure.exitCode);
  return objects;
}

async function compileOne(
  source: string,
  headers: string,
  options: CompileOptions,
): Promise<string | { exitCode: number }> {
  const flags = [...compileFlags(options.variant), ...options.extraFlags ?? []];
  const key = await digestOf([headers, options.compiler, flags.join(" "), source, await Deno.readTextFile(source)]);
  const stem = `${BUILD_DIR}/${options.variant}/${
    source.replace(/^ffi\//, "").replaceAll("/", "_").replace(/\.c$/, "")
  }`;
  const object = `${stem}-${key}.o`;
  if (await exists(object)) return object;
  await Deno.mkdir(`${BUILD_DIR}/${options.variant}`, { recursive: true });
  const temporary = temporaryName(object);
  const code = await runCompiler(options.compiler, [...flags, "-c", source, "-o", temporary]);
  if (code !== 0) return { exitCode: code };
  await Deno.rename(temporary, object);
  return object;
}

/** A name beside `path` that no other build uses. */
export function temporaryName(path: string): string {
  return `${path}.${crypto.randomUUID().slice(0, 8)}.tmp`;
}

/** Links objects into `output`, which is replaced at once: a process that has it open keeps the old one. */
export async function link(
  objects: readonly string[],
  output: string,
  compiler: string,
  flags: readonly string[],
): Promise<void> {
  const temporary = temporaryName(output);
  const code = await runCompiler(compiler, [...objects, ...flags, "-o", temporary]);
  if (code !== 0) throw new ToolError(`Cannot build ${output}: the linker failed.`, code);
  await Deno.rename(temporary, output);
}

/** Puts objects into an archive, of which the linker takes only what a program needs. `ar` comes with every linker. */
export async function archive(objects: readonly string[], output: string): Promise<void> {
  const temporary = temporaryName(output);
  const code = await runCompiler("ar", ["rcs", temporary, ...objects]);
  if (code !== 0) throw new ToolError(`Cannot build ${output}: ar failed.`, code);
  await Deno.rename(temporary, output);
}

async function runCompiler(compiler: string, args: readonly string[]): Promise<number> {
  const { code, stderr } = await new Deno.Command(compiler, { args: [...args], stdout: "inherit", stderr: "piped" })
    .output();
  await Deno.stderr.write(stderr);
  if (
    /fatal error: (std\w+|sys\/\w+|linux\/\w+|\w+)\.h: No such file|cannot find -lc|crt1\.o/.test(
      new TextDecoder().decode(stderr),
    )
  ) {
    console.error(`The C library's headers seem to be missing. ${INSTALL_HINT}`);
  }
  return code;
}

/** Whether there is a file of that name. */
export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Removes objects and temporary files of one variant that are not in use and older than an hour. */
export async function prune(variant: Variant, used: readonly string[]): Promise<void> {
  const keep = new Set(used);
  const oldest = Date.now() - 3_600_000;
  for (const ending of [".o", ".tmp"]) {
    for (const path of await filesUnder(`${BUILD_DIR}/${variant}`, ending)) {
      if (keep.has(path)) continue;
      try {
        if (((await Deno.stat(path)).mtime?.getTime() ?? 0) < oldest) await Deno.remove(path);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }
}
