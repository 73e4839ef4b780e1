/**
 * The command line of the benchmark of failures. Called by failures.ts.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { type Candidate, CANDIDATES } from "./failures_contestants.ts";
import { type Scenario, SCENARIOS } from "./failures_scenarios.ts";

/** What --help prints. */
export const HELP = `Measures what clients see of endpoints that fail, and for how long. All scenarios run at once.

usage: deno task bench:failures [options]
  --only LIST       ${CANDIDATES.map(({ name }) => name).join(",")}
  --scenarios LIST  ${SCENARIOS.map(({ id }) => id).join(",")}
  --clients N       new clients of each scenario and proxy, in 20 s (default 100)
  --patience S      how long a client waits for its answer (default 60)
  --save            write bench/results/<date>-failures.json and .md
`;

/** What a run does. */
export interface Plan {
  readonly candidates: readonly Candidate[];
  readonly scenarios: readonly Scenario[];
  readonly clients: number;
  readonly patienceMs: number;
  readonly save: boolean;
}

/** Reads the arguments. Throws a RangeError that says which value is wrong. */
export function readArgs(args: readonly string[]): Plan | "help" {
  const flags = parseArgs([...args], {
    boolean: ["help", "save"],
    string: ["only", "scenarios", "clients", "patience"],
    unknown: (name) => {
      throw new RangeError(`Cannot start: the option must be one of those that --help lists: current value is ${name}`);
    },
  });
  if (flags.help === true) return "help";
  return {
    candidates: chosen("--only", textOf(flags.only), CANDIDATES, ({ name }) => name),
    scenarios: chosen("--scenarios", textOf(flags.scenarios), SCENARIOS, ({ id }) => id),
    clients: number("--clients", textOf(flags.clients) ?? "100"),
    patienceMs: 1000 * number("--patience", textOf(flags.patience) ?? "60"),
    save: flags.save === true,
  };
}

function textOf(flag: unknown): string | undefined {
  return typeof flag === "string" ? flag : undefined;
}

function number(option: string, text: string): number {
  const value = Number(text);
  if (text !== "" && Number.isSafeInteger(value) && value >= 1) return value;
  throw new RangeError(`Cannot start: ${option} must be a whole number from 1: current value is ${text}`);
}

function chosen<T>(option: string, text: string | undefined, known: readonly T[], nameOf: (item: T) => string): T[] {
  if (text === undefined) return [...known];
  return text.split(",").map((name) => {
    const found = known.find((item) => nameOf(item) === name);
    if (found !== undefined) return found;
    const names = known.map(nameOf).join(", ");
    throw new RangeError(`Cannot start: ${option} must name some of ${names}: current value is ${name}`);
  });
}
