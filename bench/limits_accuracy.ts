/**
 * How exactly a limit of bytes is kept, at rates from 1 KiB/s to 1 GiB/s. Called by limits.ts.
 *
 * @module
 */
import type { Plan } from "./limits_args.ts";
import { bandwidth, limited, type LimitedTenant } from "./limits_contestants.ts";
import { gauge, type GaugeGroup } from "./limits_gauge.ts";
import { deviationSvg } from "./limits_svg.ts";
import type { Bench } from "./measure.ts";
import { freePort } from "./ports.ts";
import { Proxy } from "./proxy.ts";
import { table } from "./table.ts";

const RATES: readonly (readonly [name: string, bytesPerS: number])[] = [
  ["1 KiB/s", 2 ** 10],
  ["10 KiB/s", 10 * 2 ** 10],
  ["100 KiB/s", 100 * 2 ** 10],
  ["1 MiB/s", 2 ** 20],
  ["10 MiB/s", 10 * 2 ** 20],
  ["100 MiB/s", 100 * 2 ** 20],
  ["1 GiB/s", 2 ** 30],
];
/** What a tenth of a second gives, but no less: at low rates the usual 64 KiB would last for a minute. */
const LEAST_BURST_BYTES = 1024;

interface Kind {
  readonly name: string;
  readonly direction: "up" | "down";
  readonly streams: number;
  limits(bytesPerS: number, burstBytes: number): string;
}

const KINDS: readonly Kind[] = [
  { name: "tenant down", direction: "down", streams: 1, limits: (rate, burst) => bandwidth("down", rate, burst) },
  { name: "tenant down, 8", direction: "down", streams: 8, limits: (rate, burst) => bandwidth("down", rate, burst) },
  { name: "tenant up", direction: "up", streams: 1, limits: (rate, burst) => bandwidth("up", rate, burst) },
  {
    name: "connection down",
    direction: "down",
    streams: 1,
    limits: (rate, burst) => `{ per_connection: ${bandwidth("down", rate, burst)} }`,
  },
];

/** One kind at one rate. */
export interface Accuracy {
  readonly kind: string;
  readonly rate: string;
  readonly bytesPerS: number;
  readonly burstBytes: number;
  readonly group: GaugeGroup;
  /** The longest time that a core ran nobody. */
  readonly longestPauseMs: number;
}

/** Everything measured, as tables and a drawing. */
export async function measureAccuracy(bench: Bench, plan: Plan) {
  const endpoint = freePort();
  const jobs = KINDS.flatMap((kind) =>
    RATES.map(([rate, bytesPerS]) => ({
      kind,
      rate,
      bytesPerS,
      burstBytes: Math.max(LEAST_BURST_BYTES, Math.floor(bytesPerS / 10)),
      port: freePort(),
    }))
  );
  const tenants: LimitedTenant[] = jobs.map(({ kind, bytesPerS, burstBytes, port }, index) => ({
    id: `t${index}`,
    listen: port,
    limits: kind.limits(bytesPerS, burstBytes),
  }));
  const contestant = limited("accuracy", 1, [{ id: "ready", limits: "{}" }, ...tenants]);
  const results: Accuracy[] = [];
  await using proxy = await Proxy.start(contestant, bench.proxyPlace, bench.dir, endpoint);
  for (const { kind, rate, bytesPerS, burstBytes, port } of jobs) {
    const { direction, streams } = kind;
    const { settleMs, lookMs } = plan;
    const job = { direction, streams, endpoint, ports: [port], bytesPerS, settleMs, lookMs, proxyPid: proxy.pid };
    const { groups: [group], pauses } = await gauge(bench, job);
    if (group === undefined) continue;
    const longestPauseMs = pauses.longest_ns / 1e6;
    results.push({ kind: kind.name, rate, bytesPerS, burstBytes, group, longestPauseMs });
    console.error(`${kind.name} ${rate}: ${percent(group.per_s / bytesPerS - 1)}`);
  }
  return { json: results, text: KINDS.map(({ name }) => accuracyTable(name, results)), svg: deviationSvg(results) };
}

/** A share with its sign. */
export function percent(share: number): string {
  return `${share < 0 ? "" : "+"}${(100 * share).toFixed(2)} %`;
}

/** Of the two ends, the one further away from the limit. */
export function worst({ least, most }: { readonly least: number; readonly most: number }): number {
  return -least > most ? least : most;
}

function accuracyTable(kind: string, results: readonly Accuracy[]): string {
  const header = ["mean", "worst 1 s", "worst 100 ms", "100 ms beyond ±5 %", "first burst / set", "left out"];
  const lines = results.filter((result) => result.kind === kind).map(({ rate, bytesPerS, burstBytes, group }) => [
    rate,
    percent(group.per_s / bytesPerS - 1),
    percent(worst(group.long)),
    percent(worst(group.short)),
    `${(100 * group.short.beyond).toFixed(1)} %`,
    (group.burst / burstBytes).toFixed(2),
    `${(100 * group.short.left_out).toFixed(0)} %`,
  ]);
  return table([kind, ...header], lines);
}
