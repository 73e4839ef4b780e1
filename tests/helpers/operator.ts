/**
 * An operator of the program under test: the admin API in a configuration, and a client of it with the token of an
 * admin.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { formatAddress, freePort, ownLoopback } from "./address.ts";
import type { Config, TenantConfig } from "./config.ts";
import { eventually, within } from "./eventually.ts";

/** The bearer token of every operator in tests. */
export const OPERATOR_TOKEN = "a-token-of-the-tests-and-of-nobody-else";

/** Any JSON, to be looked into by tests. */
// deno-lint-ignore no-explicit-any
export type Body = any;

/** An answer of the API, body read. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly etag: string;
  readonly body: Body;
}

/** What a request has beyond verb, path and body. */
export interface RequestOptions {
  readonly ifMatch?: string;
  readonly ifNoneMatch?: string;
  readonly type?: string;
}

/** A request that was not answered: the process was killed meanwhile. */
export class Unanswered extends Error {}

/** A client of the admin API. */
export class Operator {
  /** Where the API listens, as the configuration writes it. */
  readonly listen: string;
  readonly #sha256: string;

  private constructor(listen: string, sha256: string) {
    this.listen = listen;
    this.#sha256 = sha256;
  }

  /** An operator of an API at an address of its own, which nobody listens at yet. */
  static async create(): Promise<Operator> {
    const host = ownLoopback();
    const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(OPERATOR_TOKEN));
    return new Operator(formatAddress(host, freePort(host)), new Uint8Array(hash).toHex());
  }

  /** The key `admin` of a configuration. */
  get admin(): { listen: string; tokens: { name: string; sha256: string; role: string }[] } {
    return { listen: this.listen, tokens: [{ name: "ops", sha256: this.#sha256, role: "admin" }] };
  }

  /** A configuration with these tenants and this operator. */
  config(tenants: readonly TenantConfig[], rest: Partial<Config> = {}): Config {
    const whole = { version: 1 as const, workers: 2, ...rest, admin: this.admin, tenants };
    return whole;
  }

  /** Sends a request; the answer whatever its status. */
  async request(method: string, path: string, body?: unknown, options: RequestOptions = {}): Promise<Answer> {
    const headers = new Headers({ Authorization: `Bearer ${OPERATOR_TOKEN}` });
    const { ifMatch, ifNoneMatch, type = method === "PATCH" ? "application/merge-patch+json" : "application/json" } =
      options;
    if (body !== undefined) headers.set("Content-Type", type);
    if (ifMatch !== undefined) headers.set("If-Match", ifMatch);
    if (ifNoneMatch !== undefined) headers.set("If-None-Match", ifNoneMatch);
    const init: RequestInit = { method, headers };
    if (body !== undefined) init.body = typeof body === "string" ? body : JSON.stringify(body);
    return await within(exchange(`http://${this.listen}${path}`, init), `an answer to ${method} ${path}`);
  }

  /** The body of a GET that succeeds. */
  async get(path: string): Promise<Body> {
    return (await this.read(path)).body;
  }

  /** The answer to a GET that succeeds. */
  read(path: string): Promise<Answer> {
    return this.must("GET", path);
  }

  /** Sends a request that must succeed. */
  async must(method: string, path: string, body?: unknown, options?: RequestOptions): Promise<Answer> {
    const answer = await this.request(method, path, body, options);
    if (answer.status >= 300) {
      throw new Error(
        `${method} ${path} must succeed: it was answered ${answer.status} ${JSON.stringify(answer.body)}`,
      );
    }
    return answer;
  }

  /** Sends a request that must be refused with this status. */
  async refused(status: number, method: string, path: string, body?: unknown, options?: RequestOptions): Promise<Body> {
    const answer = await this.request(method, path, body, options);
    assertEquals(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** JSON Merge Patch of a tenant. */
  patch(tenant: string, patch: unknown, options?: RequestOptions): Promise<Answer> {
    return this.must("PATCH", `/v1/tenants/${tenant}`, patch, options);
  }

  /** Waits until a tenant carries this label: the mark of a configuration that is in force. */
  async untilLabel(tenant: string, label: string, value: string): Promise<void> {
    await eventually(async () => {
      const { status, body } = await this.request("GET", `/v1/tenants/${tenant}`);
      return status === 200 && body.labels?.[label] === value;
    }, { what: `label ${label}=${value} of ${tenant}` });
  }

  /** How a tenant does. */
  status(tenant = "acme"): Promise<Body> {
    return this.get(`/v1/tenants/${tenant}/status`);
  }

  /** Waits until so many sessions of a tenant wait in its queue. */
  async untilQueued(count: number, tenant = "acme"): Promise<void> {
    await eventually(async () => (await this.status(tenant)).limits["queue.size"].used === count, {
      what: `${count} sessions in the queue of ${tenant}`,
    });
  }

  /** The value of a series: a metric's name, with its labels as the exposition has them. */
  async metric(series: string): Promise<number> {
    const value = await this.series(series);
    if (value === undefined) throw new Error(`There must be a metric ${series}`);
    return value;
  }

  /** The same where there may be none yet. */
  async series(series: string): Promise<number | undefined> {
    const text: string = await this.get("/metrics");
    const line = text.split("\n").find((one) => one.startsWith(`${series} `));
    return line === undefined ? undefined : Number(line.slice(series.length + 1));
  }
}

async function exchange(url: string, init: RequestInit): Promise<Answer> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, init);
    text = await response.text();
  } catch (cause) {
    throw new Unanswered(`No answer from ${url}`, { cause });
  }
  const isJson = /[/+]json\b/.test(response.headers.get("Content-Type") ?? "");
  return {
    status: response.status,
    headers: response.headers,
    etag: response.headers.get("ETag") ?? "",
    body: isJson ? JSON.parse(text) : text,
  };
}
