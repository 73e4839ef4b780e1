/**
 * Files for `apply -f`: tenants in YAML or JSON, and where each key stands, so that what the API refuses is told with
 * its line. Pure but for the parser.
 *
 * @module
 */
import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isNode,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
} from "yaml";
import { ClientError } from "./problem.ts";

/** A place in a file, from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** One tenant of a file. */
export interface Manifest {
  readonly id: string;
  /** As it is written. */
  readonly value: Readonly<Record<string, unknown>>;
  /** Where a JSON Pointer into the value leads; its nearest parent when there is no such key. */
  placeOf(pointer: string): Place;
}

/**
 * The tenants of a file: one, a list, `tenants:` with a list, or several documents of these.
 *
 * @throws {ClientError} with everything that is wrong, each with its place.
 */
export function readManifests(text: string, file: string): readonly Manifest[] {
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, { lineCounter: lines, version: "1.2", prettyErrors: false });
  const documents: Document[] = Array.isArray(parsed) ? [...parsed] : [];
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const wrong: string[] = [];
  const tell = (offset: number, message: string) => {
    const { line, column } = placeAt(offset);
    wrong.push(`${file}:${line}:${column}: ${message}`);
  };
  const found: Manifest[] = [];
  const seen = new Set<string>();
  for (const document of documents) {
    for (const error of document.errors) tell(error.pos[0], error.message);
    if (document.errors.length > 0 || document.contents === null) continue;
    for (const node of tenantNodes(document)) {
      const offset = node.range?.[0] ?? 0;
      const value: unknown = node.toJS(document);
      const id: unknown = isMap(node) ? node.get("id") : undefined;
      if (typeof id !== "string" || typeof value !== "object" || value === null) {
        tell(offset, "a tenant must be a map with an id: add `id: NAME`");
      } else if (seen.has(id)) {
        tell(offset, `tenant ${id} must be there once: remove the other one`);
      } else {
        seen.add(id);
        found.push({
          id,
          value: { ...value },
          placeOf: (pointer) => placeAt(nodeAt(document, node, pointer).range?.[0] ?? offset),
        });
      }
    }
  }
  if (wrong.length > 0) throw new ClientError(wrong.join("\n"));
  if (found.length === 0) throw new ClientError(`Cannot apply ${file}: it must hold a tenant: it is empty`);
  return found;
}

function tenantNodes(document: Document): readonly Node[] {
  const top = document.contents;
  const list = isMap(top) && !top.has("id") && top.has("tenants") ? top.get("tenants", true) : top;
  if (isSeq(list)) return list.items.filter(isNode);
  return isNode(list) ? [list] : [];
}

/** The node that a JSON Pointer (RFC 6901) leads to, as far as it goes. */
function nodeAt(document: Document, from: Node, pointer: string): Node {
  let node = from;
  for (const part of pointer.split("/").slice(1)) {
    const target = isAlias(node) ? node.resolve(document) : node;
    if (!isCollection(target)) break;
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    const next: unknown = target.get(isSeq(target) ? Number(key) : key, true);
    if (!isNode(next)) break;
    node = next;
  }
  return node;
}
