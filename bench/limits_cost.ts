/**
 * What limits cost: of bytes that are held back, and of limits that are never reached. Called by limits.ts.
 *
 * @module
 */
import { SLUICE_COMMAND } from "./args.ts";
import { type Contestant, PEERS, sluice } from "./contestants.ts";
import type { Plan } from "./limits_args.ts";
import { bandwidth, limited } from "./limits_contestants.ts";
import { type Bench, Stage } from "./measure.ts";
import { type RowResult, runRounds } from "./rounds.ts";
import { type Row, ROWS } from "./rows.ts";
import { ratioTable, rowTable, type TableInput } from "./table.ts";

const HELD_BACK_PER_S = [50e6, 400e6];
/** Short, so that little passes at once. */
const BURST_SECONDS = 0.02;
const UNLIMITED = sluice("sluice", SLUICE_COMMAND);
const OTHERS = PEERS.filter(({ name }) => name === "haproxy" || name === "haproxy-splice");
/** Every kind, far above what the rows do. */
const UNREACHED = "{ max_connections: 1000000, connection_rate: { rate: 1000000/s, burst: 1000000 }, " +
  "bandwidth: { up: { rate: 50GB/s }, down: { rate: 50GB/s } }, " +
  "per_connection: { bandwidth: { up: { rate: 50GB/s }, down: { rate: 50GB/s } } }, " +
  "per_source: { max_connections: 1000000, connection_rate: { rate: 1000000/s, burst: 1000000 } } }";
const UNREACHED_ROWS = ["short", "rr64", "down"];

/** Everything measured, as tables. */
export async function measureCost(bench: Bench, plan: Plan) {
  const heldBack: TableInput[] = [];
  for (const perSecond of HELD_BACK_PER_S) heldBack.push(await heldBackRow(bench, plan, perSecond));
  const unreached: TableInput[] = [];
  for (const name of UNREACHED_ROWS) {
    const row = rowOf(name);
    const subject = limited("unreached", 1, [{ id: "bench", limits: UNREACHED }]);
    unreached.push(await compare(bench, plan, row, [subject, UNLIMITED], () => row));
  }
  return {
    json: [...heldBack, ...unreached].map(({ row, result }) => ({ ...row, ...result })),
    text: [...heldBack.flatMap(tableOf), ...unreached.flatMap(tableOf), ratioTable(unreached)],
  };
}

/** The same bytes a second: of one Sluice because it is limited, of the others because no more is sent. */
function heldBackRow(bench: Bench, plan: Plan, perSecond: number): Promise<TableInput> {
  const megabytes = perSecond / 1e6;
  const row: Row = {
    ...rowOf("down"),
    name: `${megabytes} MB/s`,
    title: `bulk down, 4 streams, ${megabytes} MB/s`,
    perSecond,
  };
  const limits = bandwidth("down", perSecond, perSecond * BURST_SECONDS);
  const subject = limited("limited", 1, [{ id: "bench", limits }]);
  return compare(
    bench,
    plan,
    row,
    [subject, UNLIMITED, ...OTHERS],
    (contestant) => contestant === subject ? { ...row, paced: false } : row,
  );
}

async function compare(
  bench: Bench,
  plan: Plan,
  row: Row,
  contestants: readonly Contestant[],
  rowFor: (contestant: Contestant) => Row,
): Promise<TableInput> {
  const result: RowResult = await runRounds(row.name, contestants, plan, () => {
    const stages = new Map<Row["paced"], Stage>();
    const stageOf = async (of: Row) => {
      const stage = stages.get(of.paced) ?? await Stage.open(bench, of);
      stages.set(of.paced, stage);
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

function tableOf(input: TableInput): string[] {
  const failures = Object.values(input.result.failures).map((message) => `FAILED: ${message}`);
  const samples = Object.values(input.result.rounds).flat();
  const foreign = Math.max(0, ...samples.map((sample) => sample.foreign));
  return [
    rowTable(input),
    `${input.result.discarded} rounds discarded; others used up to ${(100 * foreign).toFixed(0)} % of the machine.`,
    ...failures,
  ];
}

function rowOf(name: string): Row {
  const row = ROWS.find((known) => known.name === name);
  if (row === undefined) throw new RangeError(`Cannot measure: the row must be known: current value is ${name}`);
  return row;
}
