/**
 * Routing: `deno task bench:routing`. What server names and PROXY headers cost, and how that grows with routes. How to
 * read it: README.md beside this file.
 *
 * @module
 */
import { runCommand } from "./command.ts";
import { buildLoad } from "./load.ts";
import { describeMachine, type Machine, outputOf, takeTurn, useCongestionControl } from "./machine.ts";
import type { Bench } from "./measure.ts";
import { HELP, type Part, type Plan, readArgs } from "./routing_args.ts";
import { measureProxy, measureRoutes, measureSni } from "./routing_cost.ts";
import { measureLookup } from "./routing_lookup.ts";
import { withSignals } from "./signals.ts";

const RESULTS = new URL("./results/", import.meta.url);
const PROXY_CPU = 1;
const LOAD_CPU = 0;

interface Outcome {
  readonly json: unknown;
  readonly text: readonly string[];
}

const MEASURES: Readonly<Record<Part, (bench: Bench, plan: Plan) => Promise<Outcome>>> = {
  lookup: measureLookup,
  sni: measureSni,
  proxy: measureProxy,
  routes: measureRoutes,
};

async function run(plan: Plan): Promise<boolean> {
  const dir = await Deno.makeTempDir({ prefix: "sluice-bench-routing-" });
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
  const { cpus, kernel, nice, versions } = machine;
  const text = [
    `${cpus} CPUs, ${kernel}, niceness ${nice}; deno ${versions.deno}, haproxy ${versions.haproxy}, ` +
    `nginx ${versions.nginx}. ${plan.rounds} rounds of ${2 * plan.repeats} times ${plan.seconds} s.`,
  ];
  console.log(`${text[0]}\n`);
  const results: Partial<Record<Part, unknown>> = {};
  for (const part of plan.parts) {
    if (stop.aborted) return false;
    const busy = `Load average before "${part}": ${Deno.loadavg().map((load) => load.toFixed(1)).join(" ")}.`;
    const outcome = await MEASURES[part](bench, plan);
    results[part] = outcome.json;
    const paragraphs = [`## ${part}`, busy, ...outcome.text];
    text.push(...paragraphs);
    console.log(`${paragraphs.join("\n\n")}\n`);
    // After each part: what was measured outlives a run that is ended early.
    if (plan.save) await save(machine, results, text.join("\n\n"));
  }
  return !text.some((paragraph) => paragraph.includes("FAILED"));
}

async function save(machine: Machine, results: Partial<Record<Part, unknown>>, text: string): Promise<void> {
  const stem = `${new Date().toISOString().slice(0, 10)}-routing`;
  await Deno.mkdir(RESULTS, { recursive: true });
  await Deno.writeTextFile(new URL(`${stem}.json`, RESULTS), `${JSON.stringify({ machine, results }, null, 1)}\n`);
  await Deno.writeTextFile(new URL(`${stem}.md`, RESULTS), `${text}\n`);
  console.log(`Saved as bench/results/${stem}.json and .md\n`);
}

if (import.meta.main) Deno.exit(await runCommand({ help: HELP, readArgs, run }));
