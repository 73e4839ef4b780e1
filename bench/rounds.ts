/**
 * Rounds of a row: every contestant twice or more, in the order A B C … C B A, so that whatever drifts meets all of them
 * alike. Called by run.ts.
 *
 * @module
 */
import type { Contestant } from "./contestants.ts";
import type { Sample } from "./measure.ts";
import { ContestantError } from "./proxy.ts";
import { estimateMedian, median } from "./statistics.ts";
import type { Estimate } from "./statistics.ts";

/** A round in which the hypervisor took more than this share of the machine is thrown away. */
const MAX_STEAL = 0.01;
/** A round in which a contestant was disturbed more than this counts only where there is no better one. */
const MAX_DISTURBANCE = 0.1;
/** Rounds beyond those wanted, as a share of them, in the place of bad ones. */
const EXTRA_ROUNDS = 0.5;

/** All that came out of a row. */
export interface RowResult {
  readonly row: string;
  /** By contestant, in each round that counts: the median of its samples. */
  readonly rounds: Readonly<Record<string, readonly Sample[]>>;
  /** Rounds that do not count, for steal or because better ones were found. */
  readonly discarded: number;
  /** Contestants that did not do their work, and why. They have no rounds. */
  readonly failures: Readonly<Record<string, string>>;
}

/** The processes of a round. */
export interface RoundStage extends AsyncDisposable {
  measure(contestant: Contestant): Promise<Sample>;
}

/** How often. */
export interface Repetition {
  readonly rounds: number;
  /** Times the order ABBA in a round. */
  readonly repeats: number;
}

/** Measures all contestants in so many rounds, each with fresh processes from `open`. */
export async function runRounds(
  row: string,
  contestants: readonly Contestant[],
  { rounds, repeats }: Repetition,
  open: () => Promise<RoundStage>,
): Promise<RowResult> {
  const failures: Record<string, string> = {};
  const done: Map<string, Sample>[] = [];
  const isGood = (ofRound: Map<string, Sample>) =>
    worst(ofRound, "steal") <= MAX_STEAL && worst(ofRound, "disturbance") <= MAX_DISTURBANCE;
  const most = Math.ceil(rounds * (1 + EXTRA_ROUNDS));
  while (done.filter(isGood).length < rounds && done.length < most) {
    const present = contestants.filter((contestant) => failures[contestant.name] === undefined);
    const order = rotate(present, done.length);
    const runs = Array.from({ length: repeats }, () => [...order, ...order.toReversed()]).flat();
    const samples = await runRound(runs, open, failures);
    done.push(new Map([...samples].map(([name, ofRound]) => [name, middleSample(ofRound)])));
  }
  const kept = done.filter((ofRound) => worst(ofRound, "steal") <= MAX_STEAL)
    .sort((a, b) => worst(a, "disturbance") - worst(b, "disturbance")).slice(0, rounds);
  const names = contestants.map((contestant) => contestant.name).filter((name) => failures[name] === undefined);
  return {
    row,
    rounds: Object.fromEntries(names.map((name) => [name, kept.flatMap((ofRound) => ofRound.get(name) ?? [])])),
    discarded: done.length - kept.length,
    failures,
  };
}

function worst(ofRound: ReadonlyMap<string, Sample>, key: "steal" | "disturbance"): number {
  return Math.max(...[...ofRound.values()].map((sample) => sample[key]));
}

async function runRound(
  runs: readonly Contestant[],
  open: () => Promise<RoundStage>,
  failures: Record<string, string>,
): Promise<Map<string, Sample[]>> {
  const samples = new Map<string, Sample[]>();
  await using stage = await open();
  for (const contestant of runs) {
    if (failures[contestant.name] !== undefined) continue;
    try {
      const sample = await stage.measure(contestant);
      samples.set(contestant.name, [...samples.get(contestant.name) ?? [], sample]);
    } catch (error) {
      if (!(error instanceof ContestantError)) throw error;
      failures[contestant.name] = error.message;
      samples.delete(contestant.name);
    }
  }
  return samples;
}

function rotate<T>(items: readonly T[], by: number): T[] {
  const start = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}

function middleSample(samples: readonly Sample[]): Sample {
  const of = (key: keyof Sample) => median(samples.map((sample) => sample[key]));
  return {
    cpuUs: of("cpuUs"),
    allCpuUs: of("allCpuUs"),
    perSecond: of("perSecond"),
    p50Us: of("p50Us"),
    p99Us: of("p99Us"),
    switches: of("switches"),
    segments: of("segments"),
    utilisation: of("utilisation"),
    steal: of("steal"),
    foreign: of("foreign"),
    disturbance: of("disturbance"),
  };
}

/** The median over rounds of one figure of one contestant; NaN when it has no rounds. */
export function middle(result: RowResult, name: string, key: keyof Sample): number {
  return median((result.rounds[name] ?? []).map((sample) => sample[key]));
}

/** `subject`'s figure divided by `other`'s in the same round: median over rounds. Undefined when either is missing. */
export function ratio(
  result: RowResult,
  subject: string,
  other: string,
  key: keyof Sample = "cpuUs",
): Estimate | undefined {
  const others = result.rounds[other] ?? [];
  const ratios = (result.rounds[subject] ?? []).flatMap((sample, round) => {
    const peer = others[round];
    return peer === undefined ? [] : [sample[key] / peer[key]];
  });
  return ratios.length === 0 ? undefined : estimateMedian(ratios);
}
