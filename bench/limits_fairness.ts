/**
 * Whether sessions and tenants get the same. Called by limits.ts.
 *
 * @module
 */
import { percent, worst } from "./limits_accuracy.ts";
import type { Plan } from "./limits_args.ts";
import { bandwidth, limited } from "./limits_contestants.ts";
import { gauge, type GaugeReport } from "./limits_gauge.ts";
import type { Bench } from "./measure.ts";
import { freePort } from "./ports.ts";
import { Proxy } from "./proxy.ts";
import { table } from "./table.ts";

const BYTES_PER_S = 10 * 2 ** 20;
const WORKERS = 2;
const SESSIONS = 100;
const TENANTS = 10;

/** Everything measured, as a table. */
export async function measureFairness(bench: Bench, plan: Plan) {
  const endpoint = freePort();
  const ports = Array.from({ length: TENANTS }, freePort);
  const limits = bandwidth("down", BYTES_PER_S, BYTES_PER_S / 10);
  const tenants = ports.map((listen, index) => ({ id: `t${index}`, listen, limits }));
  const contestant = limited("fairness", WORKERS, [{ id: "ready", limits: "{}" }, ...tenants]);
  await using proxy = await Proxy.start(contestant, bench.proxyPlace, bench.dir, endpoint);
  const run = (of: { readonly ports: readonly number[]; readonly streams: number; readonly idle?: number }) =>
    gauge(bench, {
      direction: "down",
      endpoint,
      bytesPerS: BYTES_PER_S,
      settleMs: plan.settleMs,
      lookMs: plan.lookMs,
      proxyPid: proxy.pid,
      ...of,
    });
  const first = ports.slice(0, 1);
  const json = {
    [`${SESSIONS} sessions of one tenant`]: await run({ ports: first, streams: SESSIONS }),
    [`1 session beside ${SESSIONS} idle ones`]: await run({ ports: first, streams: 1, idle: SESSIONS }),
    [`${TENANTS} tenants, a session each`]: await run({ ports, streams: 1 }),
  };
  const header = [`10 MiB/s a tenant, ${WORKERS} workers`, "Jain's index", "mean", "worst 1 s", "100 ms beyond ±5 %"];
  return { json, text: [table(header, Object.entries(json).map(([name, report]) => line(name, report)))] };
}

/** Of several tenants the worst. */
function line(name: string, { fairness, groups }: GaugeReport): string[] {
  const furthest = (values: readonly number[]) => worst({ least: Math.min(...values), most: Math.max(...values) });
  return [
    name,
    fairness.toFixed(4),
    percent(furthest(groups.map(({ per_s }) => per_s / BYTES_PER_S - 1))),
    percent(furthest(groups.map(({ long }) => worst(long)))),
    `${(100 * Math.max(...groups.map(({ short }) => short.beyond))).toFixed(1)} %`,
  ];
}
