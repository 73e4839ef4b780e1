/**
 * The admin API over HTTP, TLS or a unix socket: one call a request, JSON out, and every answer that is no success as
 * an error. Made once by a command and disposed by it.
 *
 * @module
 */
import type { AdminAddress } from "./address.ts";
import { ClientError, errorOfAnswer, errorOfFetch } from "./problem.ts";

/** How long a request may take until its answer is there. */
const DEADLINE_MS = 60_000;

/** How the API is reached. */
export interface ClientOptions {
  readonly address: AdminAddress;
  /** The address as the user wrote it, for messages. */
  readonly shown: string;
  readonly token?: string;
  /** Authority that the server's certificate must come from, PEM. */
  readonly ca?: string;
  /** The client's own certificate and key for mutual TLS, PEM. */
  readonly identity?: { readonly cert: string; readonly key: string };
}

/** What stands behind `?`; what is undefined is left out, each of a list is given. */
export type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

/** What a request carries beside method and path. */
export interface RequestOptions {
  readonly query?: Query;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as YAML. */
  readonly yaml?: string;
}

/** An answer that is a success. */
export interface Answer {
  readonly status: number;
  readonly text: string;
  /** With the quotes. */
  readonly etag: string | null;
  /** The generation that is in force after a write. */
  readonly generation: number | null;
  /**
   * The body as JSON.
   *
   * @throws {ClientError} when it is none.
   */
  json(): unknown;
}

/** A path of the API: each segment is one segment, whatever it holds. */
export function pathOf(...segments: readonly string[]): string {
  if (segments.some((segment) => /^\.{0,2}$/.test(segment))) {
    throw new ClientError(`Cannot name ${segments.join("/")}: every part must be an id`);
  }
  return `/v1/${segments.map(encodeURIComponent).join("/")}`;
}

/** The admin API. */
export class AdminClient implements Disposable {
  readonly #options: ClientOptions;
  readonly #origin: string;
  readonly #http: Deno.HttpClient;

  /** Sends nothing yet. */
  constructor(options: ClientOptions) {
    const { address, ca, identity } = options;
    this.#options = options;
    this.#origin = address.kind === "unix" ? "http://localhost" : address.origin;
    try {
      this.#http = Deno.createHttpClient({
        ...transportOf(address),
        ...(ca === undefined ? {} : { caCerts: [ca] }),
        ...(identity ?? {}),
      });
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      throw new ClientError(`Cannot use the certificates given: ${error.message}`, { cause: error });
    }
  }

  /** The address as the user wrote it. */
  get shown(): string {
    return this.#options.shown;
  }

  /**
   * Sends a request and reads the answer.
   *
   * @throws {ApiError} when the answer is an error.
   * @throws {ClientError} when there is no answer.
   */
  async request(method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
    const response = await this.#fetch(method, path, options, AbortSignal.timeout(DEADLINE_MS));
    const text = await this.#read(response);
    if (!response.ok) throw errorOfAnswer(response.status, text);
    const generation = response.headers.get("sluice-generation");
    return {
      status: response.status,
      text,
      etag: response.headers.get("etag"),
      generation: generation === null ? null : Number(generation),
      json: () => this.#parse(text),
    };
  }

  /**
   * Opens a stream of server-sent events; the caller reads the body, and ends it with the signal.
   *
   * @throws {ApiError} when the answer is an error.
   * @throws {ClientError} when there is no answer.
   */
  async stream(
    path: string,
    options: Pick<RequestOptions, "query" | "headers">,
    signal: AbortSignal,
  ): Promise<ReadableStream<Uint8Array>> {
    const headers = { accept: "text/event-stream", ...options.headers };
    const response = await this.#fetch("GET", path, { ...options, headers }, signal);
    if (!response.ok) throw errorOfAnswer(response.status, await this.#read(response));
    if (response.body === null) throw new ClientError(`Cannot read events: ${this.shown} answered without a body`);
    return response.body;
  }

  [Symbol.dispose](): void {
    this.#http.close();
  }

  async #fetch(method: string, path: string, options: RequestOptions, signal: AbortSignal): Promise<Response> {
    const url = new URL(path, this.#origin);
    for (const [name, value] of Object.entries(options.query ?? {})) {
      for (const each of [value ?? []].flat()) url.searchParams.append(name, each);
    }
    const headers = new Headers({ accept: "application/json", ...options.headers });
    if (this.#options.token !== undefined) headers.set("authorization", `Bearer ${this.#options.token}`);
    const body = options.yaml ?? (options.json === undefined ? null : JSON.stringify(options.json));
    if (body !== null) {
      headers.set("content-type", options.yaml === undefined ? "application/json" : "application/yaml");
    }
    try {
      // A redirect would carry the token to wherever it points.
      return await fetch(url, { method, headers, body, signal, redirect: "manual", client: this.#http });
    } catch (error) {
      throw this.#broken(error);
    }
  }

  async #read(response: Response): Promise<string> {
    try {
      return await response.text();
    } catch (error) {
      throw this.#broken(error);
    }
  }

  #broken(error: unknown): Error {
    if (error instanceof DOMException && error.name === "AbortError") return error;
    if (error instanceof DOMException && error.name === "TimeoutError") {
      return new ClientError(`Cannot go on: ${this.shown} has not answered for ${DEADLINE_MS / 1000} s`);
    }
    return errorOfFetch(this.shown, error);
  }

  #parse(text: string): unknown {
    try {
      return JSON.parse(text);
    } catch (error) {
      throw new ClientError(`Cannot read the answer of ${this.shown}: it is no JSON`, { cause: error });
    }
  }
}

/**
 * Straight to the address: a proxy that the environment names would see the token. With TLS it sees nothing; a transport
 * given by hand would leave TLS out.
 */
function transportOf(address: AdminAddress): Pick<Deno.CreateHttpClientOptions, "proxy"> {
  switch (address.kind) {
    case "unix":
      return { proxy: { transport: "unix", path: address.path } };
    case "http":
      return { proxy: { transport: "tcp", hostname: address.host, port: address.port } };
    case "https":
      return {};
  }
}
