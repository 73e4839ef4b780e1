/**
 * A command that only leads to others, such as `ctl tenants`: how a path of words is walked down to the command that
 * it names, and the help of a group. Called by `main.ts`; `completions.ts` walks the same tree.
 *
 * @module
 */
import { type Command, type Flag, flagText, nearest, table, unknownFlag, UsageError } from "./command.ts";

/** A command, or a group of them. */
export type Entry = Command | CommandGroup;

/** Commands by name, in the order of the help. Loaded when they are needed: `--help` must not wait for the others. */
export type Commands = Readonly<Record<string, () => Promise<Entry>>>;

/** A group of commands. */
export interface CommandGroup {
  /** All the words that lead here, such as `ctl tenants`. */
  readonly name: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  /** Paragraphs for its own help, behind the usage line. */
  readonly description: string;
  /** Flags that every command below has; they may stand ahead of its name too. */
  readonly flags: readonly Flag[];
  readonly commands: Commands;
}

/** Whether it leads to others. */
export function isGroup(entry: Entry): entry is CommandGroup {
  return "commands" in entry;
}

/** What words lead to. */
export interface Found {
  readonly entry: Entry;
  /** The arguments for it: the flags ahead of its name, and all that follows. */
  readonly rest: readonly string[];
}

/**
 * The entry that the first words of argv lead to: a command, or a group when they end there or ask for help.
 *
 * @throws {UsageError} that names the nearest command or flag.
 */
export async function findEntry(argv: readonly string[], commands: Commands): Promise<Found> {
  const [name = "", ...rest] = argv;
  return await descend(await load(name, commands, ["--help", "--version"]), rest);
}

async function descend(entry: Entry, argv: readonly string[]): Promise<Found> {
  if (!isGroup(entry)) return { entry, rest: argv };
  try {
    const length = flagsAhead(argv, entry.flags);
    const [word, ...behind] = argv.slice(length);
    if (word === undefined || word === "--help" || word === "-h") return { entry, rest: argv.slice(length) };
    return await descend(await load(word, entry.commands, []), [...argv.slice(0, length), ...behind]);
  } catch (error) {
    if (!(error instanceof UsageError) || error.isPlaced) throw error;
    throw new UsageError(`${entry.name}: ${error.message}\nTry: sluice ${entry.name} --help`, { isPlaced: true });
  }
}

/** How many arguments stand ahead of the next word, flags and their values. */
function flagsAhead(argv: readonly string[], flags: readonly Flag[]): number {
  let index = 0;
  for (let arg = argv[index]; arg?.startsWith("-") === true; arg = argv[index]) {
    if (arg === "--help" || arg === "-h") return index;
    const [name] = arg.split("=");
    const flag = flags.find((known) => `--${known.name}` === name || `-${known.short}` === name);
    if (flag === undefined) throw new UsageError(unknownFlag(arg, flags));
    index += flag.value !== undefined && !arg.includes("=") ? 2 : 1;
  }
  return index;
}

async function load(name: string, commands: Commands, alsoKnown: readonly string[]): Promise<Entry> {
  if (Object.hasOwn(commands, name)) {
    const entry = commands[name];
    if (entry !== undefined) return await entry();
  }
  const what = name.startsWith("-") ? "flag" : "command";
  const known = Object.keys(commands);
  const near = nearest(name, [...known, ...alsoKnown]);
  throw new UsageError(
    near === undefined
      ? `unknown ${what} ${JSON.stringify(name)}; known commands are ${known.join(", ")}`
      : `unknown ${what} ${JSON.stringify(name)}; did you mean ${near}?`,
  );
}

/** The help text of a group. */
export async function helpOfGroup(group: CommandGroup): Promise<string> {
  const usage = `Usage: sluice ${group.name} <command> [options]`;
  const flags = group.flags.length === 0 ? "" : `\nOptions of all of them:\n${table(group.flags.map(flagText))}`;
  return `${usage}\n\n${group.description.trim()}\n\nCommands:\n${await listOf(group.commands)}${flags}\n` +
    `\`sluice ${group.name} <command> --help\` says more about a command.\n`;
}

/** The commands with their summaries, one a line. */
export async function listOf(commands: Commands): Promise<string> {
  const names = Object.keys(commands);
  const entries = await Promise.all(Object.values(commands).map((entry) => entry()));
  return table(entries.map((entry, index): [string, string] => [names[index] ?? "", entry.summary]));
}
