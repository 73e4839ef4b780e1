/**
 * Reading configuration files as sources, and finding the files of `tenants_dir`. Called by `load.ts`, and by the
 * control plane for single files.
 *
 * @module
 */

import { dirname, isAbsolute, join } from "node:path";
import type { LoadDeps } from "./load_deps.ts";
import type { Problem } from "./problem.ts";
import { isId } from "./scalar.ts";
import { parseSource, problemAt, type Source } from "./source.ts";

/** A file of `tenants_dir`. */
export interface TenantFile {
  /** Id of its tenant. */
  readonly name: string;
  readonly path: string;
}

/** What a folder of tenants holds. */
export interface TenantListing {
  readonly files: readonly TenantFile[];
  /** Files that were meant for a tenant and cannot be one, with what is wrong. */
  readonly strays: readonly TenantFile[];
}

/** Reads and parses a file; what is wrong with it goes to `problems`. */
export async function readSource(
  path: string,
  deps: Pick<LoadDeps, "readTextFile">,
  problems: Problem[],
): Promise<Source | null> {
  let text: string;
  try {
    text = await deps.readTextFile(path);
  } catch (error) {
    problems.push(unreadable(path, error));
    return null;
  }
  const parsed = parseSource(path, text);
  problems.push(...parsed.problems);
  return parsed.source;
}

/** The problem of a file that cannot be read. */
export function unreadable(path: string, error: unknown): Problem {
  const { why, remedy } = whyUnreadable(error);
  return { file: path, line: 0, column: 0, path: "", message: `cannot be read: ${why}`, remedy };
}

/** The folder that a main file names as `tenants_dir`; null when it names none. */
export function tenantsFolder(main: Source): string | null {
  const written = main.value["tenants_dir"];
  return typeof written === "string" && written !== "" ? besideMain(main, written) : null;
}

/** A path that is relative to the main file's folder. */
export function besideMain(main: Source, path: string): string {
  return isAbsolute(path) ? path : join(dirname(main.file), path);
}

/** Sorts names of a folder into tenants' files and strays; hidden files and other endings are passed over. */
export function sortTenantFiles(folder: string, names: readonly string[]): TenantListing {
  // Editors and mounts leave hidden files and copies; a file that was meant for a tenant must not be passed over.
  const meant = names.filter((name) => !name.startsWith(".") && /\.ya?ml$/.test(name)).sort();
  const files: TenantFile[] = [];
  const strays: TenantFile[] = [];
  for (const name of meant) {
    const tenant = name.replace(/\.ya?ml$/, "");
    const file = { name: tenant, path: join(folder, name) };
    if (name.endsWith(".yaml") && isId(tenant)) files.push(file);
    else strays.push(file);
  }
  return { files, strays };
}

/** What is wrong with a file whose name is no tenant's. */
export function strayProblem(path: string): Pick<Problem, "message" | "remedy"> {
  const rule = "must be called NAME.yaml, where NAME is the tenant's id";
  return { message: `the file ${path} ${rule}`, remedy: "rename the file, or move it elsewhere" };
}

/** The files of the main file's `tenants_dir`; null when the folder cannot be read. */
export async function listTenantFiles(
  main: Source,
  deps: Pick<LoadDeps, "listFiles">,
  problems: Problem[],
): Promise<TenantListing | null> {
  const folder = tenantsFolder(main);
  if (folder === null) return { files: [], strays: [] };
  try {
    return sortTenantFiles(folder, await deps.listFiles(folder));
  } catch (error) {
    const { why, remedy } = whyUnreadable(error);
    const place = { source: main, path: ["tenants_dir"] };
    problems.push(problemAt(place, `the folder ${folder} cannot be read: ${why}`, remedy));
    return null;
  }
}

function whyUnreadable(error: unknown): { why: string; remedy: string } {
  if (error instanceof Deno.errors.NotFound) return { why: "it does not exist", remedy: "create it, or name another" };
  if (error instanceof Deno.errors.NotCapable) {
    return { why: "Deno was not permitted to read there", remedy: "add the path to --allow-read" };
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return { why: "permission denied", remedy: "give this user the right to read it" };
  }
  if (error instanceof Deno.errors.IsADirectory) return { why: "it is a folder", remedy: "name a file in it" };
  if (error instanceof Deno.errors.NotADirectory) return { why: "it is not a folder", remedy: "name a folder" };
  return { why: error instanceof Error ? error.message : String(error), remedy: "make it a readable file" };
}
