/**
 * Endpoints that fail: `deno task bench:failures`. What clients see of them, and for how long, behind Sluice and HAProxy,
 * each as it comes and with its keys for that. How to read it: README.md beside this file.
 *
 * @module
 */
import { runCommand } from "./command.ts";
import { HELP, type Plan, readArgs } from "./failures_args.ts";
import { Guest, visit } from "./failures_clients.ts";
import type { Stage } from "./failures_contestants.ts";
import { buildEndpoint, Pool } from "./failures_endpoint.ts";
import { backMs, type Figures, figuresOf, scenarioTable, type Seen } from "./failures_figures.ts";
import { BACK_AFTER_MS, CLIENTS_FOR_MS, type Scenario } from "./failures_scenarios.ts";
import { describeMachine, type Machine, takeTurn } from "./machine.ts";
import { freePorts } from "./ports.ts";
import { Proxy } from "./proxy.ts";
import { withSignals } from "./signals.ts";

const RESULTS = new URL("./results/", import.meta.url);
/** Sessions of each scenario and proxy that are live when the failure begins: half of them on each endpoint. */
const GUESTS = 10;
const GUEST_PATIENCE_MS = 5000;
/** First checks are over, connections ahead are open. */
const WARM_UP_MS = 4000;
const PROXY_CPU = 1;

interface Row {
  readonly name: string;
  readonly figures: Figures;
  /** Of the scenario in which an endpoint comes back. */
  readonly backMs: number | null;
}

/** One proxy in one scenario. */
interface Scene {
  readonly scenario: Scenario;
  readonly name: string;
  readonly port: number;
  /** From the beginning of the failure until its first client; spreads the clients of all scenes. */
  readonly offsetMs: number;
}

async function run(plan: Plan): Promise<boolean> {
  const dir = await Deno.makeTempDir({ prefix: "sluice-bench-failures-" });
  try {
    using _turn = await takeTurn();
    const machine = await describeMachine();
    return await withSignals(async (stop) => {
      const results = await measure(plan, machine, dir, stop);
      const text = [describe(plan, machine), ...tables(plan, results)].join("\n\n");
      console.log(text);
      if (plan.save) await save(machine, results, text);
      return true;
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Rows by scenario. */
async function measure(
  plan: Plan,
  { nofile, nice }: Machine,
  dir: string,
  stop: AbortSignal,
): Promise<Map<string, Row[]>> {
  const { candidates, scenarios } = plan;
  const program = await buildEndpoint(dir);
  await using stack = new AsyncDisposableStack();
  // Below the ports that the kernel gives to clients: a port that is closed for a while stays free.
  const first = freePorts((2 + candidates.length) * scenarios.length + 2);
  const endpointsOf = (index: number) => [first + 2 * index, first + 2 * index + 1] as const;
  const pools: Pool[] = [];
  for (const index of scenarios.keys()) pools.push(stack.use(await Pool.start(program, endpointsOf(index))));
  const ready = stack.use(await Pool.start(program, endpointsOf(scenarios.length)));
  const scenes: Scene[] = [];
  for (const [turn, candidate] of candidates.entries()) {
    const stages: Stage[] = scenarios.map(({ id }, index) => ({
      id,
      listen: first + 2 + (2 + turn) * scenarios.length + index,
      endpoints: endpointsOf(index),
    }));
    const place = { cpu: PROXY_CPU, nofile, nice };
    stack.use(await Proxy.start(candidate.contestant(stages), place, dir, ready.ports[0] ?? 0));
    console.error(`${candidate.name}: started`);
    for (const [index, scenario] of scenarios.entries()) {
      const share = (index * candidates.length + turn) / (scenarios.length * candidates.length);
      const offsetMs = share * CLIENTS_FOR_MS / plan.clients;
      scenes.push({ scenario, name: candidate.name, port: stages[index]?.listen ?? 0, offsetMs });
    }
  }
  await pause(WARM_UP_MS, stop);
  const seen = await Promise.all(scenarios.map(async (scenario, index) => {
    const pool = pools[index];
    if (pool === undefined) throw new Error("Cannot measure: each scenario must have endpoints");
    return await play(scenario, pool, scenes.filter((scene) => scene.scenario === scenario), plan, stop);
  }));
  return new Map(scenarios.map((scenario, index) => [scenario.id, seen[index] ?? []]));
}

/** Plays one scenario for all proxies at once: their endpoints are the same. */
async function play(
  scenario: Scenario,
  pool: Pool,
  scenes: readonly Scene[],
  plan: Plan,
  stop: AbortSignal,
): Promise<Row[]> {
  const guests = await Promise.all(scenes.map(async ({ port }) => {
    const all: Guest[] = [];
    for (let index = 0; index < GUESTS; index++) all.push(await Guest.arrive(port, GUEST_PATIENCE_MS));
    return all;
  }));
  await scenario.begin(pool);
  const beganAt = performance.now();
  return await Promise.all(scenes.map(async ({ name, port, offsetMs }, index) => {
    const mine = guests[index] ?? [];
    const staying = mine.filter(({ letter }) => letter === "A").map((guest) => guest.stay(CLIENTS_FOR_MS));
    const coming = Array.from({ length: plan.clients }, async (_, client) => {
      const atMs = offsetMs + client * CLIENTS_FOR_MS / plan.clients;
      await pause(atMs - (performance.now() - beganAt), stop);
      return await visit(port, performance.now() - beganAt, plan.patienceMs);
    });
    const seen: Seen = { visits: await Promise.all(coming), live: await Promise.all(staying) };
    for (const guest of mine) guest[Symbol.dispose]();
    return {
      name,
      figures: figuresOf(seen),
      backMs: scenario.id === "back" ? backMs(seen.visits, BACK_AFTER_MS) : null,
    };
  }));
}

function tables(plan: Plan, results: ReadonlyMap<string, readonly Row[]>): string[] {
  return plan.scenarios.map(({ id, title }) => scenarioTable(title, results.get(id) ?? []));
}

function describe(plan: Plan, { cpus, kernel, versions }: Machine): string {
  const contestants = plan.candidates.map(({ name, about }) => `- ${name}: ${about}`).join("\n");
  return `${cpus} CPUs, ${kernel}; deno ${versions.deno}, haproxy ${versions.haproxy}; load average ` +
    `${Deno.loadavg().map((load) => load.toFixed(1)).join(" ")}. Two endpoints; ${plan.clients} clients in ` +
    `${CLIENTS_FOR_MS / 1000} s, who wait for ${plan.patienceMs / 1000} s.\n\n${contestants}`;
}

async function save(machine: Machine, results: ReadonlyMap<string, readonly Row[]>, text: string): Promise<void> {
  const stem = `${new Date().toISOString().slice(0, 10)}-failures`;
  await Deno.mkdir(RESULTS, { recursive: true });
  const json = { machine, results: Object.fromEntries(results) };
  await Deno.writeTextFile(new URL(`${stem}.json`, RESULTS), `${JSON.stringify(json, null, 1)}\n`);
  await Deno.writeTextFile(new URL(`${stem}.md`, RESULTS), `${text}\n`);
  console.log(`\nSaved as bench/results/${stem}.json and .md`);
}

function pause(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    stop.throwIfAborted();
    const onStop = () => {
      clearTimeout(timer);
      reject(stop.reason);
    };
    const timer = setTimeout(() => {
      stop.removeEventListener("abort", onStop);
      resolve();
    }, Math.max(0, ms));
    stop.addEventListener("abort", onStop, { once: true });
  });
}

if (import.meta.main) Deno.exit(await runCommand({ help: HELP, readArgs, run }));
