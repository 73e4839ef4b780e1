/**
 * Limits: `deno task bench:limits`. How exactly they are kept, how fairly, what they cost, how they stand a storm. How to
 * read it: README.md beside this file.
 *
 * @module
 */
import { runCommand } from "./command.ts";
import { measureAccuracy } from "./limits_accuracy.ts";
import { HELP, type Part, type Plan, readArgs } from "./limits_args.ts";
import { measureCost } from "./limits_cost.ts";
import { measureFairness } from "./limits_fairness.ts";
import { measureStorm } from "./limits_storm.ts";
import { measureTenants } from "./limits_tenants.ts";
import { buildLoad } from "./load.ts";
import { describeMachine, type Machine, outputOf, takeTurn, useCongestionControl } from "./machine.ts";
import type { Bench } from "./measure.ts";
import { ContestantError } from "./proxy.ts";
import { withSignals } from "./signals.ts";

const RESULTS = new URL("./results/", import.meta.url);
const PROXY_CPU = 1;
const LOAD_CPU = 0;

interface Outcome {
  readonly json: unknown;
  readonly text: readonly string[];
  readonly svg?: string;
}

const MEASURES: Readonly<Record<Part, (bench: Bench, plan: Plan) => Promise<Outcome>>> = {
  accuracy: measureAccuracy,
  fairness: measureFairness,
  cost: measureCost,
  storm: measureStorm,
  tenants: measureTenants,
};

async function run(plan: Plan): Promise<boolean> {
  const dir = await Deno.makeTempDir({ prefix: "sluice-bench-limits-" });
  try {
    using _turn = await takeTurn();
    // The runner sleeps while others work; where it wakes must not be the proxy's core.
    await outputOf("taskset", "-acp", String(LOAD_CPU), String(Deno.pid));
    await using _congestion = await useCongestionControl("cubic");
    const machine = await describeMachine();
    const { nofile, nice } = machine;
    const bench: Bench = {
      dir,
      program: await buildLoad(dir),
      proxyPlace: { cpu: PROXY_CPU, nofile, nice },
      loadPlace: { cpu: LOAD_CPU, nofile, nice },
    };
    return await withSignals((stop) => measureParts(bench, plan, machine, stop));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function measureParts(bench: Bench, plan: Plan, machine: Machine, stop: AbortSignal): Promise<boolean> {
  const text = [describe(plan, machine)];
  const outcomes = new Map<Part, Outcome>();
  console.log(`${text[0]}\n`);
  for (const part of plan.parts) {
    if (stop.aborted) return false;
    const busy = `Load average before "${part}": ${Deno.loadavg().map((load) => load.toFixed(1)).join(" ")}.`;
    const outcome = await measured(part, bench, plan);
    outcomes.set(part, outcome);
    const paragraphs = [`## ${part}`, busy, ...outcome.text];
    text.push(...paragraphs);
    console.log(`${paragraphs.join("\n\n")}\n`);
    // After each part: what was measured outlives a run that is ended early.
    if (plan.save) await save(machine, outcomes, text.join("\n\n"));
  }
  return !text.some((paragraph) => paragraph.includes("FAILED"));
}

/** A proxy that fails in one part has figures in the others. */
async function measured(part: Part, bench: Bench, plan: Plan): Promise<Outcome> {
  try {
    return await MEASURES[part](bench, plan);
  } catch (error) {
    if (!(error instanceof ContestantError)) throw error;
    return { json: null, text: [`FAILED: ${error.message}`] };
  }
}

function describe(plan: Plan, { cpus, kernel, congestionControl, nice, versions }: Machine): string {
  return `${cpus} CPUs, ${kernel}, ${congestionControl}, niceness ${nice}; deno ${versions.deno}, ` +
    `haproxy ${versions.haproxy}. Looks of ${plan.lookMs} ms after ${plan.settleMs} ms; ` +
    `${plan.rounds} rounds of ${2 * plan.repeats} times ${plan.seconds} s; storms of ${plan.stormSeconds} s.`;
}

async function save(machine: Machine, outcomes: ReadonlyMap<Part, Outcome>, text: string): Promise<void> {
  const stem = `${new Date().toISOString().slice(0, 10)}-limits`;
  await Deno.mkdir(RESULTS, { recursive: true });
  const results = Object.fromEntries([...outcomes].map(([part, { json }]) => [part, json]));
  await Deno.writeTextFile(new URL(`${stem}.json`, RESULTS), `${JSON.stringify({ machine, results }, null, 1)}\n`);
  await Deno.writeTextFile(new URL(`${stem}.md`, RESULTS), `${text}\n`);
  for (const { svg } of outcomes.values()) {
    if (svg !== undefined) await Deno.writeTextFile(new URL(`${stem}.svg`, RESULTS), svg);
  }
  console.log(`Saved as bench/results/${stem}.json, .md and .svg\n`);
}

if (import.meta.main) Deno.exit(await runCommand({ help: HELP, readArgs, run }));
