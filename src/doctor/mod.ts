/**
 * The doctor: compares what a configuration asks for with what the machine gives. `src/cli/doctor.ts` prints it.
 *
 * @module
 */
import {
  checkCongestionControl,
  checkConntrack,
  checkPortRange,
  checkSomaxconn,
  checkSynBacklog,
  checkTimeWait,
} from "./checks_network.ts";
import {
  checkFileMax,
  checkKernel,
  checkLibrary,
  checkLowPorts,
  checkNofile,
  checkPipes,
  checkWorkers,
} from "./checks_process.ts";
import type { Demand } from "./demand.ts";
import type { Facts } from "./facts.ts";
import type { Finding } from "./finding.ts";

export { defaultDemand, type Demand, demandOf } from "./demand.ts";
export { type Facts, type FileReader, grepReader, type LibraryState, readFacts } from "./facts.ts";
export { libraryState } from "./library.ts";
export type { Finding, Verdict } from "./finding.ts";

/** Runs every check, in the order of the report. */
export function examine(facts: Facts, demand: Demand): readonly Finding[] {
  return [
    checkKernel(facts),
    checkLibrary(facts),
    checkWorkers(facts, demand),
    checkNofile(facts, demand),
    checkFileMax(facts, demand),
    checkLowPorts(facts, demand),
    ...checkPipes(facts),
    checkSomaxconn(facts),
    checkSynBacklog(facts),
    checkPortRange(facts, demand),
    checkTimeWait(facts, demand),
    checkCongestionControl(facts),
    checkConntrack(facts, demand),
  ];
}
