/**
 * The benchmark: `deno task bench`. Every row of traffic through every contestant, tables on standard output, and
 * results as JSON and Markdown if wanted. What is measured and how to read it: README.md beside this file.
 *
 * @module
 */
import { HELP, type Plan, readArgs } from "./args.ts";
import { runCommand } from "./command.ts";
import type { Contestant } from "./contestants.ts";
import { buildLoad, type IdleReport } from "./load.ts";
import { describeMachine, type Machine, outputOf, takeTurn, useCongestionControl } from "./machine.ts";
import { type Bench, Stage } from "./measure.ts";
import { measureMemory, memoryTable } from "./memory.ts";
import { ContestantError } from "./proxy.ts";
import { type RowResult, runRounds } from "./rounds.ts";
import { withSignals } from "./signals.ts";
import { countSyscalls, type SyscallCounts, syscallTable } from "./syscalls.ts";
import { ratioTable, rowTable, type TableInput, twinName, twinTable } from "./table.ts";

const RESULTS = new URL("./results/", import.meta.url);

/** Everything that came out. */
interface Results {
  readonly machine: Machine;
  readonly rows: TableInput[];
  readonly syscalls: { readonly row: string; readonly counts: ReadonlyMap<string, SyscallCounts> }[];
  memory: ReadonlyMap<string, readonly IdleReport[]>;
  /** The tables so far, as Markdown. */
  readonly text: string[];
}

async function run(plan: Plan): Promise<boolean> {
  const dir = await Deno.makeTempDir({ prefix: "sluice-bench-" });
  try {
    return await runIn(dir, plan);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function runIn(dir: string, plan: Plan): Promise<boolean> {
  using _turn = await takeTurn();
  // The runner sleeps while others work; where it wakes must not be the proxy's core.
  await outputOf("taskset", "-acp", String(plan.loadCpu), String(Deno.pid));
  await using _congestion = await useCongestionControl(plan.congestionControl);
  const machine = await describeMachine();
  const { nofile, nice } = machine;
  const bench: Bench = {
    dir,
    program: await buildLoad(dir),
    proxyPlace: { cpu: plan.proxyCpu, nofile, nice },
    loadPlace: { cpu: plan.loadCpu, nofile, nice },
  };
  const results: Results = { machine, rows: [], syscalls: [], memory: new Map(), text: [] };
  const done = await withSignals(async (stop) => {
    tell(results, describe(plan, results.machine));
    const isWhole = await measureRows(bench, plan, results, stop);
    if (!plan.idle || stop.aborted) return isWhole;
    return await measureIdle(bench, plan, results) && isWhole;
  });
  if (plan.save) await save(results);
  return done;
}

async function measureRows(bench: Bench, plan: Plan, results: Results, stop: AbortSignal): Promise<boolean> {
  const contestants = withTwin(plan);
  const names = contestants.map((contestant) => contestant.name);
  const subject = names[0] ?? "";
  let isWhole = true;
  for (const row of plan.rows) {
    if (stop.aborted) return false;
    const result = await runRounds(row.name, contestants, plan, async () => {
      const stage = await Stage.open(bench, row);
      return {
        measure: async (contestant) => {
          stop.throwIfAborted();
          const sample = await stage.measure(contestant, plan.seconds);
          console.error(`${row.name} ${contestant.name}: ${sample.cpuUs.toFixed(2)} µs/${row.unit.name}`);
          return sample;
        },
        [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose](),
      };
    });
    const input = { row, result, names, subject };
    results.rows.push(input);
    tell(results, rowTable(input), notes(result));
    isWhole &&= Object.keys(result.failures).length === 0;
    if (plan.syscalls && !await traceRow(bench, plan, input, results)) isWhole = false;
  }
  if (results.rows.length > 1) tell(results, ratioTable(results.rows));
  if (plan.twin !== undefined) tell(results, twinTable(results.rows, plan.twin));
  return isWhole;
}

function withTwin(plan: Plan): readonly Contestant[] {
  const twin = plan.contestants.find((contestant) => contestant.name === plan.twin);
  return twin === undefined ? plan.contestants : [...plan.contestants, { ...twin, name: twinName(twin.name) }];
}

async function traceRow(bench: Bench, plan: Plan, { row, result }: TableInput, results: Results): Promise<boolean> {
  const able = plan.contestants.filter((contestant) => result.failures[contestant.name] === undefined);
  const { values, failures } = await ofEach(able, (contestant) => countSyscalls(bench, contestant, row));
  results.syscalls.push({ row: row.name, counts: values });
  tell(results, syscallTable(row, values), ...failures);
  return failures.length === 0;
}

async function measureIdle(bench: Bench, plan: Plan, results: Results): Promise<boolean> {
  const { values, failures } = await ofEach(plan.contestants, (contestant) => measureMemory(bench, contestant));
  results.memory = values;
  tell(results, memoryTable(values), ...failures);
  return failures.length === 0;
}

/** What each contestant gives, by name; and a line for each that fails. */
async function ofEach<T>(
  contestants: readonly Contestant[],
  work: (contestant: Contestant) => Promise<T>,
): Promise<{ values: ReadonlyMap<string, T>; failures: readonly string[] }> {
  const values = new Map<string, T>();
  const failures: string[] = [];
  for (const contestant of contestants) {
    try {
      values.set(contestant.name, await work(contestant));
    } catch (error) {
      if (!(error instanceof ContestantError)) throw error;
      failures.push(`FAILED: ${error.message}`);
    }
  }
  return { values, failures };
}

function describe(plan: Plan, machine: Machine): string {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`).join(", ");
  const contestants = plan.contestants.map((contestant) => `- ${contestant.name}: ${contestant.about}`).join("\n");
  return `${machine.cpus} CPUs, ${machine.kernel}, ${machine.congestionControl}, ${machine.nofile} descriptors, niceness ${machine.nice}; ${versions}. ` +
    `${plan.rounds} rounds of ${2 * plan.repeats} times ${plan.seconds} s.\n\n${contestants}`;
}

function notes(result: RowResult): string {
  const rounds = Object.values(result.rounds);
  const foreign = Math.max(0, ...rounds.flat().map((sample) => sample.foreign));
  const failures = Object.values(result.failures).map((message) => `\nFAILED: ${message}`).join("");
  return `${rounds[0]?.length ?? 0} rounds, ${result.discarded} more discarded; ` +
    `others used up to ${(100 * foreign).toFixed(0)} % of the machine.${failures}`;
}

function tell(results: Results, ...paragraphs: readonly string[]): void {
  for (const paragraph of paragraphs) {
    results.text.push(paragraph);
    console.log(`${paragraph}\n`);
  }
}

async function save(results: Results): Promise<void> {
  const stem = `${new Date().toISOString().slice(0, 10)}-forwarding`;
  await Deno.mkdir(RESULTS, { recursive: true });
  const json = {
    machine: results.machine,
    rows: results.rows.map(({ row, result }) => ({ ...row, ...result })),
    syscalls: results.syscalls.map(({ row, counts }) => ({ row, counts: Object.fromEntries(counts) })),
    memory: Object.fromEntries(results.memory),
  };
  await Deno.writeTextFile(new URL(`${stem}.json`, RESULTS), `${JSON.stringify(json, null, 1)}\n`);
  await Deno.writeTextFile(new URL(`${stem}.md`, RESULTS), `${results.text.join("\n\n")}\n`);
  console.log(`Saved as bench/results/${stem}.json and .md`);
}

if (import.meta.main) Deno.exit(await runCommand({ help: HELP, readArgs, run }));
