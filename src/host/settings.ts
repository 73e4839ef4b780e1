/**
 * Several settings as one: all of them are ready, or none is changed.
 *
 * @module
 */

import type { MainState, PreparedSettings, Settings } from "../control/mod.ts";

/** A list of settings that grows while the host is put together. */
export class SettingsList implements Settings {
  readonly #list: Settings[] = [];

  /** Adds one. */
  add(settings: Settings): void {
    this.#list.push(settings);
  }

  /** Prepares all, in order; what was prepared before one that fails is discarded. */
  async prepare(config: MainState["config"]): Promise<PreparedSettings> {
    const prepared: PreparedSettings[] = [];
    const discard = () => prepared.forEach((one) => one.discard());
    try {
      for (const settings of this.#list) prepared.push(await settings.prepare(config));
    } catch (error) {
      discard();
      throw error;
    }
    return { commit: () => prepared.forEach((one) => one.commit()), discard };
  }
}
