/**
 * The folder where the control plane keeps what must outlive it and is no configuration: history and audit.
 *
 * @module
 */

import { join } from "node:path";

/** Small files in one folder. */
export interface StateFolder {
  /** Null when it is not there. */
  read(name: string): Promise<string | null>;
  append(name: string, text: string): Promise<void>;
  /** Puts a whole file in place of another. */
  replace(name: string, text: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
}

/** A folder of the file system, for this user alone; made when it is not there. Rejects when it cannot be written. */
export async function openStateFolder(folder: string): Promise<StateFolder> {
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  const options = { mode: 0o600 };
  const pathOf = (name: string) => join(folder, name);
  const probe = pathOf(".writable");
  await Deno.writeTextFile(probe, "", options);
  await Deno.remove(probe);
  return {
    read: async (name) => {
      try {
        return await Deno.readTextFile(pathOf(name));
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return null;
        throw error;
      }
    },
    append: (name, text) => Deno.writeTextFile(pathOf(name), text, { ...options, append: true }),
    replace: async (name, text) => {
      const temp = pathOf(`.${name}.sluice-tmp`);
      await Deno.writeTextFile(temp, text, options);
      await Deno.rename(temp, pathOf(name));
    },
    rename: (from, to) => Deno.rename(pathOf(from), pathOf(to)),
  };
}
