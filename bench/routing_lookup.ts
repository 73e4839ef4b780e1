/**
 * What it takes to read a hello and to find its route, without a connection around it. Called by routing.ts.
 *
 * @module
 */
import { placed } from "./load.ts";
import { outputOf } from "./machine.ts";
import type { Bench } from "./measure.ts";
import type { Plan } from "./routing_args.ts";
import { namesOf, writeHellos } from "./routing_prefix.ts";
import { table } from "./table.ts";

const ROUTES = [10, 1000, 10_000, 100_000];
const PROGRAM = new URL("./lookup/lookup.c", import.meta.url).pathname;
const LIBRARY = new URL("../ffi/", import.meta.url).pathname;
const SOURCES = ["core/routes.c", "policy/route.c", "policy/client_hello.c", "policy/prefix_set.c"];
const FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-O2", `-I${LIBRARY}include`, `-I${LIBRARY}src`];

interface Report {
  readonly routes: number;
  /** Nanoseconds to read a hello, and to find its name. */
  readonly hello_ns: number;
  readonly find_ns: number;
}

/** As a table: a line for each number of routes. */
export async function measureLookup(bench: Bench, _plan: Plan) {
  const program = `${bench.dir}/lookup`;
  await outputOf("cc", ...FLAGS, "-o", program, PROGRAM, ...SOURCES.map((name) => `${LIBRARY}src/${name}`));
  const reports: Report[] = [];
  for (const count of ROUTES) {
    const names = namesOf(count);
    const hellos = await writeHellos(bench.dir, names);
    const path = `${bench.dir}/names-${count}`;
    await Deno.writeTextFile(path, names.map((name) => `${name}\n`).join(""));
    const { command, args } = placed(bench.proxyPlace, [program, hellos.path, String(hellos.size), path]);
    reports.push(JSON.parse(await outputOf(command, ...args)));
  }
  const lines = reports.map((report) => [
    String(report.routes),
    report.hello_ns.toFixed(0),
    report.find_ns.toFixed(0),
  ]);
  return { json: reports, text: [table(["routes", "reading a hello, ns", "finding its route, ns"], lines)] };
}
