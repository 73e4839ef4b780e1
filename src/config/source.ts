/**
 * One YAML file: its value, and where in the text each part of it stands. Made by `load.ts`; everything that reports
 * a problem asks it for the place.
 *
 * @module
 */

import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
  type YAMLError,
  type YAMLMap,
} from "yaml";
import type { Problem } from "./problem.ts";

/** Keys and positions from the root of a file to a value. */
export type Path = readonly (string | number)[];

/** Line and column, from 1. */
export interface Spot {
  readonly line: number;
  readonly column: number;
}

/** A parsed file. */
export interface Source {
  /** As it was named or found. */
  readonly file: string;
  /** Its root, a map, as plain values. */
  readonly value: Readonly<Record<string, unknown>>;
  /** Keeps comments and positions; null for a value whose text is not at hand. */
  readonly document: Document | null;
  /** Where the value at `path` starts, or its key; where there is none, the place of the deepest part that is there. */
  locate(path: Path, at?: "value" | "key"): Spot;
  /** How many steps of `path` the file has. */
  depth(path: Path): number;
}

/** A part of a file. */
export interface Place {
  readonly source: Source;
  readonly path: Path;
}

/** What parsing gives: a source unless the text is past use, and everything wrong with it as YAML. */
export interface ParsedSource {
  readonly source: Source | null;
  readonly problems: readonly Problem[];
}

/** `tenants[0].backends[1].id` */
export function formatPath(path: Path): string {
  return path.map((step, index) => typeof step === "number" ? `[${step}]` : index === 0 ? step : `.${step}`).join("");
}

/** The problem of a part of a file. */
export function problemAt(place: Place, message: string, remedy: string, at: "value" | "key" = "value"): Problem {
  const { source, path } = place;
  return { file: source.file, ...source.locate(path, at), path: formatPath(path), message, remedy };
}

/** `file:line:column` of a part of a file, for messages that name a second place. */
export function formatPlace({ source, path }: Place): string {
  const { line, column } = source.locate(path);
  return `${source.file}:${line}:${column}`;
}

/** Parses the text of a file whose root must be a map. */
export function parseSource(file: string, text: string): ParsedSource {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, merge: true, prettyErrors: false });
  const spotOf = (offset: number): Spot => {
    const { line, col } = lines.linePos(Math.min(offset, text.length));
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const problems: Problem[] = [...document.errors, ...document.warnings].map((error) => ({
    file,
    ...spotOf(error.pos[0]),
    path: "",
    ...explainYaml(error, text),
  }));
  // A key that is set twice leaves a document that can still be judged: the reader gets all problems at once.
  if (document.errors.some((error) => error.code !== "DUPLICATE_KEY")) return { source: null, problems };
  const astray = findAstray(document);
  if (astray.length > 0) {
    const told = astray.map(({ offset, ...words }) => ({ file, ...spotOf(offset), path: "", ...words }));
    return { source: null, problems: [...problems, ...told] };
  }
  const root = document.contents;
  if (root === null || (isScalar(root) && root.value === null)) {
    const empty = { file, line: 1, column: 1, path: "", message: "the file is empty", remedy: "write a configuration" };
    return { source: null, problems: [...problems, empty] };
  }
  const spot = spotOf(root.range?.[0] ?? 0);
  const wrong = (message: string, remedy: string): ParsedSource => ({
    source: null,
    problems: [...problems, { file, ...spot, path: "", message, remedy }],
  });
  if (!isMap(root)) return wrong("the file must be a map of keys and values", "start with a key such as version: 1");
  let value: Record<string, unknown>;
  try {
    value = document.toJS() as Record<string, unknown>;
  } catch (error) {
    // Aliases that multiply beyond measure, or that lead nowhere.
    return wrong(
      `the aliases cannot be followed: ${error instanceof Error ? error.message : error}`,
      "use fewer aliases",
    );
  }
  const locate = (path: Path, at: "value" | "key" = "value") => spotOf(walk(document, root, path)[at]);
  return { source: { file, value, document, locate, depth: (path) => walk(document, root, path).depth }, problems };
}

