/**
 * Pages of lists that the control plane gives as ids.
 *
 * @module
 */

import type { JsonObject, Page, Versioned } from "./control.ts";
import { Problem } from "./problem.ts";

/** Where the next page starts: after this id, which was at this place. */
interface Cursor {
  readonly after: string;
  readonly index: number;
}

/**
 * One page of the objects behind `ids`. An id that is gone meanwhile is passed over; what was before the cursor is not
 * repeated as long as its id is there.
 *
 * @param keep null leaves an object out
 */
export function pageOf(
  ids: readonly string[],
  limit: number,
  cursor: string | undefined,
  keep: (id: string) => Versioned | null,
): Page<JsonObject> {
  const items: JsonObject[] = [];
  for (let index = startOf(ids, cursor); index < ids.length; index++) {
    const id = ids[index];
    const object = id === undefined ? null : keep(id);
    if (object === null) continue;
    if (items.length === limit) return { items, next_cursor: encode(ids, index - 1) };
    items.push(object.value);
  }
  return { items, next_cursor: null };
}

function encode(ids: readonly string[], index: number): string {
  return btoa(JSON.stringify([ids[index], index])).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function startOf(ids: readonly string[], cursor: string | undefined): number {
  if (cursor === undefined) return 0;
  const { after, index } = decode(cursor);
  if (ids[index] === after) return index + 1;
  const place = ids.indexOf(after);
  return place >= 0 ? place + 1 : Math.min(index, ids.length);
}

function decode(cursor: string): Cursor {
  try {
    const [after, index]: unknown[] = JSON.parse(atob(cursor.replaceAll("-", "+").replaceAll("_", "/")));
    if (typeof after === "string" && typeof index === "number" && Number.isSafeInteger(index) && index >= 0) {
      return { after, index };
    }
  } catch {
    // Whatever is wrong with it, the answer is the same.
  }
  throw badCursor();
}

/** The answer to a cursor that this API did not give. */
export function badCursor(): Problem {
  return new Problem(400, "cursor must be a next_cursor of this list", {
    faults: [{ pointer: "", parameter: "cursor", detail: "must be a next_cursor of this list" }],
  });
}
