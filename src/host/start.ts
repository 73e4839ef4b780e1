/**
 * The steps of a start, each of which may end it with a sentence for the user. Called by `host.ts` alone.
 *
 * @module
 */

import {
  formatProblem,
  type LoadDeps,
  type MainConfig,
  placeOfListener,
  removeStaleTemps,
  type StoreFs,
} from "../config/mod.ts";
import { ConfigError, ControlPlane, type Evaluation } from "../control/mod.ts";
import { DataPlaneError, Engine, LibraryError, openLibrary } from "../ffi/mod.ts";
import type { Log } from "../log.ts";
import type { Records } from "./records.ts";

/** Most workers that the data plane has. */
const MOST_WORKERS = 64;

/** An end before traffic was up, with the sentence for the user. */
export class StartError extends Error {}

/** Reads the first configuration. */
export async function readFirst(path: string, load: LoadDeps): Promise<Evaluation> {
  try {
    return await ControlPlane.read(path, load);
  } catch (cause) {
    if (!(cause instanceof ConfigError)) throw cause;
    throw new StartError(cause.problems.map(formatProblem).join("\n"), { cause });
  }
}

/** Removes what a crash has left of files that were being written. */
export async function cleanUp(folders: readonly string[], store: StoreFs, log: Log): Promise<void> {
  for (const folder of folders) {
    try {
      const names = await removeStaleTemps(folder, store);
      if (names.length > 0) log.info("files of an unfinished write were removed", { folder, files: names.join(" ") });
    } catch (error) {
      log.debug("no look for unfinished writes", { folder, error: error instanceof Error ? error : String(error) });
    }
  }
}

/** Worker threads that a configuration asks for. */
export function workersOf(config: MainConfig, cores: number): number {
  return config.workers === "auto" ? Math.max(1, Math.min(cores, MOST_WORKERS)) : config.workers;
}

/** An engine that runs. */
export function startEngine(library: string, workers: number): Engine {
  try {
    const engine = Engine.create({ workers, library: openLibrary(library) });
    engine.start();
    return engine;
  } catch (cause) {
    if (cause instanceof LibraryError || cause instanceof DataPlaneError) {
      throw new StartError(`sluice: ${cause.message}`, { cause });
    }
    throw cause;
  }
}

/** Puts the first configuration in force. */
export async function startControl(
  control: ControlPlane,
  first: Evaluation,
  { history }: Records,
  files: { readonly path: string; readonly load: LoadDeps },
): Promise<void> {
  try {
    control.start(first, history.last);
  } catch (cause) {
    if (!(cause instanceof DataPlaneError)) throw cause;
    const { tenant, listener } = cause.subject;
    const place = listener === undefined ? null : await placeOfListener([files.path], tenant, listener, files.load);
    throw new StartError(`${place ?? "sluice"}: ${cause.message}`, { cause });
  }
}
