/**
 * Runs the suites one after the other, passes on what they print, and sums them up: the last line is
 * `N passed, N failed`. Exit code 1 when anything failed.
 *
 *   SUITE…     only these (format, cformat, lint, types, edges, abi, c, asan, tsan, unit, wall, e2e)
 *   --quick    all but the sanitizers
 *   --ci       all, and warnings of the C compiler are errors
 *
 * Without arguments: all but format, cformat and lint, which depend on versions of tools. Where there are sanitizers,
 * C tests run under those only.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { buildLibrary } from "./build.ts";
import { BUILD_DIR } from "./compile.ts";
import { type Suite, SUITES, type Sum, sumOfJunit, sumOfOutput, total, withExitCode } from "./suites.ts";
import { ToolError } from "./toolchain.ts";

/** A suite that takes longer hangs. */
const SUITE_DEADLINE_MS = 600_000;

function choose(args: readonly string[], options: { quick: boolean; ci: boolean }): Suite[] {
  const unknown = args.find((name) => !SUITES.some((suite) => suite.name === name));
  if (unknown !== undefined) {
    const names = SUITES.map((suite) => suite.name).join(", ");
    throw new ToolError(`suite must be one of ${names}: current value is ${unknown}`, 2);
  }
  return SUITES.filter(({ name }) => {
    if (args.length > 0) return args.includes(name);
    if (options.quick) return name !== "asan" && name !== "tsan";
    if (name === "c") return false; // asan runs the same tests
    return options.ci || !["format", "cformat", "lint"].includes(name);
  });
}

/** Runs a suite; what it prints goes on to standard output. */
async function run(suite: Suite): Promise<Sum> {
  const report = `${BUILD_DIR}/junit-${suite.name}.xml`;
  const args = suite.count === "junit" ? [...suite.args, `--junit-path=${report}`] : suite.args;
  const deadline = AbortSignal.timeout(SUITE_DEADLINE_MS);
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    env: { ...suite.env },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
    signal: deadline,
  }).spawn();
  let output = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    await Deno.stdout.write(chunk);
    output += decoder.decode(chunk, { stream: true });
  }
  const { success } = await child.status;
  if (deadline.aborted) console.log(`${suite.name}: killed after ${SUITE_DEADLINE_MS / 1000} s`);
  const sum = suite.count === "junit"
    ? sumOfJunit(await readIfThere(report))
    : suite.count === "sum"
    ? sumOfOutput(output)
    : undefined;
  return withExitCode(sum, success);
}

async function readIfThere(path: string): Promise<string> {
  try {
    const text = await Deno.readTextFile(path);
    await Deno.remove(path);
    return text;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

async function main(): Promise<number> {
  const options = parseArgs(Deno.args, { boolean: ["quick", "ci"], string: ["_"] });
  const ci = options.ci === true;
  const suites = choose(options._.map(String), { quick: options.quick === true, ci });
  await buildLibrary({ werror: ci, cc: Deno.env.get("CC") });
  const rows: { name: string; sum: Sum; seconds: string }[] = [];
  for (const suite of suites) {
    console.log(`\n──── ${suite.name}`);
    const startedMs = performance.now();
    const sum = await run(suite);
    rows.push({ name: suite.name, sum, seconds: ((performance.now() - startedMs) / 1000).toFixed(1) });
  }
  console.log(
    `\n${"suite".padEnd(8)}${"passed".padStart(8)}${"failed".padStart(8)}${"skipped".padStart(9)}${"s".padStart(8)}`,
  );
  for (const { name, sum, seconds } of rows) {
    const numbers = [`${sum.passed}`.padStart(8), `${sum.failed}`.padStart(8), `${sum.skipped}`.padStart(9)];
    console.log(`${name.padEnd(8)}${numbers.join("")}${seconds.padStart(8)}`);
  }
  const all = total(rows.map((row) => row.sum));
  if (all.skipped > 0) console.log(`${all.skipped} skipped: what they need is not installed`);
  console.log(`${all.passed} passed, ${all.failed} failed`);
  return all.failed > 0 || all.passed === 0 ? 1 : 0;
}

if (import.meta.main) {
  Deno.chdir(new URL("..", import.meta.url));
  try {
    Deno.exit(await main());
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    console.error(error.message);
    console.log("0 passed, 1 failed");
    Deno.exit(error.exitCode);
  }
}
