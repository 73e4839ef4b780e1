/**
 * What routing by server name and reading PROXY headers cost, on short and on kept connections. Called by routing.ts.
 *
 * @module
 */
import { compare, rowOf, tableOf } from "./compare.ts";
import type { Contestant } from "./contestants.ts";
import type { Bench } from "./measure.ts";
import { ratio } from "./rounds.ts";
import type { Plan } from "./routing_args.ts";
import { haproxySni, nginxSni, type Pair, proxyPairs, sluiceSni, sniPairs } from "./routing_contestants.ts";
import { namesOf, writeHellos, writeProxyHeader } from "./routing_prefix.ts";
import type { Prefix, Row } from "./rows.ts";
import { countSyscalls, type SyscallCounts, syscallTable } from "./syscalls.ts";
import { formatRatio, table, type TableInput } from "./table.ts";

const ROWS = ["short", "rr64"];
/** Routes where their number is not what is measured. */
const USUAL_ROUTES = 10;
const ROUTES = [10, 1000, 10_000];

/** By server name: all get the same hellos, and what differs is whether they are looked at. */
export async function measureSni(bench: Bench, plan: Plan) {
  const names = namesOf(USUAL_ROUTES);
  const prefix = await writeHellos(bench.dir, names);
  return await measurePairs(bench, plan, sniPairs(names), prefix, prefix);
}

/** With PROXY headers: only those who take one get one. */
export async function measureProxy(bench: Bench, plan: Plan) {
  return await measurePairs(bench, plan, proxyPairs(), await writeProxyHeader(bench.dir), undefined);
}

async function measurePairs(
  bench: Bench,
  plan: Plan,
  pairs: readonly Pair[],
  prefixWith: Prefix,
  prefixWithout: Prefix | undefined,
) {
  const contestants = pairs.flatMap((pair) => [pair.with, pair.without]);
  const isWith = new Set(pairs.map((pair) => pair.with));
  const inputs: TableInput[] = [];
  const calls: string[] = [];
  for (const row of ROWS.map(rowOf)) {
    const withWork: Row = { ...row, prefix: prefixWith };
    const without: Row = prefixWithout === prefixWith ? withWork : row;
    const rowFor = (contestant: Contestant) => isWith.has(contestant) ? withWork : without;
    inputs.push(await compare(bench, plan, row, contestants, rowFor));
    if (plan.syscalls) calls.push(syscallTable(row, await countAll(bench, contestants, rowFor)));
  }
  const lines = inputs.map(({ row, result }) => [
    row.title,
    ...pairs.map((pair) => formatRatio(ratio(result, pair.with.name, pair.without.name))),
  ]);
  const header = ["CPU with / without", ...pairs.map((pair) => pair.without.name)];
  return { json: jsonOf(inputs), text: [...inputs.flatMap(tableOf), ...calls, table(header, lines)] };
}

async function countAll(bench: Bench, contestants: readonly Contestant[], rowFor: (contestant: Contestant) => Row) {
  const counts = new Map<string, SyscallCounts>();
  for (const contestant of contestants) {
    counts.set(contestant.name, await countSyscalls(bench, contestant, rowFor(contestant)));
  }
  return counts;
}

/** Short connections by server name, with more and more routes; each connection asks for another name. */
export async function measureRoutes(bench: Bench, plan: Plan) {
  const inputs: TableInput[] = [];
  for (const count of ROUTES) {
    const names = namesOf(count);
    const title = `${count} routes`;
    const row: Row = { ...rowOf("short"), name: title, title, prefix: await writeHellos(bench.dir, names) };
    const contestants = [sluiceSni("sluice", names), haproxySni("haproxy", names), nginxSni("nginx", names)];
    inputs.push(await compare(bench, plan, row, contestants, () => row));
  }
  return { json: jsonOf(inputs), text: inputs.flatMap(tableOf) };
}

function jsonOf(inputs: readonly TableInput[]) {
  return inputs.map(({ row, result }) => ({ ...row, ...result }));
}
