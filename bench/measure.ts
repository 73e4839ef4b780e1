/**
 * One run: one contestant, one row, a fresh process. Called by rounds.ts.
 *
 * @module
 */
import type { Contestant } from "./contestants.ts";
import { Backend, type BackendCount, type LoadReport, type Place, runLoad } from "./load.ts";
import { Proxy } from "./proxy.ts";
import type { Row } from "./rows.ts";

const WARMUP_SECONDS = 0.3;

/** Where everything of a run is. */
export interface Bench {
  /** Temporary folder of the whole benchmark. */
  readonly dir: string;
  /** The load program. */
  readonly program: string;
  readonly proxyPlace: Place;
  readonly loadPlace: Place;
}

/** What a run cost, each an operation of the row (a connection, a request, a GB) where it says so. */
export interface Sample {
  /** CPU time of all threads of the proxy, microseconds an operation. */
  readonly cpuUs: number;
  /** The same for proxy, load generator and backend together: a proxy can push work to its peers. */
  readonly allCpuUs: number;
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Context switches of the proxy, an operation. */
  readonly switches: number;
  /** TCP segments on the whole machine, an operation. */
  readonly segments: number;
  /** Share of one core that the proxy used. */
  readonly utilisation: number;
  /** Share of the machine's time that the hypervisor took away. */
  readonly steal: number;
  /** Share of the machine's time that processes used which are not part of the run. */
  readonly foreign: number;
}

/** Bytes that did not arrive as they were sent, or operations that failed: the figures of such a run mean nothing. */
export class CorrectnessError extends Error {
  override readonly name = "CorrectnessError";
}

/** Starts the contestant, loads it and stops it. Throws CorrectnessError when it did not do its work. */
export async function measure(bench: Bench, contestant: Contestant, row: Row, seconds: number): Promise<Sample> {
  await using backend = await Backend.start(bench.loadPlace, bench.program, row.size);
  await using proxy = await Proxy.start(contestant, bench.proxyPlace, bench.dir, backend.port(row.service));
  await backend.count();
  const args = [...loadArgs(row, proxy.port, seconds), `--watch=proxy=${proxy.pid}`, `--watch=backend=${backend.pid}`];
  const [report] = await runLoad<LoadReport>(bench.loadPlace, bench.program, args);
  if (report === undefined) throw new CorrectnessError(`Cannot measure ${contestant.name}: no report`);
  check(contestant, row, report, await backend.count());
  return sampleOf(row, report);
}

/** Arguments of the load generator for so many seconds of a row. */
export function loadArgs(row: Row, port: number, seconds: number): string[] {
  const args = [
    row.mode,
    `--port=${port}`,
    `--size=${row.size}`,
    `--count=${Math.round(row.perSecond * seconds)}`,
    `--warmup=${Math.round(row.perSecond * WARMUP_SECONDS)}`,
    `--concurrency=${row.concurrency}`,
  ];
  if (row.paced) args.push(`--rate=${row.perSecond}`);
  if (row.clientCloses) args.push("--client-closes");
  return args;
}

function check(contestant: Contestant, row: Row, report: LoadReport, count: BackendCount): void {
  const what = `Cannot measure ${contestant.name} on ${row.name}`;
  const failures = Object.entries(report.failed).filter(([, number]) => number > 0);
  if (failures.length > 0) {
    throw new CorrectnessError(
      `${what}: no operation may fail: failed are ${JSON.stringify(Object.fromEntries(failures))}`,
    );
  }
  if (count.bytes_in !== report.total_bytes_up || count.bytes_out !== report.total_bytes_down) {
    throw new CorrectnessError(
      `${what}: the backend must have received and sent ${report.total_bytes_up} and ${report.total_bytes_down} bytes: ` +
        `it counted ${count.bytes_in} and ${count.bytes_out}`,
    );
  }
}

function sampleOf(row: Row, report: LoadReport): Sample {
  const counted = row.mode === "up" ? report.bytes_up : row.mode === "down" ? report.bytes_down : report.done;
  const operations = counted / row.unit.size;
  const { busy_ns, idle_ns, steal_ns, segments } = report.machine;
  const total = busy_ns + idle_ns + steal_ns;
  const own = report.proxy.cpu_ns + report.load.cpu_ns + report.backend.cpu_ns;
  return {
    cpuUs: report.proxy.cpu_ns / 1e3 / operations,
    allCpuUs: own / 1e3 / operations,
    perSecond: operations / report.seconds,
    p50Us: report.latency_ns.p50 / 1e3,
    p99Us: report.latency_ns.p99 / 1e3,
    switches: report.proxy.switches / operations,
    segments: segments / operations,
    utilisation: report.proxy.cpu_ns / 1e9 / report.seconds,
    steal: steal_ns / total,
    foreign: Math.max(0, busy_ns - own) / total,
  };
}
