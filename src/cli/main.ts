/**
 * The table of commands, and the way from argv to an exit code. Called by `main.ts` in the root.
 *
 * @module
 */
import { VERSION } from "../version.ts";
import { type Command, helpOf, type Io, nearest, type Need, parseArguments, table, UsageError } from "./command.ts";

/** Commands by name, in the order of the help. Loaded when they are needed: `--help` must not wait for the others. */
export type Commands = Readonly<Record<string, () => Promise<Command>>>;

const COMMANDS: Commands = {
  serve: async () => (await import("./serve.ts")).serveCommand,
  check: async () => (await import("./check.ts")).checkCommand,
  demo: async () => (await import("./demo.ts")).demoCommand,
  doctor: async () => (await import("./doctor.ts")).doctorCommand,
};

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
    const [topic] = rest;
    io.out(topic === undefined ? await overview(deps.commands) : helpOf(await find(topic, deps.commands)));
    return 0;
  }
  const command = await find(name, deps.commands);
  const args = withHint(command, () => parseArguments(command, rest));
  if (args.switches.has("help")) {
    io.out(helpOf(command));
    return 0;
  }
  const all: readonly Need[] = ["ffi", "net", "run", "write"];
  await deps.revoke(all.filter((need) => !command.needs.includes(need)));
  return await command.run(args, io);
}

async function find(name: string, commands: Commands): Promise<Command> {
  if (Object.hasOwn(commands, name)) {
    const load = commands[name];
    if (load !== undefined) return await load();
  }
  const what = name.startsWith("-") ? "flag" : "command";
  const known = [...Object.keys(commands), "--help", "--version"];
  const near = nearest(name, known);
  throw new UsageError(
    near === undefined
      ? `unknown ${what} ${JSON.stringify(name)}; known commands are ${Object.keys(commands).join(", ")}`
      : `unknown ${what} ${JSON.stringify(name)}; did you mean ${near}?`,
  );
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
  const loaded = await Promise.all(Object.values(commands).map((load) => load()));
  return "Usage: sluice <command> [options]\n\n" +
    "A multi-tenant TCP reverse proxy: Deno controls, a C library moves the bytes.\n\n" +
    `Commands:\n${table(loaded.map((command) => [command.name, command.summary]))}\n` +
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
  return {
    out: (text) => writeAll(Deno.stdout, text),
    err: (text) => writeAll(Deno.stderr, text),
    color: Deno.stdout.isTerminal() && !Deno.noColor,
  };
}

function writeAll(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let bytes = new TextEncoder().encode(text);
  try {
    while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
  } catch (error) {
    // The reader of a pipe has had enough, as `head` does; there is nobody left to tell.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
