/**
 * Tells when configuration files may have changed on disk: folders are watched, so that a file that is replaced by
 * renaming is seen as one that is written in place; a burst of events is one. Owned by the host.
 *
 * @module
 */

import { basename, dirname, resolve } from "node:path";

/** What happened to which paths, as Deno.watchFs tells it. */
export interface FileEvents extends AsyncIterable<Pick<Deno.FsEvent, "kind" | "paths" | "flag">> {
  close(): void;
}

/** What watching needs of the outside. */
export interface WatchDeps {
  /** Watches folders, not what is below them; throws when one cannot be watched. */
  open(folders: readonly string[]): FileEvents;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** What is watched. */
export interface Watched {
  readonly mainFile: string;
  /** Folder of tenants' files; null when there is none. */
  readonly tenantsFolder: string | null;
}

/** How long nothing must happen before a burst counts as over; and how long a burst may last. */
const QUIET_MS = 100;
const LONGEST_MS = 1_000;

/** What may have changed. */
export interface Touched {
  /** Files of tenants. */
  readonly tenants: ReadonlySet<string>;
  /** The main file too. */
  readonly main: boolean;
  /** Anything at all. */
  readonly all: boolean;
}

/**
 * Calls `onChange` after each burst of changes. Ends when the signal is aborted.
 *
 * @throws {Error} at once when a folder cannot be watched
 */
export function watchFiles(
  watched: Watched,
  deps: WatchDeps,
  onChange: (touched: Touched) => void,
  signal: AbortSignal,
): Promise<void> {
  const folders = new Set([dirname(watched.mainFile)]);
  if (watched.tenantsFolder !== null) folders.add(watched.tenantsFolder);
  const events = deps.open([...folders]);
  signal.addEventListener("abort", () => events.close(), { once: true });
  if (signal.aborted) events.close();
  return follow(events, watched, deps, onChange, signal);
}

async function follow(
  events: FileEvents,
  watched: Watched,
  deps: WatchDeps,
  onChange: (touched: Touched) => void,
  signal: AbortSignal,
): Promise<void> {
  let pending: Touched | null = null;
  let quiet = new AbortController();
  let flushing: Promise<void> | null = null;
  const flush = async () => {
    for (let waited = 0; waited < LONGEST_MS && !signal.aborted; waited += QUIET_MS) {
      quiet = new AbortController();
      await deps.sleep(QUIET_MS, AbortSignal.any([quiet.signal, signal]));
      if (!quiet.signal.aborted) break;
    }
    const found = pending;
    pending = null;
    flushing = null;
    if (found !== null && !signal.aborted) onChange(found);
  };
  for await (const event of events) {
    // Reading a file is no change of it.
    if (event.kind === "access") continue;
    const now = event.flag === "rescan" ? { ...NOTHING, all: true } : touchedBy(event.paths, watched);
    if (!now.all && !now.main && now.tenants.size === 0) continue;
    const before: Touched = pending ?? NOTHING;
    pending = {
      tenants: new Set([...before.tenants, ...now.tenants]),
      main: before.main || now.main,
      all: before.all || now.all,
    };
    quiet.abort();
    flushing ??= flush();
  }
  await flushing;
}

const NOTHING: Touched = { tenants: new Set(), main: false, all: false };

function touchedBy(paths: readonly string[], { mainFile, tenantsFolder }: Watched): Touched {
  const tenants = new Set<string>();
  let [main, all] = [false, false];
  for (const path of paths) {
    const name = basename(path);
    // A mounted volume of Kubernetes changes by one link of this name.
    if (name === "..data") all = true;
    if (name === basename(mainFile) && sameFolder(dirname(path), dirname(mainFile))) main = true;
    if (tenantsFolder === null) continue;
    if (sameFolder(path, tenantsFolder)) all = true;
    if (isTenantsName(name) && sameFolder(dirname(path), tenantsFolder)) tenants.add(`${tenantsFolder}/${name}`);
  }
  return { tenants, main, all };
}

/** Hidden files, backups and temporary files of editors have other names. */
function isTenantsName(name: string): boolean {
  return !name.startsWith(".") && !name.startsWith("#") && /\.ya?ml$/.test(name);
}

/** Events name folders in full, whatever name they were opened by. */
function sameFolder(one: string, other: string): boolean {
  return resolve(one) === resolve(other);
}
