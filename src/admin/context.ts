/**
 * What every request of the admin API carries, and what the API is made of. `app.ts` takes the parts, `server.ts` and
 * tests give them.
 *
 * @module
 */

import type { Context } from "hono";
import type { Log } from "../log.ts";
import type { Actor, AdminControl, JsonObject } from "./control.ts";
import type { DocsPage } from "./docs_page.ts";

/** A configured token. */
export interface Token {
  readonly name: string;
  /** SHA-256 of the token, 64 hexadecimal digits. */
  readonly sha256: string;
  readonly role: Actor["role"];
  /** The tenant of a token with role tenant. */
  readonly tenant?: string;
}

/** By which names the API may be asked for. */
export interface HostPolicy {
  /** Names and addresses in lower case, without brackets and ports; `*.` stands for one label. */
  readonly names: readonly string[];
  /** Also any IP address: the listener is bound to all of the machine's. */
  readonly isAnyAddress: boolean;
}

/** Who may use the API, as it is configured now. */
export interface Access {
  readonly tokens: readonly Token[];
  /** Who a request without a token is; null: a token is needed. */
  readonly anonymous: Actor | null;
  /** Null: nobody can be led here by a name (a unix socket). */
  readonly hosts: HostPolicy | null;
}

/** What the API is made of. */
export interface AdminDeps {
  readonly control: AdminControl;
  /** Asked for every request. */
  access(): Access;
  /** JSON Schema of the configuration file as it is written, with `tenant` and `backend` in `$defs`. */
  readonly configSchema: JsonObject;
  /** Version of the program, for the OpenAPI document. */
  readonly version: string;
  readonly docs: DocsPage;
  readonly log: Log;
  /** Monotonic, ms. */
  now(): number;
  /** Ends early when the signal is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** Aborted when the server ends: streams and waits end then. */
  readonly stopping: AbortSignal;
}

/** Types of Hono's context here. */
export interface AdminEnv {
  Bindings: {
    /** Where the request comes from: an IP address, or `unix`. */
    readonly source?: string;
    /** Whether it came over TLS. */
    readonly isTls?: boolean;
  };
  Variables: {
    /** Set by `auth.ts`, on all but public routes. */
    actor: Actor;
  };
}

/** A request on its way. */
export type AdminContext = Context<AdminEnv>;
