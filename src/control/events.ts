/**
 * What happened lately, for those who follow along: a ring of the last events, and listeners that are told of new ones.
 *
 * @module
 */

import type { EventView, Json } from "../admin/control.ts";
import { shortened } from "./changes.ts";
import type { AppliedChange } from "./control_deps.ts";
import type { ReloadReport } from "./reload.ts";

/** Events that are kept for those who come back. */
const KEPT = 1_000;
/** Of those that traffic brings about: they do not push all others out. */
const KEPT_OF_TRAFFIC = 500;
const OF_TRAFFIC: readonly EventView["kind"][] = ["limit", "health", "breaker"];

/** The ring. */
export class Events {
  readonly #now: () => number;
  readonly #kept: EventView[] = [];
  readonly #listeners = new Set<(event: EventView) => void>();
  /** Of those that are kept: how many traffic has brought about. */
  #ofTraffic = 0;
  #last: number;

  /**
   * Ids begin where the clock stands, so that those of a later process are larger: who comes back after a restart misses
   * nothing that is kept.
   *
   * @param now Unix time in ms
   */
  constructor(now: () => number) {
    this.#now = now;
    this.#last = Math.floor(now()) * 1_000;
  }

  /** Adds an event; listeners are told soon, not now. */
  add(kind: EventView["kind"], tenant: string | null, data: EventView["data"]): void {
    const event = { id: ++this.#last, at: new Date(this.#now()).toISOString(), kind, tenant, data };
    this.#keep(event);
    for (const listener of this.#listeners) this.#tell(listener, event);
  }

  #keep(event: EventView): void {
    if (isOfTraffic(event) && ++this.#ofTraffic > KEPT_OF_TRAFFIC) this.#drop(this.#kept.findIndex(isOfTraffic));
    this.#kept.push(event);
    if (this.#kept.length > KEPT) this.#drop(0);
  }

  #drop(index: number): void {
    const [dropped] = this.#kept.splice(index, 1);
    if (dropped !== undefined && isOfTraffic(dropped)) this.#ofTraffic--;
  }

  /** A change that is in force: to each tenant its part of it. */
  tellChange({ generation, by, changes }: AppliedChange): void {
    const parts = Map.groupBy(changes, ({ path }) => /^\/tenants\/([^/]+)/.exec(path)?.[1] ?? null);
    for (const [tenant, own] of parts) {
      this.add("config", tenant, { generation, actor: by, changes: shortened(own) as unknown as Json });
    }
  }

  /** Tenants whose names stand for something else now. */
  tellMoved(tenants: readonly string[], generation: number): void {
    for (const tenant of tenants) this.add("config", tenant, { generation, actor: "names", changes: [] });
  }

  /** A reload that went wrong, as a whole or for some tenants. */
  tellReload({ ok, generation, errors }: ReloadReport, by: string): void {
    if (errors.length > 0) this.add("config", null, { generation, actor: by, ok, errors });
  }

  /** Tells of the kept events after `afterId` (null: of none), then of each new one. Returns how to stop. */
  subscribe(afterId: number | null, listener: (event: EventView) => void): () => void {
    // A wrapper of its own: the same function may subscribe twice.
    const own = (event: EventView) => listener(event);
    this.#listeners.add(own);
    if (afterId !== null) {
      // Ids beyond the last are from before a restart: everything that is kept is new.
      const from = afterId > this.#last ? 0 : afterId;
      for (const event of this.#kept) if (event.id > from) this.#tell(own, event);
    }
    return () => void this.#listeners.delete(own);
  }

  #tell(listener: (event: EventView) => void, event: EventView): void {
    queueMicrotask(() => {
      if (this.#listeners.has(listener)) listener(event);
    });
  }
}

function isOfTraffic({ kind }: EventView): boolean {
  return OF_TRAFFIC.includes(kind);
}
