/**
 * A `serve` with the admin API on a port from the kernel: its configuration, and where it answers.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { type Config, configOf, type TenantConfig } from "./config.ts";
import { Contract } from "./admin_contract.ts";
import type { Sluice } from "./sluice.ts";

/** The administrator's token. */
export const TOKEN = "the-operators-token";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

/** A file with `admin`; tokens: {@link TOKEN}, `viewer-token`, `acme-token` of the tenant acme. */
export function adminConfig(
  tenants: readonly TenantConfig[] = [],
  admin: Readonly<Record<string, unknown>> = {},
): Config {
  const tokens = [
    { name: "ops", sha256: sha256(TOKEN), role: "admin" },
    { name: "eyes", sha256: sha256("viewer-token"), role: "viewer" },
    { name: "acme-ci", sha256: sha256("acme-token"), role: "tenant", tenant: "acme" },
  ];
  const known = tenants.some(({ id }) => id === "acme") ? tokens : tokens.slice(0, 2);
  const base = configOf(tenants);
  return { ...base, ...{ admin: { listen: "127.0.0.1:0", tokens: known, ...admin } } };
}

/** As the process says it: `127.0.0.1:9900`, or `unix:/path`. */
export function adminAddress(sluice: Sluice): string {
  const line = sluice.stdout.find((one) => one.startsWith("admin address="));
  if (line === undefined) throw new Error(`No admin line:\n${sluice.output()}`);
  return line.slice("admin address=".length);
}

/** Base of its URLs. */
export function adminUrl(sluice: Sluice): string {
  return `http://${adminAddress(sluice)}`;
}

/** What is sent. */
export interface AdminAsk {
  readonly token?: string;
  readonly json?: unknown;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A client of a running process; each answer is held against the process's own document. */
export class AdminClient {
  readonly #base: string;
  readonly contract: Contract;

  private constructor(base: string, contract: Contract) {
    this.#base = base;
    this.contract = contract;
  }

  static async of(sluice: Sluice): Promise<AdminClient> {
    const base = adminUrl(sluice);
    const response = await fetch(`${base}/openapi.json`, { headers: { Authorization: `Bearer ${TOKEN}` } });
    return new AdminClient(base, new Contract(await response.json()));
  }

  /** Sends a request and reads the answer to its end. */
  async ask(
    method: string,
    path: string,
    { token = TOKEN, json, body, headers = {} }: AdminAsk = {},
  ): Promise<Response> {
    const content = json === undefined ? body : JSON.stringify(json);
    const type: Record<string, string> = json === undefined ? {} : { "Content-Type": "application/json" };
    const response = await fetch(`${this.#base}${path}`, {
      method,
      redirect: "manual",
      headers: { ...(token === "" ? {} : { Authorization: `Bearer ${token}` }), ...type, ...headers },
      ...(content === undefined ? {} : { body: content }),
    });
    const bytes = await response.arrayBuffer();
    const rebuilt = () =>
      new Response(bytes.byteLength === 0 ? null : bytes, { status: response.status, headers: response.headers });
    await this.contract.hold(method, path, rebuilt());
    return rebuilt();
  }
}
