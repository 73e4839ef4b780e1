/**
 * From what clients saw to figures and sentences. Pure; called by failures.ts.
 *
 * @module
 */
import type { End, LiveSession, Visit } from "./failures_clients.ts";
import { quantile } from "./statistics.ts";
import { table } from "./table.ts";

/** A client that is served later than this has noticed something. */
const NOTICED_MS = 500;

/** What was seen of one scenario behind one proxy. */
export interface Seen {
  readonly visits: readonly Visit[];
  /** Those of the endpoint that fails: A. */
  readonly live: readonly LiveSession[];
}

/** Clients with the same end, and how long it took them. */
export interface Group {
  readonly end: End;
  readonly count: number;
  readonly medianMs: number;
  readonly worstMs: number;
}

/** What the clients of one scenario saw of one proxy. */
export interface Figures {
  readonly clients: number;
  /** With an answer within a moment. */
  readonly atOnce: number;
  /** With an answer, but later. */
  readonly late: Group | null;
  /** Without one. */
  readonly failed: readonly Group[];
  /** When the last client came that noticed something, from the beginning of the failure; null: nobody did. */
  readonly troubleMs: number | null;
  /** Sessions that were live on the endpoint that fails. */
  readonly live: readonly Group[];
}

/** Sums up what was seen. */
export function figuresOf({ visits, live }: Seen): Figures {
  const noticed = visits.filter(({ end, tookMs }) => end !== "answer" || tookMs > NOTICED_MS);
  const late = groupOf("answer", noticed.filter(({ end }) => end === "answer").map(({ tookMs }) => tookMs));
  return {
    clients: visits.length,
    atOnce: visits.length - noticed.length,
    late,
    failed: groupsOf(noticed.filter(({ end }) => end !== "answer").map(({ end, tookMs }) => ({ end, ms: tookMs }))),
    troubleMs: noticed.length === 0 ? null : Math.max(...noticed.map(({ atMs }) => atMs)),
    live: groupsOf(live.map(({ end, afterMs }) => ({ end, ms: afterMs }))),
  };
}

/** When A had its first client again, of those that came after it was back; null: none did. */
export function backMs(visits: readonly Visit[], backAfterMs: number): number | null {
  const served = visits.filter(({ atMs, letter }) => letter === "A" && atMs >= backAfterMs);
  return served.length === 0 ? null : Math.min(...served.map(({ atMs }) => atMs)) - backAfterMs;
}

function groupsOf(ends: readonly { end: End; ms: number }[]): Group[] {
  const kinds = [...new Set(ends.map(({ end }) => end))].sort();
  return kinds.map((kind) => groupOf(kind, ends.filter(({ end }) => end === kind).map(({ ms }) => ms)))
    .filter((group) => group !== null);
}

function groupOf(end: End, ms: readonly number[]): Group | null {
  if (ms.length === 0) return null;
  return { end, count: ms.length, medianMs: quantile(ms, 0.5), worstMs: Math.max(...ms) };
}

/** A line a proxy, for one scenario. */
export function scenarioTable(
  title: string,
  rows: readonly { name: string; figures: Figures; backMs: number | null }[],
) {
  const header = ["", "at once", "late", "failed", "last noticed after", "live sessions"];
  const hasBack = rows.some((row) => row.backMs !== null);
  const lines = rows.map(({ name, figures, backMs }) => [
    name,
    `${figures.atOnce} of ${figures.clients}`,
    figures.late === null ? "" : groupText(figures.late),
    figures.failed.map(groupText).join(", "),
    figures.troubleMs === null ? "" : secondsOf(figures.troubleMs),
    figures.live.map(groupText).join(", "),
    ...(hasBack ? [backMs === null ? "not in the run" : secondsOf(backMs)] : []),
  ]);
  return table([title, ...header.slice(1), ...(hasBack ? ["has clients again after"] : [])], lines);
}

const WORDS: Readonly<Record<End, string>> = { answer: "", eof: " EOF", reset: " RST", nothing: " see nothing" };

function groupText({ end, count, medianMs, worstMs }: Group): string {
  const times = secondsOf(medianMs) === secondsOf(worstMs)
    ? secondsOf(worstMs)
    : `${secondsOf(medianMs)}, worst ${secondsOf(worstMs)}`;
  return `${count}${WORDS[end]}: ${times}`;
}

/** Milliseconds as seconds; what is next to nothing as 0. */
export function secondsOf(ms: number): string {
  return ms < 50 ? "0 s" : `${(ms / 1000).toFixed(1)} s`;
}
