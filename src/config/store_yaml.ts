/**
 * Changing the text of a YAML file so that it says another value: comments, order and style of what stays are kept.
 * Pure; the control plane calls it for every write.
 *
 * @module
 */

import {
  type Document,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  type ParsedNode,
  parseDocument,
  stringify,
  visit,
  type YAMLMap,
} from "yaml";
import { sameValue } from "./diff.ts";
import { isMapValue } from "./raw.ts";
import type { Path } from "./source.ts";
import { mergeText } from "./text_merge.ts";

/** A part of a file that shall have another value; undefined: it shall not be there. */
export interface ValueEdit {
  readonly path: Path;
  readonly value: unknown;
}

/** How new text is laid out. */
const LAYOUT = { lineWidth: 0 } as const;
const READING = { merge: true, prettyErrors: false } as const;

/**
 * The text of a new file.
 *
 * @throws {RangeError} when no text says the value: a key `<<` would be read as a merge
 */
export function yamlText(value: unknown): string {
  const text = stringify(value, LAYOUT);
  if (saysText(text, value)) return text;
  throw new RangeError("Cannot write the file: its keys must be what they are when it is read: << is not");
}

/**
 * The text with the edits made.
 *
 * @throws {RangeError} when the text cannot be changed in place: it is no YAML, or aliases stand in the way
 */
export function editYaml(text: string, edits: readonly ValueEdit[]): string {
  const json = parseJson(text);
  if (json !== undefined) {
    const value = edits.reduce<unknown>((whole, { path, value: part }) => withPart(whole, path, part), json);
    return `${JSON.stringify(value, null, 2)}\n`;
  }
  const document = parseDocument(text, READING);
  if (document.errors.length > 0) throw new RangeError("Cannot edit the file: it must be YAML: it has errors");
  const wanted = edits.reduce<unknown>((value, { path, value: part }) => withPart(value, path, part), document.toJS());
  for (const { path, value } of edits) put(document, path, value);
  const carried = carriedOver(document, text);
  if (carried !== null && saysText(carried, wanted)) return carried;
  if (!says(document, wanted)) {
    // Merge keys and aliases spread values to where they are not written: write those parts out.
    for (const { path, value } of edits) {
      if (path.length === 0) document.contents = document.createNode(value) as ParsedNode;
      else if (value !== undefined) document.setIn(path, document.createNode(value));
    }
    if (!says(document, wanted)) {
      throw new RangeError("Cannot edit the file: it must not spread values by aliases here: write them out first");
    }
  }
  return layOut(document, text);
}

/** The text with what the document says otherwise; all other lines are as they were. Null where that is not clear. */
function carriedOver(document: Document.Parsed, text: string): string | null {
  try {
    return mergeText(text, layOut(parseDocument(text, READING), text), layOut(document, text));
  } catch {
    // Thrown for aliases whose anchor is gone.
    return null;
  }
}

