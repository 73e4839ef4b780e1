/**
 * How commands of `ctl` answer: the API's JSON as it is, or text.
 *
 * @module
 */
import type { Answer } from "../../ctl/client.ts";
import { formatDryRun } from "../../ctl/changes.ts";
import { type Cell, type Column, renderTable } from "../../ctl/tables.ts";
import type { Ctl } from "./context.ts";

/** Writes a JSON value. */
export function writeJson({ io }: Ctl, value: unknown): void {
  io.out(`${JSON.stringify(value, null, 2)}\n`);
}

/** Writes the body of an answer as it is; nothing when it is empty. */
export function writeBody({ io }: Ctl, answer: Answer): void {
  if (answer.text !== "") io.out(answer.text.endsWith("\n") ? answer.text : `${answer.text}\n`);
}

/** Writes a table, or a sentence when it has no rows. */
export function writeTable(
  { io }: Ctl,
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  whenEmpty: string,
): void {
  io.out(rows.length === 0 ? `${whenEmpty}\n` : renderTable(columns, rows, io.color));
}

/** Writes what came of a write: JSON, the differences of a dry run, or a sentence. */
export function writeOutcome(ctl: Ctl, answer: Answer, sentence: string): number {
  if (ctl.isJson) writeBody(ctl, answer);
  else if (ctl.args.switches.has("dry-run")) ctl.io.out(formatDryRun(answer.json(), ctl.io.color));
  else ctl.io.out(`${sentence}${answer.generation === null ? "" : ` (generation ${answer.generation})`}\n`);
  return 0;
}
