/**
 * For the tests of the configuration: files that exist only in memory, a name service of a few names, and texts that
 * carry the place where a problem is expected.
 *
 * @module
 */
import {
  allProblems,
  loadConfig,
  type LoadDeps,
  type LoadResult,
  type Problem,
  type ServiceAddress,
} from "../../src/config/mod.ts";

/** What there is besides the main file. */
export interface World {
  /** Files by path; an Error is thrown when the file is read. */
  readonly files?: Readonly<Record<string, string | Error>>;
  /** Folders by path. */
  readonly folders?: Readonly<Record<string, readonly string[] | Error>>;
  /** Addresses by name. */
  readonly hosts?: Readonly<Record<string, readonly string[]>>;
  /** Services by name. */
  readonly services?: Readonly<Record<string, readonly ServiceAddress[]>>;
  /** Replaces the look-up of names. */
  readonly lookup?: LoadDeps["lookup"];
}

/** Dependencies of `loadConfig` that touch nothing. */
export function fakeDeps(world: World): LoadDeps {
  const found = <T>(entry: T | Error | undefined): Promise<T> => {
    if (entry === undefined) return Promise.reject(new Deno.errors.NotFound("not there"));
    return entry instanceof Error ? Promise.reject(entry) : Promise.resolve(entry);
  };
  return {
    readTextFile: (path) => found(world.files?.[path]),
    listFiles: (folder) => found(world.folders?.[folder]),
    lookup: world.lookup ?? ((name) => {
      const addresses = world.hosts?.[name];
      return addresses === undefined ? Promise.reject(new Error("no such name")) : Promise.resolve(addresses);
    }),
    lookupServices: (name) => {
      const found = world.services?.[name];
      return found === undefined ? Promise.reject(new Error("no such name")) : Promise.resolve(found);
    },
    interfaceIndex: (name) => name === "eth0" ? 7 : undefined,
    lookupTimeoutMs: 5000,
  };
}

/** Loads `text` as the main file `/etc/sluice.yaml`. */
export function loadText(text: string, world: World = {}): Promise<LoadResult> {
  return loadConfig("/etc/sluice.yaml", fakeDeps({ ...world, files: { ...world.files, "/etc/sluice.yaml": text } }));
}

/** All problems of `text` as the main file. */
export async function problemsOf(text: string, world: World = {}): Promise<Problem[]> {
  return allProblems(await loadText(text, world));
}

/** The text without its marks `^^`, and the line and column of what follows each mark. */
export function unmark(marked: string): { text: string; spots: { line: number; column: number }[] } {
  const parts = marked.split("^^");
  const spots: { line: number; column: number }[] = [];
  let text = parts[0] ?? "";
  for (const part of parts.slice(1)) {
    const lines = text.split("\n");
    spots.push({ line: lines.length, column: (lines.at(-1) ?? "").length + 1 });
    text += part;
  }
  return { text, spots };
}

/** A tenant that is right, in flow style: `pg` listens on 5432 and goes to 10.0.0.5. */
export const GOOD_TENANT = `
  - id: acme
    listeners: [{ id: pg, address: "0.0.0.0:5432", backend: pg }]
    backends: [{ id: pg, endpoints: [{ id: a, address: "10.0.0.5:5432" }] }]
`;
