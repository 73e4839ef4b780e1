/**
 * PostgreSQL servers of a test, primaries and replicas of them, and a client that speaks their protocol over a wire.
 *
 * @module
 */
import { formatAddress, freePort, ownLoopback } from "./address.ts";
import { findProgram, type Output, run, Service } from "./programs.ts";
import type { Wire } from "./wire.ts";
import type { World } from "./world.ts";

const FOLDERS = ["18", "17", "16", "15", "14"].map((version) => `/usr/lib/postgresql/${version}/bin`);
const NAMES = ["initdb", "postgres", "pg_basebackup", "pg_ctl", "psql"] as const;
const paths = new Map(NAMES.map((name) => [name, findProgram(name, FOLDERS)]));
const runuser = findProgram("runuser");
/** PostgreSQL refuses to run as root; its package brings a user for it. */
const asUser = Deno.uid() === 0;

/** Whether all programs are there. */
export const postgresIsPresent = runuser !== undefined && [...paths.values()].every((path) => path !== undefined);

/** A program of PostgreSQL and its arguments, as the user that it runs as. */
function command(name: typeof NAMES[number], args: readonly string[]): [string, string[]] {
  const path = paths.get(name);
  if (path === undefined || runuser === undefined) throw new Error(`There must be a program ${name}`);
  return asUser ? [runuser, ["-u", "postgres", "--", path, ...args]] : [path, [...args]];
}

async function must(name: typeof NAMES[number], ...args: string[]): Promise<void> {
  // Not where the test runs: that folder need not be open to the user.
  const { code, text } = await run(...command(name, args), { cwd: "/tmp" });
  if (code !== 0) throw new Error(`${name} must succeed: ${text}`);
}

/** Runs SQL with psql: standard error follows the answer in the text. */
export function psql(address: string, sql: string): Promise<Output> {
  const [host = "", port = ""] = address.split(":");
  return run(paths.get("psql") ?? "", ["-h", host, "-p", port, "-U", "sluice", "-d", "postgres", "-XAtc", sql]);
}

/** The trimmed answer to SQL that succeeds. */
export async function query(address: string, sql: string): Promise<string> {
  const { code, text } = await psql(address, sql);
  if (code !== 0) throw new Error(`${sql} must succeed: ${text}`);
  return text.trim();
}

/** A server, which may be stopped and started again. */
export class PostgresServer implements AsyncDisposable {
  /** Where it listens, whether it runs or not. */
  readonly address: string;
  readonly #data: string;
  #service: Service | undefined;

  private constructor(data: string) {
    this.#data = data;
    const host = ownLoopback();
    this.address = formatAddress(host, freePort(host));
  }

  /** A new one, which runs. */
  static async primary(world: World): Promise<PostgresServer> {
    const server = await PostgresServer.#create(world);
    await must("initdb", "-D", server.#data, "-U", "sluice", "--auth=trust", "--no-sync", "-E", "UTF8");
    await server.start();
    return server;
  }

  /** A streaming replica of one that runs. */
  static async replica(world: World, primary: PostgresServer): Promise<PostgresServer> {
    const server = await PostgresServer.#create(world);
    const [host = "", port = ""] = primary.address.split(":");
    const from = ["-h", host, "-p", port, "-U", "sluice", "-R", "-c", "fast", "--no-sync"];
    await must("pg_basebackup", "-D", server.#data, ...from);
    await server.start();
    return server;
  }

  static async #create(world: World): Promise<PostgresServer> {
    const dir = await world.tempDir();
    if (asUser) await run("/bin/chown", ["postgres", dir]);
    return world.use(new PostgresServer(`${dir}/data`));
  }

  /** Starts it, and returns when it answers. */
  async start(): Promise<void> {
    const [host = "", port = ""] = this.address.split(":");
    // A replica asks anew for what it lacks every second rather than every five.
    const settings = [
      "fsync=off",
      `listen_addresses=${host}`,
      "unix_socket_directories=",
      "wal_retrieve_retry_interval=1s",
    ];
    const [program, args] = command("postgres", [
      "-D",
      this.#data,
      "-p",
      port,
      ...settings.flatMap((one) => ["-c", one]),
    ]);
    this.#service = await Service.start(
      program,
      args,
      () => query(this.address, "select 1").then(() => true, () => false),
    );
  }

  /** Stops it: its sessions are ended. */
  async stop(): Promise<void> {
    await must("pg_ctl", "-D", this.#data, "-m", "immediate", "stop");
    await this.#service?.[Symbol.asyncDispose]();
    this.#service = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#service?.[Symbol.asyncDispose]();
  }
}

/** A session of a client that speaks protocol 3.0 (PostgreSQL documentation, Frontend/Backend Protocol). */
export class PostgresSession {
  readonly #wire: Wire;

  private constructor(wire: Wire) {
    this.#wire = wire;
  }

  /** Begins a session over a wire; the server trusts it. */
  static async begin(wire: Wire): Promise<PostgresSession> {
    const session = new PostgresSession(wire);
    await wire.write(framed("", "\0\x03\0\0user\0sluice\0database\0postgres\0\0"));
    await session.#untilReady();
    return session;
  }

  /** The first column of the rows that a statement gives. */
  async query(sql: string): Promise<string[]> {
    await this.#wire.write(framed("Q", `${sql}\0`));
    return await this.#untilReady();
  }

  async #untilReady(): Promise<string[]> {
    const rows: string[] = [];
    for (;;) {
      const head = await this.#wire.readExactly(5);
      const body = await this.#wire.readExactly(new DataView(head.buffer).getInt32(1) - 4);
      switch (String.fromCharCode(head[0]!)) {
        case "E":
          throw new Error(`A statement must succeed: ${new TextDecoder().decode(body).replaceAll("\0", " ")}`);
        case "D":
          rows.push(new TextDecoder().decode(body.subarray(6, 6 + new DataView(body.buffer).getInt32(2))));
          break;
        case "Z":
          return rows;
      }
    }
  }
}

/** A message: its kind (none at the start), its length, its body. */
function framed(kind: string, body: string): Uint8Array {
  const bytes = new TextEncoder().encode(`${kind}\0\0\0\0${body}`);
  new DataView(bytes.buffer).setInt32(kind.length, bytes.length - kind.length);
  return bytes;
}
