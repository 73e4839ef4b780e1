/**
 * Holds answers of the admin API against its own OpenAPI document: status, media type and body must be declared.
 *
 * @module
 */
import { assert } from "@std/assert";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";

/** What is read of a document. */
export interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Documented>>>>;
}

interface Documented {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { schema: object }>> }>>;
}

/** Answers to what is not a route of the document: other methods, other paths. */
const ELSEWHERE = [200, 204, 302, 304, 400, 401, 403, 404, 405, 421, 429];

/** A document, and what has been seen of it. */
export class Contract {
  /** `GET /v1/x 200` for each declared answer that was given. */
  readonly seen = new Set<string>();
  readonly #ajv = new Ajv2020({ strict: false, validateFormats: false });
  readonly #validators = new Map<object, ValidateFunction>();

  constructor(readonly document: OpenApi) {
    this.#ajv.addSchema(document, "api");
  }

  /** Reads the answer to its end, and throws where it is not as declared. A stream must come without its body. */
  async hold(method: string, target: string, response: Response): Promise<void> {
    const path = new URL(target, "http://x").pathname;
    const found = this.#pathOf(path);
    const documented = found === undefined ? undefined : this.document.paths[found]?.[method.toLowerCase()];
    if (found === undefined || documented === undefined) {
      assert(ELSEWHERE.includes(response.status), `${method} ${path} answered ${response.status}`);
      await response.body?.cancel();
      return;
    }
    const what = `${method} ${found} ${response.status}`;
    const answer = documented.responses[response.status];
    if (answer === undefined) throw new Error(`${what} is not documented: ${await response.text()}`);
    this.seen.add(what);
    const type = (response.headers.get("Content-Type") ?? "").split(";")[0] ?? "";
    if (type === "text/event-stream") return;
    const text = await response.text();
    if (answer.content === undefined) return assert(text === "", `${what} has a body: ${text}`);
    const media = answer.content[type];
    assert(media !== undefined, `${what} has an undocumented type: ${type}`);
    const steps = ["paths", found, method.toLowerCase(), "responses", `${response.status}`, "content", type, "schema"];
    const validate = this.#validator(media, steps);
    const isAsDocumented = validate(type.includes("json") ? JSON.parse(text) : text);
    const errors = this.#ajv.errorsText(validate.errors);
    assert(isAsDocumented, `${what} is not as documented: ${errors}: ${text.slice(0, 500)}`);
  }

  #pathOf(path: string): string | undefined {
    const all = Object.keys(this.document.paths);
    return all.find((one) => one === path) ??
      all.find((one) => new RegExp(`^${one.replaceAll(/\{\w+\}/g, "[^/]+")}$`).test(path));
  }

  #validator(media: object, steps: readonly string[]): ValidateFunction {
    const known = this.#validators.get(media);
    if (known !== undefined) return known;
    const pointer = steps.map((step) => encodeURIComponent(step.replaceAll("~", "~0").replaceAll("/", "~1"))).join("/");
    const validate = this.#ajv.compile({ $ref: `api#/${pointer}` });
    this.#validators.set(media, validate);
    return validate;
  }
}
