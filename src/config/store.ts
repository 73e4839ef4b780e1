/**
 * Writing configuration files so that a crash at any point leaves the old text or the new one: a temporary file beside
 * the target, fsync, rename, fsync of the folder. Called by the control plane alone, from its one queue.
 *
 * @module
 */

import { basename, dirname, join } from "node:path";

/** What writing needs of the file system; tests give their own. */
export interface StoreFs {
  /** Rejects as Deno.readTextFile does. */
  readTextFile(path: string): Promise<string>;
  /** Names of the entries of a folder that are not folders. */
  listFiles(folder: string): Promise<readonly string[]>;
  /** Writes a whole file to disk, fsync included; with the mode of `like`, if that is there, else for this user alone. */
  writeSynced(path: string, text: string, like: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** fsync of a folder: what was renamed or removed in it is on disk. */
  syncFolder(folder: string): Promise<void>;
  /** The file itself where the path leads through links; the path when there is none. */
  realPath(path: string): Promise<string>;
}

/** A file and what shall be in it; null: the file shall not be there. */
export interface FileWrite {
  readonly path: string;
  readonly text: string | null;
}

const TEMP_SUFFIX = ".sluice-tmp";

/** The temporary file of a target; hidden, so that nobody takes it for a tenant's. */
export function tempPathOf(path: string): string {
  return join(dirname(path), `.${basename(path)}${TEMP_SUFFIX}`);
}

/** Removes temporary files that a crash has left in a folder; returns their names. */
export async function removeStaleTemps(folder: string, fs: StoreFs): Promise<string[]> {
  const stale = (await fs.listFiles(folder)).filter((name) => name.startsWith(".") && name.endsWith(TEMP_SUFFIX));
  for (const name of stale) await fs.remove(join(folder, name));
  return stale;
}

/** A file on its way. */
interface Staged {
  readonly path: string;
  /** Null when the file shall go. */
  readonly temp: string | null;
  /** What was in it; null when it was not there. */
  readonly before: string | null;
}

/** A file was changed by somebody else between the first look at it and the rename. */
export class FileChangedError extends Error {
  override readonly name = "FileChangedError";
}

/** Writes that are on disk under temporary names. One of the two calls follows. */
export class StagedFiles {
  readonly #fs: StoreFs;
  readonly #staged: readonly Staged[];

  private constructor(fs: StoreFs, staged: readonly Staged[]) {
    this.#fs = fs;
    this.#staged = staged;
  }

  /** Puts texts on disk under temporary names. Leaves nothing behind when it fails. */
  static async stage(writes: readonly FileWrite[], fs: StoreFs): Promise<StagedFiles> {
    const staged: Staged[] = [];
    try {
      for (const { path: named, text } of writes) {
        const path = await fs.realPath(named);
        const before = await textOf(path, fs);
        const temp = text === null ? null : tempPathOf(path);
        staged.push({ path, temp, before });
        if (temp !== null && text !== null) await fs.writeSynced(temp, text, path);
      }
    } catch (error) {
      await new StagedFiles(fs, staged).discard();
      throw error;
    }
    return new StagedFiles(fs, staged);
  }

  /**
   * Gives the files their names; when it returns, all of it is on disk. When a step fails, the files that were done are
   * put back, and the error is thrown: a FileChangedError when somebody else has changed one of them.
   */
  async commit(): Promise<void> {
    const done: Staged[] = [];
    try {
      for (const file of this.#staged) {
        // Nothing locks a file against an editor: the moment in which an edit could be lost is made as short as it can be.
        if (await textOf(file.path, this.#fs) !== file.before) {
          throw new FileChangedError(`Cannot write ${file.path}: it must be as it was read: it was edited meanwhile`);
        }
        if (file.temp !== null) await this.#fs.rename(file.temp, file.path);
        else if (file.before !== null) await this.#fs.remove(file.path);
        done.push(file);
      }
      await this.#syncFolders();
    } catch (error) {
      for (const file of done.reverse()) await this.#putBack(file);
      await this.discard();
      throw error;
    }
  }

  /** Removes what was written; the files are as they were. */
  async discard(): Promise<void> {
    for (const { temp } of this.#staged) if (temp !== null) await this.#fs.remove(temp).catch(() => {});
  }

  async #syncFolders(): Promise<void> {
    for (const folder of new Set(this.#staged.map(({ path }) => dirname(path)))) await this.#fs.syncFolder(folder);
  }

  async #putBack({ path, before }: Staged): Promise<void> {
    if (before === null) return await this.#fs.remove(path).catch(() => {});
    const temp = tempPathOf(path);
    await this.#fs.writeSynced(temp, before, path);
    await this.#fs.rename(temp, path);
  }
}

/** What is in a file; null when it is not there. */
async function textOf(path: string, fs: StoreFs): Promise<string | null> {
  try {
    return await fs.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** The machine's own files. */
export function systemStoreFs(): StoreFs {
  return {
    readTextFile: (path) => Deno.readTextFile(path),
    listFiles: async (folder) => {
      const names: string[] = [];
      for await (const entry of Deno.readDir(folder)) if (!entry.isDirectory) names.push(entry.name);
      return names;
    },
    writeSynced: async (path, text, like) => {
      const mode = await Deno.stat(like).then((found) => found.mode, () => null);
      // Of its own and for this user alone until its mode is known: it may hold hashes of tokens, and a link that
      // somebody has put there is not followed.
      await Deno.remove(path).catch(() => {});
      using file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
      const bytes = new TextEncoder().encode(text);
      for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
      if (mode !== null) await Deno.chmod(path, mode & 0o7777);
      await file.sync();
    },
    rename: (from, to) => Deno.rename(from, to),
    remove: (path) => Deno.remove(path),
    syncFolder: async (folder) => {
      using opened = await Deno.open(folder, { read: true });
      await opened.sync();
    },
    realPath: (path) => Deno.realPath(path).catch(() => path),
  };
}
