/**
 * The admin API on a control plane in memory; every answer is held against the OpenAPI document.
 *
 * @module
 */
import { assert } from "@std/assert";
import { createAdminApp } from "../../src/admin/app.ts";
import type { Access, AdminDeps, Token } from "../../src/admin/context.ts";
import type { JsonObject } from "../../src/admin/control.ts";
import { configJsonSchema } from "../../src/config/schema_json.ts";
import { sleep } from "../../src/host/sleep.ts";
import type { Log, LogFields } from "../../src/log.ts";
import { Contract } from "./admin_contract.ts";
import { FakeControl, sha256, tenantOf } from "./admin_control.ts";

/** JSON Schema of the configuration. */
export const SCHEMA = configJsonSchema() as JsonObject;

/** A log that keeps its lines. */
export class KeptLog implements Log {
  readonly lines: { readonly level: string; readonly message: string; readonly fields: LogFields }[] = [];
  debug = (message: string, fields: LogFields = {}) => void this.lines.push({ level: "debug", message, fields });
  info = (message: string, fields: LogFields = {}) => void this.lines.push({ level: "info", message, fields });
  warn = (message: string, fields: LogFields = {}) => void this.lines.push({ level: "warn", message, fields });
  error = (message: string, fields: LogFields = {}) => void this.lines.push({ level: "error", message, fields });

  messages(level: string): string[] {
    return this.lines.filter((line) => line.level === level).map((line) => line.message);
  }
}

/** One of each role: `ops-token`, `eyes-token`, `acme-token`. */
export const TOKENS: readonly Token[] = [
  { name: "ops", sha256: sha256("ops-token"), role: "admin" },
  { name: "eyes", sha256: sha256("eyes-token"), role: "viewer" },
  { name: "acme-ci", sha256: sha256("acme-token"), role: "tenant", tenant: "acme" },
];

/** Whose token a request carries. */
export type Who = "ops" | "eyes" | "acme" | "nobody";

/** What is sent. */
export interface Ask {
  readonly who?: Who;
  readonly json?: unknown;
  readonly body?: BodyInit;
  readonly headers?: Readonly<Record<string, string>>;
  readonly source?: string;
  readonly isTls?: boolean;
}

/** The API, and what it runs on. */
export class AdminBench {
  readonly control = new FakeControl();
  readonly log = new KeptLog();
  readonly stopping = new AbortController();
  nowMs = 1_000;
  access: Access = {
    tokens: TOKENS,
    anonymous: null,
    hosts: { names: ["localhost", "127.0.0.1"], isAnyAddress: false },
  };
  readonly app: ReturnType<typeof createAdminApp>;
  #contract: Contract | null = null;

  constructor(more: Partial<AdminDeps> = {}) {
    this.control.tenants.set("acme", tenantOf("acme", { labels: { plan: "gold" } }));
    this.control.tenants.set("other", tenantOf("other", { labels: { plan: "free" } }));
    this.app = createAdminApp({
      control: this.control,
      access: () => this.access,
      configSchema: SCHEMA,
      version: "1.2.3",
      docs: { html: "<!DOCTYPE html>", script: "1", style: "a{}" },
      log: this.log,
      now: () => this.nowMs,
      sleep,
      stopping: this.stopping.signal,
      ...more,
    });
  }

  /** Sends a request, and holds the answer against the OpenAPI document. */
  async ask(method: string, path: string, ask: Ask = {}): Promise<Response> {
    const { who = "ops", json, body = null, headers = {}, source = "192.0.2.1", isTls = false } = ask;
    const token: Record<string, string> = who === "nobody" ? {} : { Authorization: `Bearer ${who}-token` };
    const type: Record<string, string> = json === undefined ? {} : { "Content-Type": "application/json" };
    const response = await this.app.request(path, {
      method,
      headers: { Host: "localhost:9900", ...token, ...type, ...headers },
      body: json === undefined ? body : JSON.stringify(json),
    }, { source, isTls });
    // The other half of a stream without an end would be kept for ever.
    const isStream = response.headers.get("Content-Type")?.startsWith("text/event-stream") === true;
    await (await this.contract()).hold(method, path, isStream ? new Response(null, response) : response.clone());
    return response;
  }

  /** What the API's document says. */
  async contract(): Promise<Contract> {
    if (this.#contract !== null) return this.#contract;
    const headers = { Host: "localhost", Authorization: "Bearer ops-token" };
    const response = await this.app.request("/openapi.json", { headers }, {});
    return this.#contract = new Contract(await response.json());
  }
}

/** Status and problem of an answer. */
export async function problemOf(response: Response) {
  const problem = await response.json();
  assert(response.headers.get("Content-Type") === "application/problem+json");
  return problem as {
    status: number;
    detail: string;
    errors: { pointer: string; parameter?: string; detail: string }[];
  };
}
