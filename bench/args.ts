/**
 * The command line of the benchmark.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { type Contestant, PEERS, sluice } from "./contestants.ts";
import { DEFAULT_ROWS, IDLE_ROW, type Row, ROWS } from "./rows.ts";

/** What is to be measured. */
export interface Plan {
  readonly rows: readonly Row[];
  /** Also measure the memory of idle connections. */
  readonly idle: boolean;
  /** The first is the one whose ratio to each other is told. */
  readonly contestants: readonly Contestant[];
  /** Name of a contestant that takes part twice, as a check of the method itself. */
  readonly twin: string | undefined;
  readonly rounds: number;
  /** Times the order ABBA in a round. */
  readonly repeats: number;
  readonly seconds: number;
  readonly congestionControl: string;
  readonly proxyCpu: number;
  readonly loadCpu: number;
  /** Count system calls in a run of its own. */
  readonly syscalls: boolean;
  /** Write the results under bench/results. */
  readonly save: boolean;
}

/** What `--help` prints. */
export const HELP = `Measures the CPU time of Sluice beside HAProxy and nginx, at the same work.

usage: deno task bench [options]
  --rows LIST         ${ROWS.filter((row) => row.paced).map((row) => row.name).join(",")},
                      each also with -max (no pace), and idle (memory); default: those without -max
  --only LIST         sluice,${PEERS.map((peer) => peer.name).join(",")}; the first is compared with the others
  --rounds N          rounds of each row, each with fresh processes (default 7)
  --repeats N         times that a round goes through all contestants in the order ABBA (default 2)
  --seconds S         seconds of load a run (default 0.5)
  --quick             --rounds 3 --repeats 1
  --twin NAME         let NAME take part twice: the ratio must be 1 (default haproxy; none: no twin; none with --only)
  --syscalls          also count system calls, in a run of its own under strace
  --save              write bench/results/<date>-forwarding.json and .md
  --cc NAME           congestion control for everybody (default cubic), restored afterwards
  --cpus PROXY,LOAD   which core the proxy runs on, and which one load and backend share (default 1,0)
  --sluice COMMAND    how to run Sluice; {config} is its configuration, {listen} and {backend} are ports, {dir} a folder
  --add NAME=COMMAND  a further Sluice, such as an older build; may be given several times
`;

/** How Sluice is run from this folder. */
export const SLUICE_COMMAND = `${Deno.execPath()} run --quiet --no-prompt -P=sluice main.ts serve --config {config}`;

/** Reads the arguments. Throws a RangeError that says which value is wrong. */
export function readArgs(args: readonly string[]): Plan | "help" {
  const flags = parseArgs([...args], {
    boolean: ["help", "quick", "syscalls", "save"],
    string: ["rows", "only", "rounds", "repeats", "seconds", "twin", "cc", "cpus", "sluice", "add"],
    collect: ["add"],
    unknown: (name) => {
      throw new RangeError(`Cannot start: the option must be one of those that --help lists: current value is ${name}`);
    },
  });
  if (flags.help === true) return "help";
  const quick = flags.quick === true;
  const added = (Array.isArray(flags.add) ? flags.add : []).map((item) => readAdded(String(item)));
  const known = [sluice("sluice", textOf(flags.sluice) ?? SLUICE_COMMAND), ...added, ...PEERS];
  const only = textOf(flags.only)?.split(",");
  const contestants = only === undefined ? known : only.map((name) => find(known, name, "--only"));
  const rowNames = textOf(flags.rows)?.split(",") ?? DEFAULT_ROWS;
  const cpus = (textOf(flags.cpus) ?? "1,0").split(",").map((text) => readNumber("--cpus", text, 0));
  const twin = textOf(flags.twin) ?? (only === undefined ? "haproxy" : "none");
  return {
    rows: rowNames.filter((name) => name !== IDLE_ROW).map((name) => find(ROWS, name, "--rows")),
    idle: rowNames.includes(IDLE_ROW),
    contestants,
    twin: twin === "none" ? undefined : find(contestants, twin, "--twin").name,
    rounds: readNumber("--rounds", textOf(flags.rounds) ?? (quick ? "3" : "7"), 1),
    repeats: readNumber("--repeats", textOf(flags.repeats) ?? (quick ? "1" : "2"), 1),
    seconds: readNumber("--seconds", textOf(flags.seconds) ?? "0.5", 0.1),
    congestionControl: textOf(flags.cc) ?? "cubic",
    proxyCpu: cpus[0] ?? 1,
    loadCpu: cpus[1] ?? 0,
    syscalls: flags.syscalls === true,
    save: flags.save === true,
  };
}

function textOf(flag: unknown): string | undefined {
  return typeof flag === "string" ? flag : undefined;
}

function readAdded(text: string): Contestant {
  const separator = text.indexOf("=");
  if (separator <= 0) {
    throw new RangeError(`Cannot start: --add must be NAME=COMMAND: current value is ${text}`);
  }
  return sluice(text.slice(0, separator), text.slice(separator + 1));
}

function readNumber(name: string, text: string, least: number): number {
  const value = Number(text);
  if (text === "" || !(value >= least)) {
    throw new RangeError(`Cannot start: ${name} must be a number from ${least}: current value is ${text}`);
  }
  return value;
}

function find<T extends { readonly name: string }>(known: readonly T[], name: string, option: string): T {
  const found = known.find((item) => item.name === name);
  if (found !== undefined) return found;
  const names = known.map((item) => item.name).join(", ");
  throw new RangeError(`Cannot start: ${option} must name some of ${names}: current value is ${name}`);
}
