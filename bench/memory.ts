/**
 * Memory that idle connections cost. Called by run.ts.
 *
 * @module
 */
import type { Contestant } from "./contestants.ts";
import { Backend, type IdleReport, runLoad } from "./load.ts";
import type { Bench } from "./measure.ts";
import { Proxy } from "./proxy.ts";
import { table } from "./table.ts";

const LEVELS = [0, 2000, 8000];
const SIZE = 64;

/** Holds idle connections through a contestant, and tells what it uses at each number of them. */
export async function measureMemory(bench: Bench, contestant: Contestant): Promise<IdleReport[]> {
  await using backend = await Backend.start(bench.loadPlace, bench.program, SIZE);
  await using proxy = await Proxy.start(contestant, bench.proxyPlace, bench.dir, backend.port("reply"));
  return await runLoad<IdleReport>(bench.loadPlace, bench.program, [
    "idle",
    `--port=${proxy.port}`,
    `--size=${SIZE}`,
    `--levels=${LEVELS.join(",")}`,
    `--watch=proxy=${proxy.pid}`,
  ]);
}

/** A line for each contestant: memory at each level, and what one connection more costs. */
export function memoryTable(reports: ReadonlyMap<string, readonly IdleReport[]>): string {
  const lines = [...reports].map(([name, levels]) => {
    const last = levels.at(-1);
    const before = levels.at(-2);
    const perConnection = (bytes: (report: IdleReport) => number) =>
      last === undefined || before === undefined
        ? "–"
        : ((bytes(last) - bytes(before)) / (last.connections - before.connections)).toFixed(0);
    return [
      name,
      ...levels.map((level) => (level.proxy.pss_bytes / 2 ** 20).toFixed(1)),
      perConnection((level) => level.proxy.pss_bytes),
      perConnection((level) => level.slab_bytes),
    ];
  });
  const header = LEVELS.map((level) => `MiB at ${level}`);
  return table(["idle connections", ...header, "B/connection", "kernel slab B/connection, all sides"], lines);
}
