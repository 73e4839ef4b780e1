/**
 * Reads configuration files for a reload: all of them, or those that are said to have changed.
 *
 * @module
 */

import { basename } from "node:path";
import {
  listTenantFiles,
  type LoadDeps,
  parseSource,
  type Problem,
  sortTenantFiles,
  type TenantFile,
  unreadable,
} from "../config/mod.ts";
import type { FilesRead } from "./evaluate.ts";
import { ConfigError } from "./reload.ts";
import type { MainState } from "./unit_state.ts";

/** Files that are read at the same time. */
const AT_ONCE = 64;

/** Reads everything. Throws ConfigError when the main file or the folder of tenants' files cannot be read. */
export async function readAll(mainPath: string, deps: LoadDeps): Promise<FilesRead> {
  const problems: Problem[] = [];
  const mainText = await deps.readTextFile(mainPath).catch((error: unknown) => {
    throw new ConfigError([unreadable(mainPath, error)]);
  });
  const { source } = parseSource(mainPath, mainText);
  // What is wrong with it is said by whoever evaluates it.
  if (source === null) return { mainText, tenants: [] };
  const listing = await listTenantFiles(source, deps, problems);
  if (listing === null) throw new ConfigError(problems);
  return { mainText, tenants: await readTenants(listing.files, deps), strays: listing.strays };
}

/** Reads some of the tenants' files; the main file stays as it is in force. */
export async function readSome(main: MainState, paths: ReadonlySet<string>, deps: LoadDeps): Promise<FilesRead> {
  const { files } = sortTenantFiles(main.folder ?? "", [...paths].map((path) => basename(path)));
  return { mainText: main.text, tenants: await readTenants(files, deps) };
}

async function readTenants(files: readonly TenantFile[], deps: LoadDeps): Promise<FilesRead["tenants"]> {
  const found: { file: TenantFile; text: string | null | Error }[] = [];
  for (let at = 0; at < files.length; at += AT_ONCE) {
    found.push(
      ...await Promise.all(
        files.slice(at, at + AT_ONCE).map(async (file) => ({ file, text: await readTenant(file.path, deps) })),
      ),
    );
  }
  return found;
}

async function readTenant(path: string, deps: LoadDeps): Promise<string | null | Error> {
  try {
    return await deps.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    return error instanceof Error ? error : new Error(String(error));
  }
}