/** The document as text, laid out as much like `text` as can be said in general. */
function layOut(document: Document.Parsed, text: string): string {
  const indentSeq = !/^([ ]*)[^\s#-][^\n]*:[ ]*\n(?:[ ]*#[^\n]*\n)*\1- /m.test(text);
  keepPadding(document, text);
  return document.toString({ ...LAYOUT, indentSeq });
}

/** The value of a text that is JSON: as such it stays. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Lets `[…]` and `{ … }` each be written with or without blanks inside as the text has them. */
function keepPadding(document: Document.Parsed, text: string): void {
  const seqPadding = /\[ \S/.test(text) ? " " : "";
  const mapPadding = /\{[^\s}]/.test(text) ? "" : " ";
  visit(document, {
    Collection: (_key, node) => {
      const padding = isMap(node) ? mapPadding : seqPadding;
      const write: YAMLMap["toString"] = node.toString.bind(node);
      node.toString = (context, onComment, onChompKeep) =>
        write(context && Object.assign({}, context, { flowCollectionPadding: padding }), onComment, onChompKeep);
    },
  });
}

/** Whether the document gives a value, now and when its text is read again. */
function says(document: Document.Parsed | Document, wanted: unknown): boolean {
  try {
    return saysText(document.toString(LAYOUT), wanted);
  } catch {
    // Thrown for aliases whose anchor is gone.
    return false;
  }
}

function saysText(text: string, wanted: unknown): boolean {
  const read = parseDocument(text, READING);
  return read.errors.length === 0 && sameValue(read.toJS(), wanted);
}

function withPart(value: unknown, path: Path, part: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return part;
  if (Array.isArray(value)) {
    const at = Number(step);
    if (rest.length === 0 && part === undefined) return value.filter((_, index) => index !== at);
    const copy = [...value];
    copy[at] = withPart(copy[at], rest, part);
    return copy;
  }
  const map = isMapValue(value) ? value : {};
  if (rest.length === 0 && part === undefined) {
    return Object.fromEntries(Object.entries(map).filter(([key]) => key !== step));
  }
  if (typeof step === "number") return [withPart(undefined, rest, part)];
  return { ...map, [step]: withPart(map[step], rest, part) };
}

function put(document: Document.Parsed, path: Path, value: unknown): void {
  if (value === undefined) {
    document.deleteIn(path);
    return;
  }
  const node = document.getIn(path, true);
  if (path.length > 0 && !isCollection(node) && !(isScalar(node) && !isStructured(value))) {
    ensureParents(document, path);
    return document.setIn(path, document.createNode(value));
  }
  morph(document, path, node, value);
}

/** A list in which `path` ends must be there before an entry can be put into it. */
function ensureParents(document: Document.Parsed, path: Path): void {
  const parent = path.slice(0, -1);
  const found = document.getIn(parent, true);
  if (parent.length === 0 || isCollection(found)) return;
  document.setIn(parent, document.createNode(typeof path.at(-1) === "number" ? [] : {}));
}

/** Brings a node to a value, changing only what differs. */
function morph(document: Document.Parsed, path: Path, node: unknown, value: unknown): void {
  if (isMap(node) && isMapValue(value)) {
    const present = node.items.map((pair) => isScalar(pair.key) ? String(pair.key.value) : "");
    for (const key of present) if (key !== "<<" && value[key] === undefined) node.delete(key);
    for (const [key, part] of Object.entries(value)) {
      if (part !== undefined) morphEntry(document, [...path, key], node.get(key, true), part);
    }
    return;
  }
  if (isSeq(node) && Array.isArray(value) && morphList(document, path, node, value)) return;
  if (isScalar(node) && !isStructured(value)) {
    if (node.value !== value) node.value = value;
    return;
  }
  if (path.length === 0) document.contents = document.createNode(value) as ParsedNode;
  else document.setIn(path, document.createNode(value));
}

function morphEntry(document: Document.Parsed, path: Path, node: unknown, value: unknown): void {
  if (node === undefined || node === null) document.setIn(path, document.createNode(value));
  else morph(document, path, node, value);
}

/** Things with ids keep their place and comments; others do where as many are there. False where neither can be done. */
function morphList(
  document: Document.Parsed,
  path: Path,
  node: { items: unknown[]; toJS?: unknown },
  value: readonly unknown[],
): boolean {
  const idOf = (one: unknown) => isMap(one) ? one.get("id") : isMapValue(one) ? one["id"] : undefined;
  const before = node.items.map(idOf);
  const after = value.map(idOf);
  const isNamed = (ids: readonly unknown[]) =>
    ids.every((id) => typeof id === "string") && new Set(ids).size === ids.length;
  if (!isNamed(before) || !isNamed(after)) {
    if (node.items.length !== value.length) return false;
    for (const [index, part] of value.entries()) morph(document, [...path, index], node.items[index], part);
    return true;
  }
  const items = new Map(node.items.map((item) => [idOf(item), item]));
  node.items = after.map((id, index) => items.get(id) ?? document.createNode(value[index]));
  for (const [index, id] of after.entries()) {
    if (items.has(id)) morph(document, [...path, index], items.get(id), value[index]);
  }
  return true;
}

function isStructured(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}
