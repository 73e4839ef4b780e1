/**
 * The command line of the benchmark of many tenants. Called by tenants.ts.
 *
 * @module
 */
import { parseArgs } from "@std/cli";
import { CONTESTANTS, type TenantsContestant } from "./tenants_contestants.ts";

/** What --help prints. */
export const HELP = `Measures the proxy with many tenants, beside its peers.

usage: deno task bench:tenants [options]
  --tenants N    tenants, a listener and a backend each (default 10000)
  --changes N    changes of one tenant through the admin API (default 200)
  --reloads N    reloads with one tenant changed (default 5)
  --starts N     starts (default 3)
  --only LIST    ${CONTESTANTS.map(({ name }) => name).join(",")}
  --save         write bench/results/<date>-tenants.json and .md
`;

/** What a run does. */
export interface Plan {
  readonly tenants: number;
  readonly changes: number;
  readonly reloads: number;
  readonly starts: number;
  readonly contestants: readonly TenantsContestant[];
  readonly save: boolean;
}

/** Reads the arguments. Throws a RangeError that says which value is wrong. */
export function readArgs(args: readonly string[]): Plan | "help" {
  const flags = parseArgs([...args], {
    boolean: ["help", "save"],
    string: ["tenants", "changes", "reloads", "starts", "only"],
    unknown: (name) => {
      throw new RangeError(`Cannot start: the option must be one of those that --help lists: current value is ${name}`);
    },
  });
  if (flags.help === true) return "help";
  const number = (name: "tenants" | "changes" | "reloads" | "starts", usual: number, least: number) => {
    const value = Number(flags[name] ?? usual);
    if (Number.isInteger(value) && value >= least) return value;
    throw new RangeError(
      `Cannot start: --${name} must be a whole number from ${least}: current value is ${flags[name]}`,
    );
  };
  const only = typeof flags.only === "string" ? flags.only.split(",") : CONTESTANTS.map(({ name }) => name);
  const contestants = only.map((name) => {
    const found = CONTESTANTS.find((contestant) => contestant.name === name);
    if (found === undefined) {
      throw new RangeError(`Cannot start: --only must name some of the contestants: current value is ${name}`);
    }
    return found;
  });
  return {
    tenants: number("tenants", 10_000, 2),
    changes: number("changes", 200, 1),
    reloads: number("reloads", 5, 1),
    starts: number("starts", 3, 1),
    contestants,
    save: flags.save === true,
  };
}
