/**
 * Methods that a path has: for OPTIONS, and for 405 with Allow.
 *
 * @module
 */

/** Finds what the routes of a document allow. */
export class MethodTable {
  readonly #paths: readonly { readonly pattern: RegExp; readonly methods: readonly string[] }[];

  /** @param paths methods in lower case by path with `{name}` for parameters */
  constructor(paths: Readonly<Record<string, object>>) {
    this.#paths = Object.entries(paths).map(([path, methods]) => ({
      pattern: new RegExp(`^${path.replace(/[.[\]()*+?^$|\\]/g, "\\$&").replace(/\{\w+\}/g, "[^/]+")}$`),
      methods: Object.keys(methods).map((method) => method.toUpperCase()),
    }));
  }

  /** Value of Allow; null when there is no such path. */
  allow(path: string): string | null {
    const found = this.#paths.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods);
    if (found.length === 0) return null;
    const all = new Set([...found, ...(found.includes("GET") ? ["HEAD"] : []), "OPTIONS"]);
    return [...all].sort().join(", ");
  }
}
