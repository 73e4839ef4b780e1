/**
 * What a command of `sluice` is, and how its arguments are read and its help is written. Every file in this room
 * exports one command; `main.ts` holds the table.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { suggest } from "../config/nearest.ts";

/** A permission that a command may keep; `main.ts` revokes the others. Reading is always allowed. */
export type Need = "ffi" | "net" | "run" | "write";

/** A flag of a command. */
export interface Flag {
  /** Its long name, without dashes. */
  readonly name: string;
  /** One letter, without dash. */
  readonly short?: string;
  /** What stands for its value in the help, such as `FILE`. A flag without it takes no value. */
  readonly value?: string;
  /** The values that are accepted, where they are known. */
  readonly choices?: readonly string[];
  /** One line of help. */
  readonly summary: string;
}

/** Arguments, parsed and checked against the flags. */
export interface Arguments {
  /** Values of flags that take one and were given, by name. */
  readonly values: ReadonlyMap<string, string>;
  /** Names of flags that take no value and were given. */
  readonly switches: ReadonlySet<string>;
  /** What is no flag, in order. */
  readonly operands: readonly string[];
}

/** Where a command writes; tests give their own. */
export interface Io {
  /** Writes to standard output, as it is. */
  out(text: string): void;
  /** Writes to standard error, as it is. */
  err(text: string): void;
  /** Whether standard output shows colours. */
  readonly color: boolean;
  /** Whether nobody reads standard output any more; what has no end by itself ends then. */
  isGone?(): boolean;
}

/** A command. */
export interface Command {
  readonly name: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  /** Paragraphs for its own help, behind the usage line. */
  readonly description: string;
  readonly flags: readonly Flag[];
  /** The arguments that are no flags: how the help shows them, and how many there may be. None when absent. */
  readonly operands?: { readonly usage: string; readonly min: number; readonly max: number };
  /** The permissions that it needs. */
  readonly needs: readonly Need[];
  /** Runs it; resolves with the exit code: 0 done, 1 failed or invalid, 2 wrong usage. */
  run(args: Arguments, io: Io): Promise<number>;
}

/** The arguments are wrong; ends with exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  /** Whether the message says already of which command it speaks. */
  readonly isPlaced: boolean;

  constructor(message: string, options: { isPlaced?: boolean } = {}) {
    super(message);
    this.isPlaced = options.isPlaced ?? false;
  }
}

/** Flag that every command has. */
export const HELP_FLAG: Flag = { name: "help", short: "h", summary: "show this help and exit" };

/** The flag that names the configuration; the same wherever there is one. */
export const CONFIG_FLAG: Flag = {
  name: "config",
  short: "c",
  value: "FILE",
  summary: "configuration file (else $SLUICE_CONFIG, ./sluice.yaml, config/sluice.yaml)",
};

/** The flag that asks for JSON; the same wherever there is one. */
export const JSON_FLAG: Flag = { name: "json", summary: "write JSON instead of text" };

/** Parses the arguments of a command. Throws UsageError, which names the nearest known flag or value. */
export function parseArguments(command: Pick<Command, "flags" | "operands">, argv: readonly string[]): Arguments {
  const flags = [...command.flags, HELP_FLAG];
  const valued = flags.filter((flag) => flag.value !== undefined).map((flag) => flag.name);
  const plain = flags.filter((flag) => flag.value === undefined).map((flag) => flag.name);
  const aliases = flags.flatMap((flag) => flag.short === undefined ? [] : [[flag.name, flag.short] as const]);
  const parsed: Record<string, unknown> = parseArgs([...argv], {
    string: [...valued, "_"],
    boolean: plain,
    collect: valued,
    alias: Object.fromEntries(aliases),
    unknown: (arg) => {
      if (arg.startsWith("-") && arg !== "-") throw new UsageError(unknownFlag(arg, flags));
      return true;
    },
  });
  rejectValuesOfPlainFlags(argv, plain);

  const values = new Map<string, string>();
  for (const flag of flags) {
    const given = parsed[flag.name];
    if (flag.value === undefined || !Array.isArray(given) || given.length === 0) continue;
    if (given.length > 1) throw new UsageError(`--${flag.name} must be given once: it was given ${given.length} times`);
    const value = String(given[0]);
    if (value === "") throw new UsageError(`--${flag.name} needs a value: --${flag.name} ${flag.value}`);
    if (flag.choices !== undefined && !flag.choices.includes(value)) throw new UsageError(wrongChoice(flag, value));
    values.set(flag.name, value);
  }
  const switches = new Set(plain.filter((name) => parsed[name] === true));
  const operands = Array.isArray(parsed._) ? parsed._.map(String) : [];
  if (!switches.has("help")) checkOperands(operands, command.operands);
  return { values, switches, operands };
}

function checkOperands(operands: readonly string[], expected: Command["operands"]): void {
  const { usage, min, max } = expected ?? { usage: "", min: 0, max: 0 };
  const [first] = operands.slice(max);
  if (first !== undefined) throw new UsageError(`unexpected argument "${first}"`);
  if (operands.length < min) throw new UsageError(`missing argument: ${usage}`);
}

function rejectValuesOfPlainFlags(argv: readonly string[], plain: readonly string[]): void {
  const end = argv.indexOf("--");
  for (const arg of end < 0 ? argv : argv.slice(0, end)) {
    const name = /^--([^=]+)=/.exec(arg)?.[1];
    if (name !== undefined && plain.includes(name)) throw new UsageError(`--${name} takes no value`);
  }
}

/** What to say of a flag that is none of these. */
export function unknownFlag(arg: string, flags: readonly Flag[]): string {
  const shown = arg.replace(/=.*$/s, "");
  const near = nearest(shown.replace(/^-+/, ""), flags.map((flag) => flag.name));
  return near === undefined
    ? `unknown flag ${shown}; known are ${flags.map((flag) => `--${flag.name}`).join(", ")}`
    : `unknown flag ${shown}; did you mean --${near}?`;
}

function wrongChoice(flag: Flag, value: string): string {
  const choices = flag.choices ?? [];
  const near = nearest(value, choices);
  return `--${flag.name} must be one of ${choices.join(", ")}: current value is "${value}"` +
    (near === undefined ? "" : `; did you mean ${near}?`);
}

/** The known word that was meant: one that starts so, or one that is spelled nearly so. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  return known.find((candidate) => word.length > 1 && candidate.startsWith(word)) ?? suggest(word, known);
}

/** The help text of a command. */
export function helpOf(command: Command): string {
  const usage = ["Usage: sluice", command.name, "[options]", command.operands?.usage].filter(Boolean).join(" ");
  return `${usage}\n\n${command.description.trim()}\n\nOptions:\n${table([...command.flags, HELP_FLAG].map(flagText))}`;
}

/** A flag as a row of the help. */
export function flagText(flag: Flag): [string, string] {
  const short = flag.short === undefined ? "    " : `-${flag.short}, `;
  const value = flag.value === undefined ? "" : ` ${flag.value}`;
  const choices = flag.choices === undefined ? "" : ` (${flag.choices.join(", ")})`;
  return [`${short}--${flag.name}${value}`, `${flag.summary}${choices}`];
}

/** Two columns, indented, one row a line. */
export function table(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}\n`).join("");
}
