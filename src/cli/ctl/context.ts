/**
 * What every command of `ctl` has in common: the flags of the connection, the client made of them, and how errors of
 * the API become words and an exit code.
 *
 * @module
 */
import { DEFAULT_ADMIN, isExposed, parseAdmin, parseToken } from "../../ctl/address.ts";
import { AdminClient, type ClientOptions } from "../../ctl/client.ts";
import { ApiError, ClientError } from "../../ctl/problem.ts";
import { formatFaults } from "../../ctl/faults.ts";
import type { ProgressScreen } from "../../ctl/progress.ts";
import { type Arguments, type Command, type Flag, type Io, JSON_FLAG, UsageError } from "../command.ts";

/** What the commands need of the outside. */
export interface CtlDeps {
  env(name: "SLUICE_ADMIN" | "SLUICE_TOKEN"): string | undefined;
  /** Text of a file; `-` is standard input. */
  readText(path: string): Promise<string>;
  /** Permission bits of a file, null where there are none. */
  modeOf(path: string): Promise<number | null>;
  /** Resolves after so many milliseconds, or as soon as the signal is aborted. */
  pause(ms: number, signal?: AbortSignal): Promise<void>;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /** The terminal on standard error: its columns, null when it is none. */
  columns(): number | null;
}

/** What the work of a command is given. */
export interface Ctl {
  readonly client: AdminClient;
  readonly args: Arguments;
  readonly io: Io;
  readonly deps: CtlDeps;
  /** Whether to write the API's JSON as it is. */
  readonly isJson: boolean;
}

/** Flags of the connection, and --json. */
export const CTL_FLAGS: readonly Flag[] = [
  JSON_FLAG,
  { name: "admin", value: "URL", summary: `the admin API (else $SLUICE_ADMIN, ${DEFAULT_ADMIN}); unix:/PATH too` },
  { name: "token-file", value: "FILE", summary: "file with the token (else $SLUICE_TOKEN)" },
  { name: "ca", value: "FILE", summary: "authority of the server's certificate, PEM (else those of the machine)" },
  { name: "cert", value: "FILE", summary: "certificate of this client, PEM; with --key" },
  { name: "key", value: "FILE", summary: "private key of this client, PEM; with --cert" },
];

/** A command of `ctl`, without what they all share. */
export interface CtlVerb extends Omit<Command, "needs" | "run"> {
  /** Checks the arguments before anything is sent; throws UsageError. */
  check?(args: Arguments): void;
  /** Does it; resolves with the exit code. */
  work(ctl: Ctl): Promise<number>;
}

/** The command of a verb. */
export function ctlCommand(deps: CtlDeps, { check, work, ...verb }: CtlVerb): Command {
  return {
    ...verb,
    flags: [...verb.flags, ...CTL_FLAGS],
    // A unix socket is opened like a file that is written.
    needs: ["net", "write"],
    run: async (args, io) => {
      check?.(args);
      return await withErrorsTold(verb.name, args, io, async () => {
        const client = new AdminClient(await clientOptions(args, io, deps));
        return await work({ client, args, io, deps, isJson: args.switches.has("json") });
      });
    },
  };
}

async function withErrorsTold(name: string, args: Arguments, io: Io, run: () => Promise<number>): Promise<number> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof ApiError) {
      if (args.switches.has("json")) io.out(`${error.body.trimEnd()}\n`);
      // What is not there the API does not name.
      const asked = error.status === 404 ? [name, ...args.operands].join(" ") : name;
      io.err(`sluice: ${asked}: ${error.message}\n${formatFaults(error.faults)}`);
      return 1;
    }
    if (!(error instanceof ClientError)) throw error;
    io.err(`sluice: ${name}: ${error.message}\n`);
    return 1;
  }
}

