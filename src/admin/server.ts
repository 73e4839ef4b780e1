/**
 * The admin API on its port. Owns the listening server and every connection; the host starts it, tells it of new
 * settings at a reload, and stops it.
 *
 * A reload is in two steps, as all settings are: `prepare` opens what is new and may fail; `commit` cannot.
 *
 * @module
 */

import type { IncomingMessage } from "node:http";
import type { Log } from "../log.ts";
import { createAdminApp } from "./app.ts";
import type { Access, AdminDeps, AdminEnv, Token } from "./context.ts";
import type { AdminControl, JsonObject } from "./control.ts";
import { loadDocsPage } from "./docs_page.ts";
import {
  type AdminAddress,
  AdminStartError,
  formatAdminAddress,
  isSameAddress,
  type ListeningServer,
  openServer,
  PORT_LIMITS,
  type PortLimits,
  portOf,
} from "./listen.ts";
import { type Fetch, nodeHandler } from "./node_adapter.ts";
import { readTls, type TlsFiles, type TlsMaterial } from "./tls.ts";

/** What the configuration says of the admin API. */
export interface AdminSettings {
  readonly address: AdminAddress;
  readonly tokens: readonly Token[];
  readonly tls?: TlsFiles;
  /** Further names that lead here, for Host. */
  readonly hosts?: readonly string[];
  /** Lets everybody on this machine in, without a token. */
  readonly insecure?: boolean;
}

/** What the server needs of the rest. */
export interface AdminServerDeps {
  readonly control: AdminControl;
  readonly configSchema: JsonObject;
  readonly version: string;
  readonly log: Log;
  /** Monotonic, ms. */
  now(): number;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  readonly limits?: PortLimits;
}

/** Settings that are ready: one of the two calls follows. */
export interface PreparedAdmin {
  commit(): void;
  discard(): void;
}

/** What is in force. */
interface Running {
  readonly settings: AdminSettings;
  readonly tls: TlsMaterial | null;
  readonly server: ListeningServer;
  readonly access: Access;
}

/** How long answers that are under way may take at the end, ms. */
const CLOSE_MS = 2_000;

/** The admin API, listening. */
export class AdminServer implements AsyncDisposable {
  readonly #limits: PortLimits;
  readonly #stopping = new AbortController();
  readonly #fetch: Fetch;
  readonly #closing = new Set<Promise<void>>();
  #running: Running;

  private constructor(
    fetch: (access: () => Access, stopping: AbortSignal) => Fetch,
    running: Running,
    limits: PortLimits,
  ) {
    this.#running = running;
    this.#limits = limits;
    this.#fetch = fetch(() => this.#running.access, this.#stopping.signal);
    this.#handle(running.server);
  }

  /**
   * Opens the port and answers.
   *
   * @throws {AdminStartError} when it cannot be opened, or would be open to everybody
   */
  static async start(settings: AdminSettings, deps: AdminServerDeps): Promise<AdminServer> {
    const limits = deps.limits ?? PORT_LIMITS;
    const docs = await loadDocsPage();
    const running = await open(settings, limits);
    const fetchOf = (access: () => Access, stopping: AbortSignal): Fetch => {
      const { control, configSchema, version, log, now, sleep } = deps;
      const parts: AdminDeps = { control, access, configSchema, version, docs, log, now, sleep, stopping };
      const app = createAdminApp(parts);
      return (request, bindings) => app.fetch(request, bindings);
    };
    return new AdminServer(fetchOf, running, limits);
  }

  /** Where it listens, as it is written in a configuration; with the port that the kernel chose. */
  get address(): string {
    const { settings: { address }, server } = this.#running;
    return formatAdminAddress(address.kind === "unix" ? address : { ...address, port: portOf(server) });
  }

  /**
   * Opens what new settings name. The old port is closed when the new one is in force.
   *
   * @throws {AdminStartError} when it cannot be opened; nothing has changed then
   */
  async prepare(settings: AdminSettings): Promise<PreparedAdmin> {
    const before = this.#running;
    if (!isSameAddress(settings.address, before.settings.address)) {
      const running = await open(settings, this.#limits);
      return {
        commit: () => {
          this.#running = running;
          this.#handle(running.server);
          this.#retire(before);
        },
        discard: () => void close(running, 0),
      };
    }
    if ((settings.tls === undefined) !== (before.tls === null)) {
      throw new AdminStartError(
        "Cannot reload: admin.tls must stay on or off while admin.listen stays: change the address too, or restart",
      );
    }
    const tls = settings.tls === undefined ? null : await readTls(settings.tls);
    const access = accessOf(settings, tls);
    return {
      commit: () => {
        if (tls !== null && "setSecureContext" in before.server) {
          Object.assign(before.server, tls.clients);
          before.server.setSecureContext(tls.context);
        }
        this.#running = { settings, tls, server: before.server, access };
      },
      discard: () => {},
    };
  }

  /** Ends streams and waits, lets answers finish for a moment, closes everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await Promise.all([...this.#closing, close(this.#running, CLOSE_MS)]);
  }

  #handle(server: ListeningServer): void {
    server.on("request", nodeHandler(this.#fetch, this.#limits.stallMs, bindingsOf));
  }

  #retire(running: Running): void {
    const closing: Promise<void> = close(running, CLOSE_MS).finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}

async function open(settings: AdminSettings, limits: PortLimits): Promise<Running> {
  const tls = settings.tls === undefined ? null : await readTls(settings.tls);
  const access = accessOf(settings, tls);
  const server = await openServer(settings.address, tls, limits);
  return { settings, tls, server, access };
}

async function close({ server, settings: { address } }: Running, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearTimeout(timer);
  if (address.kind === "unix") await Deno.remove(address.path).catch(() => {});
}

function bindingsOf(request: IncomingMessage): AdminEnv["Bindings"] {
  return { source: request.socket.remoteAddress ?? "unix", isTls: "encrypted" in request.socket };
}

const WILDCARDS: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);
const isLoopback = (host: string) => host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);

/**
 * Who may use the API by these settings.
 *
 * @throws {AdminStartError} when that would be everybody
 */
export function accessOf(settings: AdminSettings, tls: Pick<TlsMaterial, "names"> | null): Access {
  const { address, tokens, hosts = [], insecure = false } = settings;
  if (address.kind === "unix") return { tokens, anonymous: { name: "unix", role: "admin" }, hosts: null };
  const names = ["localhost", "127.0.0.1", "::1", address.host, ...hosts, ...tls?.names ?? []]
    .map((name) => name.toLowerCase());
  const access = { tokens, hosts: { names, isAnyAddress: WILDCARDS.has(address.host) } };
  if (tokens.length > 0) return { ...access, anonymous: null };
  if (insecure && isLoopback(address.host)) return { ...access, anonymous: { name: "insecure", role: "admin" } };
  throw new AdminStartError(
    `Cannot start the admin API: admin.tokens must have a token, for ${
      formatAdminAddress(address)
    } is open to others: ` +
      "make one with `sluice token new`, listen on a unix socket, or give --insecure on a loopback address",
  );
}
