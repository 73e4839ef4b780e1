/**
 * Results as Markdown tables. Pure; called by run.ts.
 *
 * @module
 */
import type { RowResult } from "./rounds.ts";
import { middle, ratio } from "./rounds.ts";
import type { Row } from "./rows.ts";
import type { Estimate } from "./statistics.ts";

/** What a table is made of. */
export interface TableInput {
  readonly row: Row;
  readonly result: RowResult;
  readonly names: readonly string[];
  /** The one that is compared with the others. */
  readonly subject: string;
}

/** Name of the second appearance of a contestant. */
export function twinName(name: string): string {
  return `${name} again`;
}

/** Cells as a table of Markdown, columns padded. */
export function table(header: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = header.map((cell, column) => Math.max(cell.length, ...lines.map((line) => line[column]?.length ?? 0)));
  const format = (cells: readonly string[]) =>
    `| ${
      cells.map((cell, column) => column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)).join(
        " | ",
      )
    } |`;
  const rule = `| ${
    widths.map((width, column) => column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`).join(" | ")
  } |`;
  return [format(header), rule, ...lines.map(format)].join("\n");
}

/** One row of traffic: a line for each contestant. */
export function rowTable({ row, result, names, subject }: TableInput): string {
  const unit = row.unit.name;
  const isBulk = unit === "GB";
  const header = [
    row.name,
    isBulk ? "CPU ms/GB" : `CPU µs/${unit}`,
    `${subject} / this`,
    isBulk ? "all CPU ms/GB" : "all CPU µs",
    isBulk ? "GB/s" : "a second",
    ...(isBulk ? [] : ["p50 µs", "p99 µs"]),
    `switches/${unit}`,
    `segments/${unit}`,
    "core",
  ];
  const cpu = (us: number) => isBulk ? (us / 1e3).toFixed(1) : us.toFixed(2);
  const lines = names.filter((name) => result.rounds[name] !== undefined).map((name) => {
    const value = (key: Parameters<typeof middle>[2]) => middle(result, name, key);
    return [
      name,
      cpu(value("cpuUs")),
      name === subject ? "" : formatRatio(ratio(result, subject, name)),
      cpu(value("allCpuUs")),
      isBulk ? value("perSecond").toFixed(2) : value("perSecond").toFixed(0),
      ...(isBulk ? [] : [value("p50Us").toFixed(0), value("p99Us").toFixed(0)]),
      value("switches").toFixed(isBulk ? 0 : 2),
      value("segments").toFixed(isBulk ? 0 : 1),
      `${(100 * value("utilisation")).toFixed(0)} %`,
    ];
  });
  return table(header, lines);
}

/** All rows: the subject's CPU time divided by each peer's. */
export function ratioTable(inputs: readonly TableInput[]): string {
  const names = inputs[0]?.names ?? [];
  const subject = inputs[0]?.subject ?? "";
  const peers = names.filter((name) => name !== subject && !names.some((other) => twinName(other) === name));
  const lines = inputs.map(({ row, result }) => [
    row.title,
    ...peers.map((name) => formatRatio(ratio(result, subject, name))),
  ]);
  return table([`CPU of ${subject} / CPU of`, ...peers], lines);
}

/** The twin's CPU time divided by its own: what the method cannot tell apart. */
export function twinTable(inputs: readonly TableInput[], name: string): string {
  const lines = inputs.map(({ row, result }) => [row.title, formatRatio(ratio(result, twinName(name), name))]);
  return table([`A/A check: ${name}, twice`, "ratio"], lines);
}

/** A ratio with its interval. */
export function formatRatio(estimate: Estimate | undefined): string {
  if (estimate === undefined) return "–";
  return `${estimate.value.toFixed(3)} [${estimate.low.toFixed(3)}–${estimate.high.toFixed(3)}]`;
}
