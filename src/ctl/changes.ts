/**
 * What a write changes, line by line. Used by every command that writes.
 *
 * @module
 */
import { count } from "./format.ts";
import { asItem, itemsOf, numberOf } from "./lists.ts";
import { toned } from "./tables.ts";

/** Longest value that is shown whole. */
const MOST_SHOWN = 160;

/** The answer of a dry run: each change in a line, and what becomes of sessions. */
export function formatDryRun(answer: unknown, color: boolean): string {
  const { changes, sessions } = asItem(answer);
  const { kept, drained } = asItem(sessions);
  const list = itemsOf(changes);
  if (list.length === 0) return "nothing would change\n";
  const touched = `${count(numberOf(kept) ?? 0, "session")} would go on, ${numberOf(drained) ?? 0} would be drained`;
  return `${list.map((change) => `${formatChange(change, color)}\n`).join("")}${touched}\n`;
}

/** One change: `+ path: value`, `- path: value`, `~ path: old -> new`. */
export function formatChange(change: unknown, color: boolean): string {
  const { op, path, from, to } = asItem(change);
  const at = String(path ?? "");
  switch (op) {
    case "add":
      return toned(`+ ${at}: ${short(to)}`, "good", color);
    case "remove":
      return toned(`- ${at}: ${short(from)}`, "bad", color);
    default:
      return toned(`~ ${at}: ${short(from)} -> ${short(to)}`, "warn", color);
  }
}

function short(value: unknown): string {
  const shown = value === undefined ? "(nothing)" : JSON.stringify(value);
  return shown.length > MOST_SHOWN ? `${shown.slice(0, MOST_SHOWN)}…` : shown;
}
