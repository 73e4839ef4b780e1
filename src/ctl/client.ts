/**
 * The admin API over HTTP, TLS or a unix socket: one call a request, JSON out, and every answer that is no success as
 * an error. Made once by a command.
 *
 * @module
 */
import type { AdminAddress } from "./address.ts";
import { reasonOf, send, type TlsOptions } from "./http.ts";
import { ClientError, errorOfAnswer, errorOfConnection } from "./problem.ts";

/** How long a request may take until its answer is there. */
const DEADLINE_MS = 60_000;

/** How the API is reached. */
export interface ClientOptions {
  readonly address: AdminAddress;
  /** The address as the user wrote it, for messages. */
  readonly shown: string;
  readonly token?: string;
  /** Who the server must be, and who the client is. */
  readonly tls?: TlsOptions;
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
export class AdminClient {
  readonly #options: ClientOptions;

  /** Sends nothing yet. */
  constructor(options: ClientOptions) {
    this.#options = options;
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
    const response = await this.#send(method, path, options, AbortSignal.timeout(DEADLINE_MS));
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
    const response = await this.#send("GET", path, { ...options, headers }, signal);
    if (!response.ok) throw errorOfAnswer(response.status, await this.#read(response));
    if (response.body === null) throw new ClientError(`Cannot read events: ${this.shown} answered without a body`);
    return response.body;
  }

  async #send(method: string, path: string, options: RequestOptions, signal: AbortSignal): Promise<Response> {
    const { address, token, tls } = this.#options;
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(options.query ?? {})) {
      for (const each of [value ?? []].flat()) query.append(name, each);
    }
    const body = options.yaml ?? (options.json === undefined ? null : JSON.stringify(options.json));
    const headers = {
      accept: "application/json",
      ...(body === null
        ? {}
        : { "content-type": options.yaml === undefined ? "application/json" : "application/yaml" }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...options.headers,
    };
    try {
      const target = query.size === 0 ? path : `${path}?${query}`;
      return await send(address, { method, path: target, headers, body, signal }, tls ?? {});
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
    return errorOfConnection(this.shown, reasonOf(error), error);
  }

  #parse(text: string): unknown {
    try {
      return JSON.parse(text);
    } catch (error) {
      throw new ClientError(`Cannot read the answer of ${this.shown}: it is no JSON`, { cause: error });
    }
  }
}
