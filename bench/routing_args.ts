/**
 * The command line of the benchmark of routing. Called by routing.ts.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";

/** What can be measured, in this order. */
export const PARTS = ["lookup", "sni", "proxy", "routes"] as const;

/** One of them. */
export type Part = typeof PARTS[number];

/** What --help prints. */
export const HELP = `Measures what routing by server name and reading PROXY headers cost.

usage: deno task bench:routing [options]
  --only LIST   ${PARTS.join(",")}
  --quick       fewer and shorter rounds
  --syscalls    also count system calls, in a run of its own under strace
  --save        write bench/results/<date>-routing.json and .md
`;

/** What a run does. */
export interface Plan {
  readonly parts: readonly Part[];
  readonly save: boolean;
  readonly syscalls: boolean;
  readonly rounds: number;
  readonly repeats: number;
  readonly seconds: number;
}

/** Reads the arguments. Throws a RangeError that says which value is wrong. */
export function readArgs(args: readonly string[]): Plan | "help" {
  const flags = parseArgs([...args], {
    boolean: ["help", "quick", "save", "syscalls"],
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
    ? { rounds: 1, repeats: 1, seconds: 0.4 }
    : { rounds: 7, repeats: 2, seconds: 0.5 };
  return { parts, save: flags.save === true, syscalls: flags.syscalls === true, ...times };
}
