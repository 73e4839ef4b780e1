/**
 * Who did what, and what came of it: one JSON line each in `audit.jsonl`, which is put aside as `audit.1.jsonl` at a
 * size; the latest also in memory, for readers. Secrets never come here: `changes.ts` leaves them out.
 *
 * @module
 */

import type { AuditView, Page } from "../admin/control.ts";
import { escapeControls, type Log } from "../log.ts";
import { shortened } from "./changes.ts";
import type { StateFolder } from "./state_folder.ts";

/** Entries that readers can see, and the size at which a new file begins. */
const MOST_KEPT = 5_000;
const MOST_CHARACTERS = 4 * 2 ** 20;
/** Between two entries of an actor for what changed nothing, ms. */
const IDLE_EVERY_MS = 1_000;

const FILE = "audit.jsonl";
const OLD_FILE = "audit.1.jsonl";

/** What the audit works with. */
export interface AuditDeps {
  /** Null: in memory only. */
  readonly folder: StateFolder | null;
  readonly log: Log;
  /** Unix time in ms. */
  now(): number;
}

/** The audit. */
export class Audit {
  readonly #deps: AuditDeps;
  readonly #entries: { readonly number: number; readonly view: AuditView }[] = [];
  /** By name of the token: bounded by the configuration. */
  readonly #idleAt = new Map<string, number>();
  #last = 0;
  #inFile = 0;
  #writing: Promise<void> = Promise.resolve();

  private constructor(deps: AuditDeps) {
    this.#deps = deps;
  }

  /** Takes up what the file has. */
  static async open(deps: AuditDeps): Promise<Audit> {
    const audit = new Audit(deps);
    const text = await deps.folder?.read(FILE) ?? "";
    audit.#inFile = text.length;
    // What comes next must not be written onto a line that a crash has torn.
    if (text !== "" && !text.endsWith("\n")) await deps.folder?.append(FILE, "\n");
    for (const line of text.split("\n")) {
      const view = parseLine(line);
      if (view !== null) audit.#keep(view);
    }
    return audit;
  }

  /** Adds an entry. */
  add(entry: Omit<AuditView, "at">): void {
    const view = { at: new Date(this.#deps.now()).toISOString(), ...entry, changes: shortened(entry.changes) };
    this.#keep(view);
    const line = `${escapeControls(JSON.stringify(view))}\n`;
    const isFull = this.#inFile + line.length > MOST_CHARACTERS && this.#inFile > 0;
    this.#inFile = isFull ? line.length : this.#inFile + line.length;
    const { folder, log } = this.#deps;
    if (folder === null) return;
    this.#writing = this.#writing.then(async () => {
      if (isFull) await folder.rename(FILE, OLD_FILE);
      await folder.append(FILE, line);
    }).catch((error: Error) => {
      log.warn("the audit cannot be written", { error });
    });
  }

  /**
   * Adds an entry for what changed nothing, by somebody whom not everything is entrusted to: one a second for each
   * actor, for nobody may wash the older entries away by being refused.
   */
  addIdle(entry: Omit<AuditView, "at">): void {
    const now = this.#deps.now();
    if (now - (this.#idleAt.get(entry.actor) ?? Number.NEGATIVE_INFINITY) < IDLE_EVERY_MS) return;
    this.#idleAt.set(entry.actor, now);
    this.add(entry);
  }

  /** Entries of a tenant, or all, newest first. `cursor` is what an earlier page gave. */
  page(tenant: string | null, limit: number, cursor: string | null): Page<AuditView> {
    const before = cursor === null ? Number.POSITIVE_INFINITY : Number(cursor);
    const items: AuditView[] = [];
    for (let at = this.#entries.length - 1; at >= 0; at--) {
      const entry = this.#entries[at];
      if (entry === undefined || !(entry.number < before)) continue;
      if (tenant !== null && entry.view.tenant !== tenant) continue;
      if (items.length === limit) return { items, next_cursor: String(entry.number + 1) };
      items.push(entry.view);
    }
    return { items, next_cursor: null };
  }

  /** Resolves when all that was added is in the file. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  #keep(view: AuditView): void {
    this.#entries.push({ number: ++this.#last, view });
    if (this.#entries.length > MOST_KEPT) this.#entries.shift();
  }
}

function parseLine(line: string): AuditView | null {
  if (line === "") return null;
  try {
    return JSON.parse(line) as AuditView;
  } catch {
    // Torn by a crash.
    return null;
  }
}
