/**
 * The admin API as one thing that a reload may change: it opens when the configuration has `admin`, moves when its
 * address does, and closes when the key is gone. Owned by `host.ts`.
 *
 * @module
 */

import { dirname, isAbsolute, join } from "node:path";
import type { AdminAddress } from "../admin/listen.ts";
import type { AdminControl } from "../admin/control.ts";
import { AdminServer, type AdminServerDeps, type AdminSettings } from "../admin/server.ts";
import { configJsonSchema } from "../config/mod.ts";
import type { MainState, PreparedSettings, Settings } from "../control/mod.ts";
import type { Log } from "../log.ts";
import { VERSION } from "../version.ts";

/** What the port needs of the rest. */
export interface AdminPortDeps {
  readonly control: AdminControl;
  readonly log: Log;
  /** The main file: relative paths of certificates start from its folder. */
  readonly path: string;
  /** Lets everybody on this machine in, without a token. */
  readonly insecure: boolean;
  /** Monotonic, ms. */
  now(): number;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** The port, open or not. */
export class AdminPort implements Settings, AsyncDisposable {
  readonly #deps: AdminPortDeps;
  #server: AdminServer | null = null;

  constructor(deps: AdminPortDeps) {
    this.#deps = deps;
  }

  /** Where the API listens; null when it does not. */
  get address(): string | null {
    return this.#server?.address ?? null;
  }

  /** Opens what a configuration says; rejects with AdminStartError when that cannot be. */
  async prepare(config: MainState["config"]): Promise<PreparedSettings> {
    const before = this.#server;
    const settings = settingsOf(config, this.#deps);
    if (settings === null) {
      return {
        commit: () => {
          this.#server = null;
          void before?.[Symbol.asyncDispose]();
        },
        discard: () => {},
      };
    }
    if (before !== null) return await before.prepare(settings);
    const fresh = await AdminServer.start(settings, this.#serverDeps());
    return {
      commit: () => {
        this.#server = fresh;
        this.#deps.log.info("the admin API listens", { address: fresh.address });
      },
      discard: () => void fresh[Symbol.asyncDispose](),
    };
  }

  /** Lets answers finish for a moment, and closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
    this.#server = null;
  }

  #serverDeps(): AdminServerDeps {
    const { control, log, now, sleep } = this.#deps;
    const configSchema = configJsonSchema() as AdminServerDeps["configSchema"];
    return { control, configSchema, version: VERSION, log, now, sleep };
  }
}

function settingsOf({ admin }: MainState["config"], { path, insecure }: AdminPortDeps): AdminSettings | null {
  if (admin === undefined) return null;
  const { listen, tls } = admin;
  const besideMain = (file: string) => isAbsolute(file) ? file : join(dirname(path), file);
  const address: AdminAddress = listen.family === "unix"
    ? { kind: "unix", path: listen.path }
    : { kind: "tcp", host: listen.ip, port: listen.port };
  const tokens = admin.tokens.map(({ name, sha256, role, tenant }) => ({
    name,
    sha256: sha256.toLowerCase(),
    role,
    ...(tenant === undefined ? {} : { tenant }),
  }));
  const files = tls === undefined ? undefined : {
    cert: besideMain(tls.cert),
    key: besideMain(tls.key),
    ...(tls.client_ca === undefined ? {} : { clientCa: besideMain(tls.client_ca) }),
  };
  return { address, tokens, hosts: admin.hosts, insecure, ...(files === undefined ? {} : { tls: files }) };
}