async function clientOptions(args: Arguments, io: Io, deps: CtlDeps): Promise<ClientOptions> {
  const shown = args.values.get("admin") ?? deps.env("SLUICE_ADMIN") ?? DEFAULT_ADMIN;
  const address = usage("--admin", () => parseAdmin(shown));
  const [ca, cert, key] = ["ca", "cert", "key"].map((name) => args.values.get(name));
  if ((cert === undefined) !== (key === undefined)) throw new UsageError("--cert and --key must be given together");
  if ((ca ?? cert) !== undefined && address.kind !== "https") {
    throw new UsageError(`--ca, --cert and --key need an https address: current value is ${JSON.stringify(shown)}`);
  }
  const token = await readToken(args.values.get("token-file"), io, deps);
  if (token !== undefined && isExposed(address)) {
    io.err(`sluice: warning: ${shown} is not encrypted: the token can be read on the way; use https\n`);
  }
  return {
    address,
    shown,
    ...(token === undefined ? {} : { token }),
    tls: {
      ...(address.kind !== "https" ? {} : { ca: await authorities(ca, deps) }),
      ...(cert === undefined ? {} : { cert: await readFile(cert, deps) }),
      ...(key === undefined ? {} : { key: await readFile(key, deps) }),
    },
  };
}

/** Where Linux distributions keep the authorities that the machine trusts. */
const SYSTEM_AUTHORITIES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** Those of --ca, else the machine's. Deno's own list cannot be read with the permissions that we have. */
async function authorities(file: string | undefined, deps: CtlDeps): Promise<string> {
  if (file !== undefined) return await readFile(file, deps);
  for (const path of SYSTEM_AUTHORITIES) {
    try {
      return await deps.readText(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  throw new ClientError(
    "Cannot tell which servers to trust: this machine has no list of authorities; name one with --ca",
  );
}

async function readToken(file: string | undefined, io: Io, deps: CtlDeps): Promise<string | undefined> {
  if (file === undefined) {
    const token = deps.env("SLUICE_TOKEN");
    return token === undefined || token === "" ? undefined : usage("", () => parseToken(token, "SLUICE_TOKEN"));
  }
  const text = await readFile(file, deps);
  const mode = file === "-" ? null : await deps.modeOf(file);
  if (mode !== null && (mode & 0o004) !== 0) {
    io.err(`sluice: warning: everybody on this machine can read the token in ${file}: chmod 600 ${file}\n`);
  }
  try {
    return parseToken(text, file);
  } catch (error) {
    throw new ClientError(error instanceof Error ? error.message : String(error));
  }
}

/**
 * Text of a file that the user named.
 *
 * @throws {ClientError} when it cannot be read.
 */
export async function readFile(path: string, deps: CtlDeps): Promise<string> {
  try {
    return await deps.readText(path);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new ClientError(`Cannot read ${path}: ${error.message}`, { cause: error });
  }
}

function usage<T>(flag: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UsageError(flag === "" ? error.message : `${flag}: ${error.message}`);
  }
}

/** The screen of a progress bar: standard error, so that standard output stays what was asked for. */
export function screenOf({ io, deps }: Ctl): ProgressScreen {
  const columns = deps.columns();
  return { write: (text) => io.err(text), isTerminal: columns !== null, columns: columns ?? 80, now: deps.now };
}

/** The real outside. */
export function systemCtlDeps(): CtlDeps {
  return {
    env: (name) => Deno.env.get(name),
    readText: (path) => path === "-" ? new Response(Deno.stdin.readable).text() : Deno.readTextFile(path),
    modeOf: async (path) => (await Deno.stat(path)).mode,
    pause: (ms, signal) =>
      new Promise((resolve) => {
        const timer = setTimeout(done, ms);
        function done() {
          clearTimeout(timer);
          signal?.removeEventListener("abort", done);
          resolve();
        }
        signal?.addEventListener("abort", done);
        if (signal?.aborted === true) done();
      }),
    now: () => performance.now(),
    columns: () => Deno.stderr.isTerminal() ? Deno.consoleSize().columns : null,
  };
}
