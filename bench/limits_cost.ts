/**
 * What limits cost: of bytes that are held back, and of limits that are never reached. Called by limits.ts.
 *
 * @module
 */
import { SLUICE_COMMAND } from "./args.ts";
import { compare, rowOf, tableOf } from "./compare.ts";
import { PEERS, sluice } from "./contestants.ts";
import type { Plan } from "./limits_args.ts";
import { bandwidth, limited } from "./limits_contestants.ts";
import type { Bench } from "./measure.ts";
import type { Row } from "./rows.ts";
import { ratioTable, type TableInput } from "./table.ts";

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
  const unpaced: Row = { ...row, paced: false };
  const limits = bandwidth("down", perSecond, perSecond * BURST_SECONDS);
  const subject = limited("limited", 1, [{ id: "bench", limits }]);
  return compare(
    bench,
    plan,
    row,
    [subject, UNLIMITED, ...OTHERS],
    (contestant) => contestant === subject ? unpaced : row,
  );
}
