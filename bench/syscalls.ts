/**
 * System calls that a contestant makes for an operation, counted by strace in a run that is not timed. Called by run.ts.
 *
 * @module
 */
import type { Contestant } from "./contestants.ts";
import { Backend, type LoadReport, runLoad } from "./load.ts";
import type { Bench } from "./measure.ts";
import { loadArgs } from "./measure.ts";
import { Proxy } from "./proxy.ts";
import type { Row } from "./rows.ts";
import { table } from "./table.ts";

/** strace makes every call slow: a tenth of the load for so long is enough to count. */
const SECONDS = 3;
const SLOWDOWN = 10;
const TRACE_PATIENCE_MS = 10_000;

/** Calls by name, an operation. */
export type SyscallCounts = Readonly<Record<string, number>>;

/** Counts what the contestant calls in the row. */
export async function countSyscalls(bench: Bench, contestant: Contestant, row: Row): Promise<SyscallCounts> {
  const slow = { ...row, perSecond: Math.round(row.perSecond / SLOWDOWN), paced: true };
  await using backend = await Backend.start(bench.loadPlace, bench.program, row.size, row.prefix);
  await using proxy = await Proxy.start(contestant, bench.proxyPlace, bench.dir, backend.port(row.service));
  const summary = await Deno.makeTempFile({ dir: bench.dir, prefix: "strace-" });
  const pids = [proxy.pid, ...await childrenOf(proxy.pid)];
  const tracer = new Deno.Command("strace", {
    args: ["-f", "-c", "-U", "name,calls", "-o", summary, ...pids.flatMap((pid) => ["-p", String(pid)])],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  await untilAttached(tracer.stderr, pids.length);
  // No warm-up: every call that is counted belongs to an operation that is counted.
  const args = loadArgs(slow, proxy.port, SECONDS, 0);
  const watch = [`--watch=proxy=${proxy.pid}`, `--watch=backend=${backend.pid}`];
  const [report] = await runLoad<LoadReport>(bench.loadPlace, bench.program, [...args, ...watch]);
  tracer.kill("SIGINT");
  await tracer.status;
  const operations = slow.perSecond * SECONDS / row.unit.size;
  if (report === undefined) throw new Error(`Cannot count the calls of ${contestant.name}: no report`);
  return Object.fromEntries(
    [...parseSummary(await Deno.readTextFile(summary))].map(([name, calls]) => [name, calls / operations]),
  );
}

/** Names and numbers of calls in strace's table. */
export function parseSummary(text: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of text.split("\n")) {
    const match = /^(\w+)\s+(\d+)\s*$/.exec(line.trim());
    if (match?.[1] !== undefined && match[1] !== "total") counts.set(match[1], Number(match[2]));
  }
  return counts;
}

/** A table with a column for each contestant; calls that are rare are left out, but not from the sum. */
export function syscallTable(row: Row, counts: ReadonlyMap<string, SyscallCounts>): string {
  const digits = row.unit.name === "GB" ? 0 : 2;
  const calls = new Set([...counts.values()].flatMap((byName) => Object.keys(byName)));
  const largest = (call: string) => Math.max(...[...counts.values()].map((byName) => byName[call] ?? 0));
  const shown = [...calls].filter((call) => largest(call) >= 0.05).sort((a, b) => largest(b) - largest(a));
  const line = (call: string) => [call, ...[...counts.values()].map((byName) => (byName[call] ?? 0).toFixed(digits))];
  const sums = [...counts.values()].map((byName) => Object.values(byName).reduce((sum, n) => sum + n, 0));
  return table([`${row.name}: calls/${row.unit.name}`, ...counts.keys()], [
    ...shown.map(line),
    ["all", ...sums.map((sum) => sum.toFixed(digits))],
  ]);
}

async function childrenOf(pid: number): Promise<number[]> {
  const { stdout } = await new Deno.Command("ps", { args: ["--ppid", String(pid), "-o", "pid="] }).output();
  return new TextDecoder().decode(stdout).split("\n").map((line) => line.trim()).filter((line) => line !== "").map(
    Number,
  );
}

async function untilAttached(stderr: ReadableStream<Uint8Array<ArrayBuffer>>, processes: number): Promise<void> {
  const timeout = AbortSignal.timeout(TRACE_PATIENCE_MS);
  let text = "";
  let attached = 0;
  const reader = stderr.pipeThrough(new TextDecoderStream(), { signal: timeout }).getReader();
  while (attached < processes) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`Cannot count calls: strace must attach to the proxy: it printed ${text}`);
    text += value;
    attached = text.match(/Process \d+ attached/g)?.length ?? 0;
  }
  // Whoever prints more must not wait for a reader.
  (async () => {
    while (!(await reader.read()).done);
  })().catch(() => undefined);
}
