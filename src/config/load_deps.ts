/**
 * What loading needs of the outside: files, the name service, the network interfaces.
 *
 * @module
 */

import type { ResolveDeps } from "./resolve.ts";

/** What {@link loadConfig} needs of the outside; tests give their own. */
export interface LoadDeps extends ResolveDeps {
  /** The text of a file; rejects as Deno.readTextFile does. */
  readTextFile(path: string): Promise<string>;
  /** Names of the entries of a folder that are not folders; rejects as Deno.readDir does. */
  listFiles(folder: string): Promise<readonly string[]>;
}

/** How long a start waits for names: those that are found later are followed from then on. */
const LOOKUP_TIMEOUT_MS = 6_000;

/**
 * The machine's own; names of endpoints are looked up by somebody else. Needs read permission for the files, and the sys
 * permission networkInterfaces for addresses with a zone, when the configuration has such.
 */
export function systemLoadDeps(): Omit<LoadDeps, "lookup" | "lookupServices"> {
  return {
    readTextFile: (path) => Deno.readTextFile(path),
    listFiles: async (folder) => {
      const names: string[] = [];
      for await (const entry of Deno.readDir(folder)) if (!entry.isDirectory) names.push(entry.name);
      return names;
    },
    interfaceIndex: (name) => indexOf(name, Deno.networkInterfaces()),
    lookupTimeoutMs: LOOKUP_TIMEOUT_MS,
  };
}

/** Only the link-local address of an interface carries its index; the others have 0 there. */
export function indexOf(name: string, interfaces: readonly Deno.NetworkInterfaceInfo[]): number | undefined {
  const scopes = interfaces.map((one) => one.name === name && one.family === "IPv6" ? one.scopeid : 0);
  return scopes.find((scope) => scope !== null && scope !== 0) ?? undefined;
}
