/**
 * Fuzzes the parsers of the C library with libFuzzer: each `ffi/fuzz/fuzz_<name>.c`, first on what once failed
 * (`regression/<name>`, where there is such a folder), then for a time from the seeds (`corpus/<name>`). Inputs that fail are left under
 * `ffi/build/fuzz`; one that is mended belongs into `regression`.
 *
 *   --seconds=N   for each fuzzer (default 30)
 *   WORD…         only the fuzzers whose name contains one of these
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { BUILD_DIR, compileAll, filesUnder, link, prune } from "./compile.ts";
import { checkPlatform, findCompiler, programFlags, ToolError } from "./toolchain.ts";

const FOLDER = "ffi/fuzz";

/** Builds and runs one fuzzer; whether it found nothing. */
async function fuzz(name: string, object: string, shared: readonly string[], compiler: string, seconds: number) {
  const program = `${BUILD_DIR}/fuzz/fuzz_${name}`;
  await link([object, ...shared], program, compiler, programFlags("fuzz"));
  const found = `${BUILD_DIR}/fuzz/${name}`;
  await Deno.mkdir(found, { recursive: true });
  const run = async (args: readonly string[]) =>
    (await new Deno.Command(`./${program}`, { args: [...args], stdin: "null" }).spawn().status).success;
  console.log(`== ${name}: regression`);
  const regression = await filesUnder(`${FOLDER}/regression/${name}`, "");
  if (regression.length > 0 && !await run(regression)) return false;
  console.log(`== ${name}: ${seconds} s`);
  // libFuzzer writes what it learns into the first folder, and only reads the others. Inputs may be longer than the
  // 16 KiB that parsers of what a peer sends look at.
  return await run([
    `-max_total_time=${seconds}`,
    "-max_len=20000",
    "-print_final_stats=1",
    `-artifact_prefix=${found}/`,
    found,
    `${FOLDER}/corpus/${name}`,
  ]);
}

if (import.meta.main) {
  const options = parseArgs(Deno.args, { string: ["seconds", "_"], default: { seconds: "30" } });
  try {
    Deno.chdir(new URL("..", import.meta.url));
    checkPlatform(Deno.build.target);
    const seconds = Number(options.seconds);
    if (!Number.isInteger(seconds) || seconds < 1) {
      throw new ToolError(`--seconds must be a whole number from 1: current value is ${options.seconds}`, 2);
    }
    const words = options._.map(String);
    const fuzzers = (await filesUnder(FOLDER, ".c")).filter((path) =>
      words.length === 0 || words.some((word) => path.includes(word))
    );
    if (fuzzers.length === 0) throw new ToolError(`Cannot fuzz: no ${FOLDER}/fuzz_*.c matches ${words.join(" ")}`, 2);
    const compiler = await findCompiler("fuzz", Deno.env.get("CC"));
    const shared = await compileAll(await filesUnder("ffi/src", ".c"), { compiler, variant: "fuzz" });
    const objects = await compileAll(fuzzers, { compiler, variant: "fuzz" });
    let failed = 0;
    for (const [index, path] of fuzzers.entries()) {
      const name = path.replace(/^.*\/fuzz_/, "").replace(/\.c$/, "");
      if (!await fuzz(name, objects[index] ?? "", shared, compiler, seconds)) failed += 1;
    }
    await prune("fuzz", [...shared, ...objects]);
    console.log(`${fuzzers.length - failed} passed, ${failed} failed`);
    if (failed > 0) Deno.exit(1);
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    console.error(error.message);
    Deno.exit(error.exitCode);
  }
}
