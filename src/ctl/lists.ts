/**
 * Lists of the admin API: page after page, as one.
 *
 * @module
 */
import type { AdminClient, Query } from "./client.ts";
import { ClientError } from "./problem.ts";

/** Most items of a page. */
const PAGE = 1000;

/** A JSON object as it came. */
export type Item = Readonly<Record<string, unknown>>;

/** A list, or its beginning. */
export interface Listing {
  readonly items: readonly Item[];
  /** Where it goes on; null at the end. */
  readonly next_cursor: string | null;
}

/**
 * Reads a list to its end, or up to `most` items.
 *
 * @throws {ApiError} and {ClientError} as a request does.
 */
export async function readList(client: AdminClient, path: string, query: Query, most = Infinity): Promise<Listing> {
  const items: Item[] = [];
  let cursor: string | null = null;
  do {
    const limit = String(Math.min(most - items.length, PAGE));
    const page = pageOf((await client.request("GET", path, {
      query: { ...query, limit, cursor: cursor ?? undefined },
    })).json());
    items.push(...page.items);
    if (page.next_cursor === cursor && cursor !== null) {
      throw new ClientError(`Cannot read the list ${path}: its cursor must move on: current value is ${cursor}`);
    }
    cursor = page.next_cursor;
  } while (cursor !== null && items.length < most);
  return { items, next_cursor: cursor };
}

function pageOf(value: unknown): Listing {
  const page = asItem(value);
  const { items, next_cursor: next } = page;
  if (!Array.isArray(items)) throw new ClientError("Cannot read the list: it must have items");
  return { items: items.map(asItem), next_cursor: typeof next === "string" ? next : null };
}

/** The value as an object; empty when it is none. */
export function asItem(value: unknown): Item {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

/** The objects of a list; none when it is no list. */
export function itemsOf(value: unknown): readonly Item[] {
  return Array.isArray(value) ? value.map(asItem) : [];
}

/** The text of a value in a cell; `-` for what is not there. */
export function text(value: unknown): string {
  if (value === undefined || value === null || value === "") return "-";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** The number, if it is one. */
export function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}