/**
 * A source of a value whose text is not at hand: its problems have no line. For checking a value again that has been
 * read before.
 */
export function valueSource(file: string, value: Readonly<Record<string, unknown>>): Source {
  const depth = (path: Path) => {
    let part: unknown = value;
    for (const [index, step] of path.entries()) {
      if (typeof part !== "object" || part === null || !Object.hasOwn(part, step)) return index;
      part = (part as Record<string | number, unknown>)[step];
    }
    return path.length;
  };
  return { file, value, document: null, locate: () => ({ line: 0, column: 0 }), depth };
}

/** Aliases that lead nowhere, or into themselves. */
function findAstray(document: Document): { offset: number; message: string; remedy: string }[] {
  const found: { offset: number; message: string; remedy: string }[] = [];
  visit(document, {
    Alias: (_key, alias, ancestors) => {
      const target = alias.resolve(document);
      if (target !== undefined && !ancestors.includes(target)) return;
      const message = target === undefined
        ? `the alias *${alias.source} leads to no anchor`
        : `the alias *${alias.source} stands in what it stands for`;
      const remedy = target === undefined ? `write &${alias.source} where it is meant to lead` : "write the value out";
      found.push({ offset: alias.range?.[0] ?? 0, message, remedy });
    },
  });
  return found;
}

/** Offsets of the value at `path` and of its key, or of the deepest part that is there. */
function walk(document: Document, root: YAMLMap, path: Path): { depth: number; value: number; key: number } {
  let node: unknown = root;
  let offset = root.range?.[0] ?? 0;
  let found = { depth: 0, value: offset, key: offset };
  for (const [index, step] of path.entries()) {
    const container = follow(document, node);
    let key = offset;
    if (isMap(container)) {
      const pair = findPair(document, container, String(step));
      if (pair === undefined) break;
      key = startOf(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(container) && typeof step === "number" && step < container.items.length) {
      node = container.items[step];
      key = startOf(node) ?? offset;
    } else break;
    // A key without a value has its place at the key: the end of its line says nothing.
    const isEmpty = node === null || (isScalar(node) && node.value === null && (node.source ?? "") === "");
    offset = isEmpty ? key : startOf(node) ?? key;
    found = { depth: index + 1, value: offset, key };
  }
  return found;
}

function startOf(node: unknown): number | undefined {
  return (node as Node | null)?.range?.[0];
}

function follow(document: Document, node: unknown): unknown {
  return isAlias(node) ? node.resolve(document) : node;
}

function findPair(document: Document, map: YAMLMap, key: string): { key: unknown; value: unknown } | undefined {
  const named = (name: string) => map.items.find((pair) => isScalar(pair.key) && keyText(pair.key.value) === name);
  const own = named(key);
  if (own !== undefined) return own;
  const merged = follow(document, named("<<")?.value);
  const parts = isSeq(merged) ? merged.items : [merged];
  for (const part of parts) {
    const inner = follow(document, part);
    const pair = isMap(inner) ? findPair(document, inner, key) : undefined;
    if (pair !== undefined) return pair;
  }
  return undefined;
}

function keyText(key: unknown): string {
  return typeof key === "symbol" ? key.description ?? "" : String(key);
}

function explainYaml(error: YAMLError, text: string): { message: string; remedy: string } {
  switch (error.code) {
    case "DUPLICATE_KEY": {
      const key = /^[^:\s,}]+/.exec(text.slice(error.pos[0]))?.[0] ?? "";
      return { message: `the key ${key} is set twice in one map`, remedy: "remove one of the two" };
    }
    case "TAB_AS_INDENT":
      return { message: "a tab cannot indent YAML", remedy: "indent with spaces" };
    case "MULTIPLE_DOCS":
      return { message: "the file holds more than one document", remedy: "remove the line --- and what follows it" };
    default:
      return {
        message: `this is not YAML: ${error.message.replace(/\s+/g, " ").trim()}`,
        remedy: "mend the syntax here or on the line above; quote text that holds : # [ ] { } or *",
      };
  }
}
