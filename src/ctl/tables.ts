/**
 * Aligned columns. What the API sends may come from a peer, so nothing in a cell can steer the terminal.
 *
 * @module
 */
import { unicodeWidth } from "@std/cli/unicode-width";
import { bold, green, red, yellow } from "@std/fmt/colors";
import { escapeControls } from "../log.ts";

/** How a cell stands out. */
export type Tone = "good" | "bad" | "warn";

/** A cell: text, or text with a tone. */
export type Cell = string | { readonly text: string; readonly tone: Tone };

/** A column. */
export interface Column {
  readonly title: string;
  /** Numbers stand to the right. */
  readonly align?: "right";
}

const TONES: Readonly<Record<Tone, (text: string) => string>> = { good: green, bad: red, warn: yellow };

/** Text in its tone, where colours are shown; control characters are escaped. */
export function toned(text: string, tone: Tone | undefined, color: boolean): string {
  const safe = escapeControls(text);
  return color && tone !== undefined ? TONES[tone](safe) : safe;
}

/** As `toned`, for text of several lines, such as a problem and its remedy: each line by itself. */
export function tonedLines(text: string, tone: Tone | undefined, color: boolean): string {
  return text.split("\n").map((line) => toned(line, tone, color)).join("\n");
}

/** A head line and one line a row. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  color: boolean,
): string {
  const plain = rows.map((row) => row.map((cell) => escapeControls(typeof cell === "string" ? cell : cell.text)));
  const widths = columns.map(({ title }, index) =>
    Math.max(unicodeWidth(title), ...plain.map((row) => unicodeWidth(row[index] ?? "")))
  );
  const line = (texts: readonly string[], style: (text: string, index: number) => string) => {
    const padded = columns.map(({ align }, index) => {
      const text = texts[index] ?? "";
      const pad = " ".repeat((widths[index] ?? 0) - unicodeWidth(text));
      const isLast = index === columns.length - 1;
      return align === "right" ? pad + style(text, index) : style(text, index) + (isLast ? "" : pad);
    });
    return `${padded.join("  ").trimEnd()}\n`;
  };
  const head = line(columns.map(({ title }) => title), (text) => color ? bold(text) : text);
  const body = plain.map((texts, row) =>
    line(texts, (text, index) => {
      const cell = rows[row]?.[index];
      return color && typeof cell === "object" ? TONES[cell.tone](text) : text;
    })
  );
  return head + body.join("");
}
