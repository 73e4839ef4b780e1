/**
 * The last generations: who, when, what, and the texts of the files that changed, so that an earlier one can be put in
 * force again, comments included. Kept in `generations.jsonl`, or only in memory where no folder can be written.
 *
 * @module
 */

import { digestOf } from "../config/mod.ts";
import type { Log } from "../log.ts";
import type { GenerationView } from "../admin/control.ts";
import type { AppliedChange, FileChange } from "./control_deps.ts";
import type { StateFolder } from "./state_folder.ts";

/** Generations that are kept, and characters of file texts that they may hold together. */
const MOST_KEPT = 50;
const MOST_CHARACTERS = 16 * 2 ** 20;

const FILE = "generations.jsonl";

/** A generation as it is kept. */
interface Entry extends GenerationView {
  readonly files: readonly FileChange[];
  /** Of all files as they are in this generation. */
  readonly digest: string;
  /** True when the files changed while nobody looked: from before there is no way to here. */
  readonly isBreak?: boolean;
}

/** What history works with. */
export interface HistoryDeps {
  /** Null: in memory only. */
  readonly folder: StateFolder | null;
  readonly log: Log;
  /** Unix time in ms. */
  now(): number;
}

/** The generations. */
export class History {
  readonly #deps: HistoryDeps;
  #entries: Entry[];
  #digest: Uint8Array;
  #linesInFile: number;
  #writing: Promise<void> = Promise.resolve();

  private constructor(deps: HistoryDeps, entries: Entry[], digest: Uint8Array) {
    this.#deps = deps;
    this.#entries = entries;
    this.#digest = digest;
    this.#linesInFile = entries.length;
  }

  /**
   * Takes up what is kept. `texts` are the files as they are now: when they are those of the last generation, that one
   * goes on; else a new one begins.
   */
  static async open(texts: ReadonlyMap<string, string>, deps: HistoryDeps): Promise<History> {
    const text = await deps.folder?.read(FILE) ?? "";
    const kept = parseEntries(text);
    // What comes next must not be written onto a line that a crash has torn.
    if (text !== "" && !text.endsWith("\n")) await deps.folder?.replace(FILE, kept.map(lineOf).join(""));
    const digest = new Uint8Array(16);
    for (const [path, text] of texts) toggle(digest, path, text);
    const history = new History(deps, kept.slice(-MOST_KEPT), digest);
    const last = kept.at(-1);
    if (last?.digest !== hex(digest)) {
      const entry = {
        generation: (last?.generation ?? 0) + 1,
        at: new Date(deps.now()).toISOString(),
        actor: "start",
        changes: [],
        files: [],
        digest: hex(digest),
        isBreak: true,
      };
      history.#add(entry);
    }
    return history;
  }

  /** The generation with which the process starts. */
  get last(): number {
    return this.#entries.at(-1)?.generation ?? 1;
  }

  /** Keeps a change. */
  record({ generation, by, changes, files }: AppliedChange): void {
    for (const { path, before, after } of files) {
      if (before !== null) toggle(this.#digest, path, before);
      if (after !== null) toggle(this.#digest, path, after);
    }
    const last = this.#entries.at(-1);
    if (last?.generation === generation) {
      // Only comments or the layout have changed: no generation of its own, but a way back must know of it.
      this.#entries.pop();
      return this.#add({ ...last, files: [...last.files, ...files], digest: hex(this.#digest) });
    }
    const at = new Date(this.#deps.now()).toISOString();
    this.#add({ generation, at, actor: by, changes, files, digest: hex(this.#digest) });
  }

  /** What is kept, newest last. */
  list(): GenerationView[] {
    return this.#entries.map(({ generation, at, actor, changes }) => ({ generation, at, actor, changes }));
  }

  /**
   * The files that have to be written to get back to a generation, by path (null: the file has to go). Null when it is
   * not kept, or no way leads back to it.
   */
  filesAt(generation: number): ReadonlyMap<string, string | null> | null {
    const at = this.#entries.findLastIndex((entry) => entry.generation === generation);
    if (at < 0) return null;
    const texts = new Map<string, string | null>();
    for (const entry of this.#entries.slice(at + 1).reverse()) {
      if (entry.isBreak === true) return null;
      for (const { path, before } of entry.files.toReversed()) texts.set(path, before);
    }
    return texts;
  }

  /** Resolves when all that was recorded is in the file. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  #add(entry: Entry): void {
    this.#entries.push(entry);
    let characters = 0;
    const from = this.#entries.findLastIndex((one) => (characters += sizeOf(one)) > MOST_CHARACTERS);
    this.#entries = this.#entries.slice(Math.max(from + 1, this.#entries.length - MOST_KEPT));
    // Even one that is too large by itself is told of; it cannot be gone back from.
    if (this.#entries.length === 0) this.#entries = [{ ...entry, files: [], isBreak: true }];
    const kept = this.#entries.at(-1) ?? entry;
    const isLong = ++this.#linesInFile > 2 * MOST_KEPT;
    if (isLong) this.#linesInFile = this.#entries.length;
    const all = isLong ? this.#entries : null;
    this.#write((folder) =>
      all === null ? folder.append(FILE, lineOf(kept)) : folder.replace(FILE, all.map(lineOf).join(""))
    );
  }

  #write(task: (folder: StateFolder) => Promise<void>): void {
    const { folder, log } = this.#deps;
    if (folder === null) return;
    this.#writing = this.#writing.then(() => task(folder)).catch((error: Error) => {
      log.warn("the history of the configuration cannot be written", { error });
    });
  }
}

function sizeOf({ files }: Entry): number {
  return files.reduce((sum, { before, after }) => sum + (before?.length ?? 0) + (after?.length ?? 0), 0);
}

function lineOf(entry: Entry): string {
  return `${JSON.stringify(entry)}\n`;
}

/** What can be read; a line that a crash has torn ends it. Of two lines for one generation the later one holds. */
function parseEntries(text: string): Entry[] {
  const entries: Entry[] = [];
  const add = (entry: Entry) => {
    if (entries.at(-1)?.generation === entry.generation) entries.pop();
    entries.push(entry);
  };
  for (const line of text.split("\n")) {
    if (line === "") continue;
    try {
      add(JSON.parse(line) as Entry);
    } catch {
      break;
    }
  }
  return entries;
}

/** Adds a file to the digest of a set of files, or takes it out again: the order does not matter. */
function toggle(digest: Uint8Array, path: string, text: string): void {
  const own = digestOf(`${path}\0${text}`);
  for (let at = 0; at < digest.length; at++) {
    digest[at] = (digest[at] ?? 0) ^ Number.parseInt(own.slice(2 * at, 2 * at + 2), 16);
  }
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
