/**
 * Ten thousand tenants: `deno task bench:tenants`. Start, memory, one change, a whole reload, and what the traffic of
 * the others notices of it, in Sluice, nginx and HAProxy one after the other. How to read it: README.md beside this file.
 *
 * @module
 */
import { runCommand } from "./command.ts";
import { Backend, buildLoad, type LoadReport, type Place, runLoad } from "./load.ts";
import { describeMachine, type Machine, takeTurn } from "./machine.ts";
import { freePort, freePorts } from "./ports.ts";
import { ContestantError } from "./proxy.ts";
import { median, quantile } from "./statistics.ts";
import { table } from "./table.ts";
import { HELP, type Plan, readArgs } from "./tenants_args.ts";
import type { Fleet, TenantsContestant } from "./tenants_contestants.ts";
import { Endpoint, type Footprint, RunningFleet, writeFiles } from "./tenants_running.ts";

const RESULTS = new URL("./results/", import.meta.url);
const MESSAGE_BYTES = 64;
const MESSAGES_PER_S = 1000;
const TRAFFIC_SECONDS = 2;
/** HAProxy's master misses a signal that comes while it is still busy with the last one. */
const REST_MS = 1000;
/** Steps over the tenants, so that neighbours do not follow each other. */
const STRIDE = 7919;

/** What one tenant's stream of a message a millisecond noticed while something else was done. */
interface Traffic {
  readonly messages: number;
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly longestMs: number;
}

interface Result {
  readonly startMs: readonly number[];
  readonly footprint: Footprint;
  readonly answerMs: readonly number[];
  readonly effectMs: readonly number[];
  readonly reloadMs: readonly number[];
  /** With one session that has lasted since before the first reload. */
  readonly footprintAfter: Footprint;
  readonly atRest: Traffic;
  readonly duringChanges: Traffic | null;
  readonly duringReloads: Traffic;
}

interface Stage {
  readonly plan: Plan;
  readonly dir: string;
  readonly program: string;
  readonly place: Place;
  readonly reply: number;
  readonly endpoints: readonly [Endpoint, Endpoint];
}

async function measure(stage: Stage, contestant: TenantsContestant): Promise<Result> {
  const { plan, endpoints: [first, second] } = stage;
  const dir = await Deno.makeTempDir({ dir: stage.dir, prefix: `${contestant.name}-` });
  await Deno.mkdir(`${dir}/tenants.d`);
  const token = crypto.randomUUID();
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token));
  const fleet: Fleet = {
    firstPort: freePorts(plan.tenants),
    tenants: plan.tenants,
    dir,
    adminPort: freePort(),
    tokenHash: new Uint8Array(hash).toHex(),
  };
  // The first tenant has the traffic, and is never touched.
  const targets = Array.from({ length: plan.tenants }, (_, index) => index === 0 ? stage.reply : first.port);
  await writeFiles(dir, contestant.files(fleet, targets));

  const startMs: number[] = [];
  for (let turn = 1; turn < plan.starts; turn++) {
    await using running = await RunningFleet.start(contestant, fleet, token, targets, first);
    startMs.push(running.startMs);
  }
  await using running = await RunningFleet.start(contestant, fleet, token, targets, first);
  startMs.push(running.startMs);
  using _session = await Deno.connect({ hostname: "127.0.0.1", port: fleet.firstPort });
  const atRest = await trafficWhile(stage, fleet.firstPort, () => Promise.resolve());
  const footprint = await running.footprint();

  const other = (tenant: number) => running.targetOf(tenant) === first.port ? second : first;
  const tenantAt = (turn: number) => 1 + (turn * STRIDE) % (plan.tenants - 1);
  const answerMs: number[] = [];
  const effectMs: number[] = [];
  const duringChanges = !contestant.hasApi ? null : await trafficWhile(stage, fleet.firstPort, async () => {
    for (let turn = 0; turn < plan.changes; turn++) {
      const changed = await running.change(tenantAt(turn), other(tenantAt(turn)));
      answerMs.push(changed.answerMs);
      effectMs.push(changed.effectMs);
    }
  });
  const reloadMs: number[] = [];
  const duringReloads = await trafficWhile(stage, fleet.firstPort, async () => {
    for (let turn = 0; turn < plan.reloads; turn++) {
      const tenant = tenantAt(plan.changes + turn);
      reloadMs.push(await running.reload(tenant, other(tenant)));
      await new Promise((resolve) => setTimeout(resolve, REST_MS));
    }
  });
  const footprintAfter = await running.footprint();
  return { startMs, footprint, answerMs, effectMs, reloadMs, footprintAfter, atRest, duringChanges, duringReloads };
}

