/**
 * Keeps watch over the files of the configuration in force, and asks for a reload of what was touched. Owned by
 * `host.ts`, which tells it of each change of the configuration.
 *
 * @module
 */

import { type LoadDeps, type WatchDeps, watchFiles } from "../config/mod.ts";
import type { ControlPlane } from "../control/mod.ts";
import type { Log } from "../log.ts";

/** What watching works with. */
export interface WatchingDeps {
  readonly control: ControlPlane;
  /** The main file. */
  readonly path: string;
  readonly load: Pick<LoadDeps, "readTextFile">;
  readonly watch: WatchDeps;
  readonly log: Log;
}

/** The watch, on or off. */
export class Watching implements AsyncDisposable {
  readonly #deps: WatchingDeps;
  #folder: string | null | undefined;
  #stop = new AbortController();
  #ended: Promise<void> = Promise.resolve();

  constructor(deps: WatchingDeps) {
    this.#deps = deps;
  }

  /** Watches what the configuration in force names. */
  update(): void {
    const { main, config } = this.#deps.control;
    const folder = config.watch ? main.folder : undefined;
    if (folder === this.#folder) return;
    this.#folder = folder;
    this.#stop.abort();
    this.#stop = new AbortController();
    if (folder !== undefined) this.#start(folder);
  }

  #start(tenantsFolder: string | null): void {
    const { path, watch, log } = this.#deps;
    try {
      const watched = { mainFile: path, tenantsFolder };
      const following = watchFiles(watched, watch, (touched) => void this.#look(touched), this.#stop.signal);
      this.#ended = Promise.all([this.#ended, following]).then(() => {}, (error: Error) => {
        log.warn("the files of the configuration are no longer watched; reload by hand", { error });
      });
    } catch (error) {
      log.warn("the files of the configuration cannot be watched; reload by hand", {
        error: error instanceof Error ? error : String(error),
      });
    }
  }

  async #look({ tenants, main, all }: Parameters<Parameters<typeof watchFiles>[2]>[0]): Promise<void> {
    const { control, path, load } = this.#deps;
    if (control.isDraining) return;
    if (all || main && await this.#isMainNew(path, load)) await control.reload({ by: "watch" });
    else if (tenants.size > 0) await control.reload({ by: "watch", paths: tenants });
  }

  /** False for what this process has written itself. */
  async #isMainNew(path: string, load: Pick<LoadDeps, "readTextFile">): Promise<boolean> {
    const { control } = this.#deps;
    if (control.lastReload?.ok === false) return true;
    return await load.readTextFile(path).then((text) => text !== control.main.text, () => true);
  }

  /** Stops watching. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }
}
