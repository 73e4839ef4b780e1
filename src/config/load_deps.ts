/**
 * What loading needs of the outside: files, the name service, the network interfaces.
 *
 * @module
 */

import { lookup } from "node:dns/promises";
import type { ResolveDeps } from "./resolve.ts";

/** What {@link loadConfig} needs of the outside; tests give their own. */
export interface LoadDeps extends ResolveDeps {
  /** The text of a file; rejects as Deno.readTextFile does. */
  readTextFile(path: string): Promise<string>;
  /** Names of the entries of a folder that are not folders; rejects as Deno.readDir does. */
  listFiles(folder: string): Promise<readonly string[]>;
}

/** Longer than the two tries of a resolver with one dead name server. */
const LOOKUP_TIMEOUT_MS = 12_000;

/**
 * The machine's own. Needs read permission for the files, net permission for the names of endpoints, and the sys
 * permission networkInterfaces for addresses with a zone; each only when the configuration has such.
 */
export function systemLoadDeps(): LoadDeps {
  return {
    readTextFile: (path) => Deno.readTextFile(path),
    listFiles: async (folder) => {
      const names: string[] = [];
      for await (const entry of Deno.readDir(folder)) if (!entry.isDirectory) names.push(entry.name);
      return names;
    },
    lookup: async (name) => (await lookup(name, { all: true })).map(({ address }) => address),
    interfaceIndex: (name) => indexOf(name, Deno.networkInterfaces()),
    lookupTimeoutMs: LOOKUP_TIMEOUT_MS,
  };
}

/** Only the link-local address of an interface carries its index; the others have 0 there. */
export function indexOf(name: string, interfaces: readonly Deno.NetworkInterfaceInfo[]): number | undefined {
  const scopes = interfaces.map((one) => one.name === name && one.family === "IPv6" ? one.scopeid : 0);
  return scopes.find((scope) => scope !== null && scope !== 0) ?? undefined;
}