/** Sends a message each millisecond through a tenant while `work` is done, for some seconds at least. */
async function trafficWhile(stage: Stage, port: number, work: () => Promise<void>): Promise<Traffic> {
  let isDone = false;
  const working = work().finally(() => isDone = true);
  const reports: LoadReport[] = [];
  const args = [
    "rr",
    `--port=${port}`,
    `--size=${MESSAGE_BYTES}`,
    `--rate=${MESSAGES_PER_S}`,
    `--count=${MESSAGES_PER_S * TRAFFIC_SECONDS}`,
  ];
  const sending = async (): Promise<void> => {
    do {
      reports.push(...await runLoad<LoadReport>(stage.place, stage.program, args));
    } while (!isDone);
  };
  await Promise.all([working, sending()]);
  const ms = (point: keyof LoadReport["latency_ns"]) => reports.map(({ latency_ns }) => latency_ns[point] / 1e6);
  return {
    messages: reports.reduce((sum, { done }) => sum + done, 0),
    failed: reports.flatMap(({ failed }) => Object.values(failed)).reduce((sum, count) => sum + count, 0),
    p50Ms: median(ms("p50")),
    p99Ms: median(ms("p99")),
    longestMs: Math.max(...ms("max")),
  };
}

function tables(results: ReadonlyMap<string, Result>): string[] {
  const mib = ({ pssBytes, processes }: Footprint) => `${(pssBytes / 2 ** 20).toFixed(0)} in ${processes}`;
  const figure = (values: readonly number[], share: number) =>
    values.length === 0 ? "–" : quantile(values, share).toFixed(values.length > 0 && median(values) < 100 ? 1 : 0);
  const costs = [...results].map(([name, result]) => [
    name,
    figure(result.startMs, 0.5),
    mib(result.footprint),
    figure(result.answerMs, 0.5),
    figure(result.effectMs, 0.5),
    figure(result.effectMs, 0.99),
    figure(result.reloadMs, 0.5),
    mib(result.footprintAfter),
  ]);
  const wait = (traffic: Traffic | null) =>
    traffic === null
      ? "–"
      : `${traffic.p50Ms.toFixed(2)} / ${traffic.p99Ms.toFixed(2)} / ${traffic.longestMs.toFixed(1)}` +
        (traffic.failed > 0 ? `, ${traffic.failed} FAILED` : "");
  const waits = [...results].map(([name, result]) => [
    name,
    wait(result.atRest),
    wait(result.duringChanges),
    wait(result.duringReloads),
  ]);
  return [
    table([
      "many tenants",
      "start ms",
      "MiB in processes",
      "change answered ms",
      "in effect ms",
      "p99 ms",
      "reload ms",
      "MiB after reloads",
    ], costs),
    table(["another tenant's messages, p50 / p99 / longest ms", "at rest", "during changes", "during reloads"], waits),
  ];
}

async function run(plan: Plan): Promise<boolean> {
  const dir = await Deno.makeTempDir({ prefix: "sluice-bench-tenants-" });
  try {
    using _turn = await takeTurn();
    const machine = await describeMachine();
    const place: Place = { cpu: 0, nofile: machine.nofile, nice: machine.nice };
    const program = await buildLoad(dir);
    await using backend = await Backend.start(place, program, MESSAGE_BYTES);
    using first = new Endpoint("A");
    using second = new Endpoint("B");
    const stage: Stage = { plan, dir, program, place, reply: backend.port("reply"), endpoints: [first, second] };
    const results = new Map<string, Result>();
    let isWhole = true;
    for (const contestant of plan.contestants) {
      try {
        results.set(contestant.name, await measure(stage, contestant));
        console.error(`${contestant.name}: done`);
      } catch (error) {
        if (!(error instanceof ContestantError)) throw error;
        isWhole = false;
        console.error(`FAILED: ${error.message}`);
      }
    }
    const text = [describe(plan, machine), ...tables(results)].join("\n\n");
    console.log(text);
    if (plan.save) await save(plan, machine, results, text);
    return isWhole;
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function describe(plan: Plan, { cpus, kernel, nofile, versions }: Machine): string {
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(", ");
  const contestants = plan.contestants.map(({ name, about }) => `- ${name}: ${about}`).join("\n");
  return `${plan.tenants} tenants; ${cpus} CPUs, ${kernel}, ${nofile} descriptors; ${programs}. ` +
    `${plan.starts} starts, ${plan.changes} changes, ${plan.reloads} reloads.\n\n${contestants}`;
}

async function save(plan: Plan, machine: Machine, results: ReadonlyMap<string, Result>, text: string): Promise<void> {
  const stem = `${new Date().toISOString().slice(0, 10)}-tenants`;
  await Deno.mkdir(RESULTS, { recursive: true });
  const json = { machine, tenants: plan.tenants, results: Object.fromEntries(results) };
  await Deno.writeTextFile(new URL(`${stem}.json`, RESULTS), `${JSON.stringify(json, null, 1)}\n`);
  await Deno.writeTextFile(new URL(`${stem}.md`, RESULTS), `${text}\n`);
  console.log(`\nSaved as bench/results/${stem}.json and .md`);
}

if (import.meta.main) Deno.exit(await runCommand({ help: HELP, readArgs, run }));
