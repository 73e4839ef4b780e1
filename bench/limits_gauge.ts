/**
 * The gauge of the load program: a limit, and what came through it, seen at the receiver. Called by limits_accuracy.ts
 * and limits_fairness.ts.
 *
 * @module
 */
import { runLoad, type Usage } from "./load.ts";
import type { Bench } from "./measure.ts";
import { ContestantError } from "./proxy.ts";

/** How far windows of a length were from the limit, as shares of it. */
export interface Deviation {
  readonly least: number;
  readonly most: number;
  /** Share of the windows that are off by more than 5 %. */
  readonly beyond: number;
  /** Windows that begin or end while a core ran nobody; they are not looked at. */
  readonly left_out: number;
}

/** What came through the limit. */
export interface GaugeGroup {
  readonly per_s: number;
  readonly burst: number;
  readonly long: Deviation;
  readonly short: Deviation;
}

/** A line of the gauge. */
export interface GaugeReport {
  readonly broken: number;
  /** Jain's index of all streams that are not idle. */
  readonly fairness: number;
  readonly groups: readonly GaugeGroup[];
  readonly pauses: { readonly count: number; readonly longest_ns: number };
  readonly proxy: Usage;
}

/** What the gauge does. */
export interface GaugeJob {
  readonly direction: "up" | "down";
  /** Where the proxy connects to: the gauge is there, too. */
  readonly endpoint: number;
  readonly ports: readonly number[];
  readonly bytesPerS: number;
  readonly streams: number;
  readonly idle?: number;
  readonly settleMs: number;
  readonly lookMs: number;
  readonly proxyPid: number;
}

/** Runs it. */
export async function gauge(bench: Bench, job: GaugeJob): Promise<GaugeReport> {
  const [report] = await runLoad<GaugeReport>(bench.loadPlace, bench.program, [
    `gauge-${job.direction}`,
    `--endpoint=${job.endpoint}`,
    ...job.ports.map((port) => `--port=${port}`),
    `--limit=${Math.round(job.bytesPerS)}`,
    `--concurrency=${job.streams}`,
    `--idle=${job.idle ?? 0}`,
    `--settle=${job.settleMs}`,
    `--time=${job.lookMs}`,
    `--cpu=${bench.proxyPlace.cpu}`,
    `--cpu=${bench.loadPlace.cpu}`,
    `--watch=proxy=${job.proxyPid}`,
  ]);
  if (report === undefined || report.broken > 0) {
    throw new ContestantError(`Cannot measure: no stream may break: ${report?.broken ?? "no report"}`);
  }
  return report;
}
