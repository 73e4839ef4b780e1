/**
 * A look at the machine when the proxy is up: what the configuration asks for and the limits do not give is said in the
 * log, once, with what mends it. `sluice doctor` shows all of it.
 *
 * @module
 */

import type { Plan } from "../config/mod.ts";
import { demandOf, examine, type FileReader, readFacts } from "../doctor/mod.ts";
import type { Log } from "../log.ts";

/** What is examined. */
export interface Machine {
  readonly read: FileReader;
  readonly pid: number;
  readonly cores: number;
}

/** Logs a warning for each thing that will fail. */
export async function warnOfMachine(
  machine: Machine,
  running: { readonly file: string; readonly plan: Plan; readonly workers: number; readonly log: Log },
): Promise<void> {
  const { file, plan, workers, log } = running;
  const library = { usable: true, detail: "loaded" } as const;
  const facts = await readFacts(machine.read, { pid: machine.pid, cores: machine.cores, library });
  for (const { id, verdict, found, wanted, why, mend } of examine(facts, demandOf(file, plan, workers))) {
    if (verdict !== "will-fail") continue;
    log.warn("the machine does not give what the configuration asks for", {
      check: id,
      found,
      wanted,
      why,
      mend: mend ?? undefined,
    });
  }
}
