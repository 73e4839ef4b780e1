/**
 * A small admin API that answers what a test tells it to, and `ctl` run against it.
 *
 * @module
 */
import { main } from "../../src/cli/main.ts";
import { ctlGroup } from "../../src/cli/ctl.ts";
import type { CtlDeps } from "../../src/cli/ctl/context.ts";

/** A request that the API got. */
export interface Seen {
  /** Method, path and query, such as `GET /v1/tenants?limit=1`. */
  readonly line: string;
  readonly headers: Headers;
  readonly body: string;
}

/** What a test answers. */
export type Answers = (seen: Seen) => Response | Promise<Response>;

/** The API. */
export class FakeApi implements AsyncDisposable {
  readonly seen: Seen[] = [];
  readonly url: string;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(answers: Answers) {
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
      const url = new URL(request.url);
      const seen: Seen = {
        line: `${request.method} ${url.pathname}${url.search}`,
        headers: request.headers,
        body: await request.text(),
      };
      this.seen.push(seen);
      return await answers(seen);
    });
    this.url = `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** The lines of all requests. */
  get lines(): string[] {
    return this.seen.map(({ line }) => line);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** A JSON answer. */
export function json(value: unknown, headers: Record<string, string> = {}, status = 200): Response {
  return Response.json(value, { status, headers });
}

/** A problem document. */
export function problem(status: number, title: string, detail: string, errors: unknown[] = []): Response {
  return new Response(JSON.stringify({ type: "about:blank", title, status, detail, errors }), {
    status,
    headers: { "content-type": "application/problem+json" },
  });
}

/** The outside of `ctl`: files and environment of the test, a clock that moves only when something waits. */
export interface Outside {
  readonly env?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  readonly modes?: Readonly<Record<string, number>>;
  readonly columns?: number;
  readonly color?: boolean;
  /** Lines after which nobody reads standard output any more. */
  readonly readsLines?: number;
  /** Pauses that take real time; else none does. */
  readonly isLive?: boolean;
}

/** What a command left behind. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Dependencies of `ctl` that reach nothing but what the test gives. */
export function ctlDeps(outside: Outside = {}): CtlDeps {
  let now = 0;
  return {
    env: (name) => outside.env?.[name],
    readText: (path) => {
      const text = outside.files?.[path];
      return text === undefined
        ? Promise.reject(new Deno.errors.NotFound(`No such file: ${path}`))
        : Promise.resolve(text);
    },
    modeOf: (path) => Promise.resolve(outside.modes?.[path] ?? 0o600),
    pause: (ms, signal) => {
      now += ms;
      if (outside.isLive !== true) return Promise.resolve();
      return new Promise((resolve) => {
        const timer = setTimeout(resolve, ms);
        signal?.addEventListener("abort", () => (clearTimeout(timer), resolve()));
      });
    },
    now: () => now,
    columns: () => outside.columns ?? null,
  };
}

/** Runs `sluice ctl …` in this process. */
export async function ctl(argv: readonly string[], outside: Outside = {}): Promise<Ran> {
  let [out, err] = ["", ""];
  const io = {
    out: (text: string) => void (out += text),
    err: (text: string) => void (err += text),
    color: outside.color ?? false,
    isGone: () => out.split("\n").length > (outside.readsLines ?? Infinity),
  };
  const code = await main(["ctl", ...argv], io, {
    commands: { ctl: () => Promise.resolve(ctlGroup(ctlDeps(outside))) },
    revoke: () => Promise.resolve(),
  });
  return { code, out, err };
}
