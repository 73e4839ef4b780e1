/**
 * Tells when configuration files may have changed on disk: folders are watched, so that a file that is replaced by
 * renaming is seen as one that is written in place; a burst of events is one. Owned by the host.
 *
 * @module
 */

import { basename, dirname } from "node:path";

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

/**
 * Calls `onChange` after each burst of changes: with the tenants' files that may have changed, or with null when it
 * may be the main file, or anything. Ends when the signal is aborted.
 *
 * @throws {Error} at once when a folder cannot be watched
 */
export function watchFiles(
  watched: Watched,
  deps: WatchDeps,
  onChange: (paths: ReadonlySet<string> | null) => void,
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
  onChange: (paths: ReadonlySet<string> | null) => void,
  signal: AbortSignal,
): Promise<void> {
  let pending: Set<string> | "all" | null = null;
  let quiet = new AbortController();
  let flushing: Promise<void> | null = null;
  const flush = async () => {
    for (let waited = 0; waited < LONGEST_MS && !signal.aborted; waited += QUIET_MS) {
      const timer = new AbortController();
      quiet = timer;
      await deps.sleep(QUIET_MS, AbortSignal.any([timer.signal, signal]));
      if (!timer.signal.aborted) break;
    }
    const found = pending;
    pending = null;
    flushing = null;
    if (found !== null && !signal.aborted) onChange(found === "all" ? null : found);
  };
  for await (const event of events) {
    // Reading a file is no change of it.
    if (event.kind === "access") continue;
    const what = event.flag === "rescan" ? "all" as const : touched(event.paths, watched);
    if (what === null) continue;
    if (what === "all" || pending === "all") pending = "all";
    else pending = new Set([...pending ?? [], ...what]);
    quiet.abort();
    flushing ??= flush();
  }
  await flushing;
}

/** Tenants' files among the paths; "all" when the main file is, null when none of them matters. */
function touched(paths: readonly string[], { mainFile, tenantsFolder }: Watched): string[] | "all" | null {
  const tenants: string[] = [];
  for (const path of paths) {
    const name = basename(path);
    const isBesideMain = sameFolder(dirname(path), dirname(mainFile));
    // A mounted volume of Kubernetes changes by one link of this name.
    if (name === "..data" || (isBesideMain && name === basename(mainFile))) return "all";
    if (tenantsFolder !== null && sameFolder(dirname(path), tenantsFolder) && isTenantsName(name)) {
      tenants.push(`${tenantsFolder}/${name}`);
    }
    if (tenantsFolder !== null && sameFolder(path, tenantsFolder)) return "all";
  }
  return tenants.length === 0 ? null : tenants;
}

/** Hidden files, backups and temporary files of editors have other names. */
function isTenantsName(name: string): boolean {
  return !name.startsWith(".") && !name.startsWith("#") && /\.ya?ml$/.test(name);
}

/** Events name folders as they were given, or in full. */
function sameFolder(one: string, other: string): boolean {
  const plain = (path: string) => path.replace(/^\.\//, "").replace(/\/+$/, "");
  return plain(one) === plain(other) || one.endsWith(`/${plain(other)}`);
}
