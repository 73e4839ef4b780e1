/**
 * The way from argv to an exit code. Called by `main.ts` in the root.
 *
 * @module
 */
import { VERSION } from "../version.ts";
import { type Command, helpOf, type Io, type Need, parseArguments, table, UsageError } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { type Commands, type Entry, findEntry, helpOfGroup, isGroup, listOf } from "./group.ts";

/** What `main` needs of the outside. */
export interface MainDeps {
  readonly commands: Commands;
  /** Gives up permissions for good. */
  revoke(names: readonly Need[]): Promise<void>;
}

/** Runs the command that argv names; resolves with the exit code. */
export async function main(argv: readonly string[], io: Io, deps: MainDeps = systemDeps()): Promise<number> {
  try {
    return await dispatch(argv, io, deps);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    io.err(`sluice: ${error.message}\n`);
    return 2;
  }
}

async function dispatch(argv: readonly string[], io: Io, deps: MainDeps): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined) {
    io.err(await overview(deps.commands));
    return 2;
  }
  if (name === "--version" || name === "-V") {
    io.out(`sluice ${VERSION}\n`);
    return 0;
  }
  if (name === "--help" || name === "-h" || name === "help") {
    const entry = rest.length === 0 ? undefined : (await findEntry(rest, deps.commands)).entry;
    io.out(entry === undefined ? await overview(deps.commands) : await helpOfEntry(entry));
    return 0;
  }
  const { entry, rest: words } = await findEntry(argv, deps.commands);
  if (isGroup(entry)) {
    const help = await helpOfGroup(entry);
    const isAsked = words.length > 0;
    if (isAsked) io.out(help);
    else io.err(help);
    return isAsked ? 0 : 2;
  }
  const args = withHint(entry, () => parseArguments(entry, words));
  if (args.switches.has("help")) {
    io.out(helpOf(entry));
    return 0;
  }
  const all: readonly Need[] = ["ffi", "net", "run", "write"];
  await deps.revoke(all.filter((need) => !entry.needs.includes(need)));
  return await entry.run(args, io);
}

async function helpOfEntry(entry: Entry): Promise<string> {
  return isGroup(entry) ? await helpOfGroup(entry) : helpOf(entry);
}

function withHint<T>(command: Command, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`${command.name}: ${error.message}\nTry: sluice ${command.name} --help`);
  }
}

async function overview(commands: Commands): Promise<string> {
  return "Usage: sluice <command> [options]\n\n" +
    "A multi-tenant TCP reverse proxy: Deno controls, a C library moves the bytes.\n\n" +
    `Commands:\n${await listOf(commands)}\n` +
    `Options:\n${
      table([["-h, --help", "show this help and exit"], ["-V, --version", "show the version and exit"]])
    }\n` +
    "`sluice <command> --help` says more about a command.\n";
}

function systemDeps(): MainDeps {
  return {
    commands: COMMANDS,
    revoke: async (names) => {
      for (const name of names) await Deno.permissions.revoke({ name });
    },
  };
}

/** The process's own standard streams. */
export function systemIo(): Io {
  let isGone = false;
  return {
    out: (text) => {
      if (!writeAll(Deno.stdout, text)) isGone = true;
    },
    err: (text) => void writeAll(Deno.stderr, text),
    color: Deno.stdout.isTerminal() && !Deno.noColor,
    isGone: () => isGone,
  };
}

/** Writes all of it; false when the reader of a pipe has had enough, as `head` does: there is nobody left to tell. */
function writeAll(stream: { writeSync(bytes: Uint8Array): number }, text: string): boolean {
  let bytes = new TextEncoder().encode(text);
  try {
    while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return false;
    throw error;
  }
}
