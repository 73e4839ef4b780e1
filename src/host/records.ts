/**
 * What a running proxy keeps beside its configuration: the history of it, and the audit. On disk where that is possible,
 * else in memory. Owned by `host.ts`.
 *
 * @module
 */

import { Audit, type Evaluation, History, openStateFolder } from "../control/mod.ts";
import type { Log } from "../log.ts";

/** Both records. */
export interface Records extends AsyncDisposable {
  readonly history: History;
  readonly audit: Audit;
}

/** Opens the records in a folder; null: in memory only. */
export async function openRecords(
  path: string | null,
  mainPath: string,
  first: Evaluation,
  deps: { readonly log: Log; now(): number },
): Promise<Records> {
  const folder = path === null ? null : await openStateFolder(path).catch((error: Error) => {
    deps.log.warn("history and audit are kept in memory only, the folder cannot be written", { folder: path, error });
    return null;
  });
  const texts = new Map([[mainPath, first.main.text]]);
  for (const unit of first.units.values()) if (!unit.inMain) texts.set(unit.file, unit.text);
  const history = await History.open(texts, { folder, ...deps });
  const audit = await Audit.open({ folder, ...deps });
  return {
    history,
    audit,
    [Symbol.asyncDispose]: async () => {
      await history.settled();
      await audit.settled();
    },
  };
}
