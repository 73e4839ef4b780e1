/**
 * One row of traffic through several contestants, where each may have its own form of it. Called by limits_cost.ts and
 * routing*.ts.
 *
 * @module
 */
import type { Contestant } from "./contestants.ts";
import { type Bench, Stage } from "./measure.ts";
import { type Repetition, type RowResult, runRounds } from "./rounds.ts";
import { type Row, ROWS } from "./rows.ts";
import { rowTable, type TableInput } from "./table.ts";

/** How often, and how long each time. */
export interface Comparison extends Repetition {
  readonly seconds: number;
}

/** Measures the contestants; `rowFor` gives one object for each form of the row, and those share a backend. */
export async function compare(
  bench: Bench,
  plan: Comparison,
  row: Row,
  contestants: readonly Contestant[],
  rowFor: (contestant: Contestant) => Row,
): Promise<TableInput> {
  const result: RowResult = await runRounds(row.name, contestants, plan, () => {
    const stages = new Map<Row, Stage>();
    const stageOf = async (of: Row) => {
      const stage = stages.get(of) ?? await Stage.open(bench, of);
      stages.set(of, stage);
      return stage;
    };
    return Promise.resolve({
      measure: async (contestant: Contestant) => {
        const sample = await (await stageOf(rowFor(contestant))).measure(contestant, plan.seconds);
        console.error(`${row.name} ${contestant.name}: ${sample.cpuUs.toFixed(2)} µs/${row.unit.name}`);
        return sample;
      },
      [Symbol.asyncDispose]: async () => {
        for (const stage of stages.values()) await stage[Symbol.asyncDispose]();
      },
    });
  });
  const names = contestants.map(({ name }) => name);
  return { row, result, names, subject: names[0] ?? "" };
}

/** The table of a row, and what there is to say of it. */
export function tableOf(input: TableInput): string[] {
  const failures = Object.values(input.result.failures).map((message) => `FAILED: ${message}`);
  const samples = Object.values(input.result.rounds).flat();
  const foreign = Math.max(0, ...samples.map((sample) => sample.foreign));
  return [
    rowTable(input),
    `${input.result.discarded} rounds discarded; others used up to ${(100 * foreign).toFixed(0)} % of the machine.`,
    ...failures,
  ];
}

/** A row that is known by its name. */
export function rowOf(name: string): Row {
  const row = ROWS.find((known) => known.name === name);
  if (row === undefined) throw new RangeError(`Cannot measure: the row must be known: current value is ${name}`);
  return row;
}
