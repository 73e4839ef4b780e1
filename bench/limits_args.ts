/**
 * The command line of the benchmark of limits. Called by limits.ts.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";

/** What can be measured, in this order. */
export const PARTS = ["accuracy", "fairness", "cost", "storm", "tenants"] as const;

/** One of them. */
export type Part = typeof PARTS[number];

/** What --help prints. */
export const HELP = `Measures limits: how exact, how fair, what they cost, how they stand a storm, and at rest.

usage: deno task bench:limits [options]
  --only LIST   ${PARTS.join(",")}
  --quick       shorter looks, fewer rounds
  --save        write bench/results/<date>-limits.json, .md and .svg
`;

/** What a run does. */
export interface Plan {
  readonly parts: readonly Part[];
  readonly save: boolean;
  /** How long a gauge settles and looks. */
  readonly settleMs: number;
  readonly lookMs: number;
  /** Of the rows whose cost is compared. */
  readonly rounds: number;
  readonly repeats: number;
  readonly seconds: number;
  /** How long a storm lasts. */
  readonly stormSeconds: number;
}

/** Reads the arguments. Throws a RangeError that says which value is wrong. */
export function readArgs(args: readonly string[]): Plan | "help" {
  const flags = parseArgs([...args], {
    boolean: ["help", "quick", "save"],
    string: ["only"],
    unknown: (name) => {
      throw new RangeError(`Cannot start: the option must be one of those that --help lists: current value is ${name}`);
    },
  });
  if (flags.help === true) return "help";
  const wanted = typeof flags.only === "string" ? flags.only.split(",") : PARTS;
  const parts = wanted.map((name) => {
    const found = PARTS.find((part) => part === name);
    if (found !== undefined) return found;
    throw new RangeError(`Cannot start: --only must name some of ${PARTS.join(", ")}: current value is ${name}`);
  });
  const times = flags.quick === true
    ? { settleMs: 400, lookMs: 1400, rounds: 1, repeats: 1, seconds: 0.4, stormSeconds: 2 }
    : { settleMs: 1000, lookMs: 5000, rounds: 5, repeats: 1, seconds: 0.6, stormSeconds: 5 };
  return { parts, save: flags.save === true, ...times };
}
