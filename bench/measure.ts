/**
 * One run: one contestant, one row, so many seconds. Called by rounds.ts by way of run.ts.
 *
 * @module
 */
import type { Contestant } from "./contestants.ts";
import { Backend, type BackendCount, type LoadReport, type Place, prefixArgs, runLoad } from "./load.ts";
import { ContestantError, Proxy } from "./proxy.ts";
import type { Row } from "./rows.ts";

/** A fresh process warms up for longer than one that has just been used. */
const FIRST_WARMUP_S = 0.3;
const WARMUP_S = 0.1;
/** A run that was disturbed more than this is repeated, but not for ever. */
const MAX_DISTURBANCE = 0.05;
const MAX_REPEATS = 2;

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
  /** How far the run was from what it should be: `foreign`, or the part of the load that did not come to pass. */
  readonly disturbance: number;
}

/** The processes of one round: a backend, and each contestant from when it is first measured. */
export class Stage implements AsyncDisposable {
  readonly #bench: Bench;
  readonly #row: Row;
  readonly #backend: Backend;
  readonly #proxies = new Map<string, Proxy>();

  private constructor(bench: Bench, row: Row, backend: Backend) {
    this.#bench = bench;
    this.#row = row;
    this.#backend = backend;
  }

  /** Starts the backend. */
  static async open(bench: Bench, row: Row): Promise<Stage> {
    return new Stage(bench, row, await Backend.start(bench.loadPlace, bench.program, row.size, row.prefix));
  }

  /**
   * Loads the contestant for so many seconds; again if something else kept the machine busy. Throws ContestantError
   * when it did not do its work.
   */
  async measure(contestant: Contestant, seconds: number): Promise<Sample> {
    const known = this.#proxies.get(contestant.name);
    const proxy = known ?? await this.#start(contestant);
    let best = await this.#measureOnce(contestant, proxy, seconds, known === undefined ? FIRST_WARMUP_S : WARMUP_S);
    for (let again = 0; again < MAX_REPEATS && best.disturbance > MAX_DISTURBANCE; again++) {
      const sample = await this.#measureOnce(contestant, proxy, seconds, WARMUP_S);
      if (sample.disturbance < best.disturbance) best = sample;
    }
    return best;
  }

  async #start(contestant: Contestant): Promise<Proxy> {
    const { proxyPlace, dir } = this.#bench;
    const proxy = await Proxy.start(contestant, proxyPlace, dir, this.#backend.port(this.#row.service));
    this.#proxies.set(contestant.name, proxy);
    return proxy;
  }

  async #measureOnce(contestant: Contestant, proxy: Proxy, seconds: number, warmup: number): Promise<Sample> {
    const { loadPlace, program } = this.#bench;
    await this.#backend.count();
    const watch = [`--watch=proxy=${proxy.pid}`, `--watch=backend=${this.#backend.pid}`];
    const args = [...loadArgs(this.#row, proxy.port, seconds, warmup), ...watch];
    const [report] = await runLoad<LoadReport>(loadPlace, program, args);
    if (report === undefined) throw new ContestantError(`Cannot measure ${contestant.name}: no report`);
    check(contestant, this.#row, report, await this.#backend.count());
    return sampleOf(this.#row, report);
  }

  /** Ends all processes. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#proxies.values()].map((proxy) => proxy[Symbol.asyncDispose]()));
    await this.#backend[Symbol.asyncDispose]();
  }
}

/** Arguments of the load generator for so many seconds of a row, after as many of warm-up. */
export function loadArgs(row: Row, port: number, seconds: number, warmup: number): string[] {
  const args = [
    row.mode,
    `--port=${port}`,
    `--size=${row.size}`,
    `--count=${Math.round(row.perSecond * seconds)}`,
    `--warmup=${Math.round(row.perSecond * warmup)}`,
    `--concurrency=${row.concurrency}`,
  ];
  if (row.prefix !== undefined) args.push(...prefixArgs(row.prefix));
  if (row.paced) args.push(`--rate=${row.perSecond}`);
  if (row.clientCloses) args.push("--client-closes");
  return args;
}

function check(contestant: Contestant, row: Row, report: LoadReport, count: BackendCount): void {
  const what = `Cannot measure ${contestant.name} on ${row.name}`;
  const failures = Object.entries(report.failed).filter(([, number]) => number > 0);
  if (failures.length > 0) {
    throw new ContestantError(
      `${what}: no operation may fail: failed are ${JSON.stringify(Object.fromEntries(failures))}`,
    );
  }
  if (count.bytes_in !== report.total_bytes_up || count.bytes_out !== report.total_bytes_down) {
    throw new ContestantError(
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
  const perSecond = operations / report.seconds;
  const missing = row.paced ? 1 - perSecond * row.unit.size / row.perSecond : 0;
  const own = report.proxy.cpu_ns + report.load.cpu_ns + report.backend.cpu_ns;
  const foreign = Math.max(0, busy_ns - own) / total;
  return {
    cpuUs: report.proxy.cpu_ns / 1e3 / operations,
    allCpuUs: own / 1e3 / operations,
    perSecond,
    p50Us: report.latency_ns.p50 / 1e3,
    p99Us: report.latency_ns.p99 / 1e3,
    switches: report.proxy.switches / operations,
    segments: segments / operations,
    utilisation: report.proxy.cpu_ns / 1e9 / report.seconds,
    steal: steal_ns / total,
    foreign,
    disturbance: Math.max(foreign, missing),
  };
}
