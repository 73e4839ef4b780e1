/**
 * Builds and runs the C tests: each `ffi/tests/test_*.c` is a program, linked with all of the library and with the
 * other sources of that folder that hold no `main`. The last line is `N passed, N failed`.
 *
 *   --variant=release|asan|tsan   how to compile (default release)
 *   WORD…                         only the programs whose name contains one of these
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { archive, BUILD_DIR, compileAll, filesUnder, link, prune, temporaryName } from "./compile.ts";
import { checkPlatform, findCompiler, programFlags, ToolError, type Variant, VARIANTS } from "./toolchain.ts";

const TESTS = "ffi/tests";

/** Options of the sanitizers' runtimes: stop at the first fault, and say where it is. */
const RUNTIME: Record<string, string> = {
  ASAN_OPTIONS: "detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:abort_on_error=0",
  UBSAN_OPTIONS: "print_stacktrace=1:halt_on_error=1",
  TSAN_OPTIONS: "halt_on_error=1:second_deadlock_stack=1",
};

interface Sum {
  passed: number;
  failed: number;
}

/** Whether the compiler has the runtime of a sanitizer: distributions put it in packages of its own. */
async function canLink(compiler: string, variant: Variant): Promise<boolean> {
  if (variant === "release") return true;
  const child = new Deno.Command(compiler, {
    args: [...programFlags(variant), "-x", "c", "-", "-o", "/dev/null"],
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode("int main(void) { return 0; }\n"));
  await writer.close();
  return (await child.status).success;
}

/** Runs the tests of a variant; returns how many passed and failed. */
async function runTests(compiler: string, variant: Variant, words: readonly string[]): Promise<Sum> {
  const options = { compiler, variant, extraFlags: [`-I${TESTS}`] };
  const tests = (await filesUnder(TESTS, ".c")).filter((path) => /\/test_\w+\.c$/.test(path));
  const named = tests.filter((path) => words.length === 0 || words.some((word) => path.includes(word)));
  const chosen = variant === "tsan" && words.length === 0 ? await withThreads(named) : named;
  if (chosen.length === 0) throw new ToolError(`Cannot run C tests: no ${TESTS}/test_*.c matches ${words.join(" ")}`);

  const helpers: string[] = [];
  for (const path of await filesUnder(TESTS, ".c")) {
    const isProgram = tests.includes(path) || /^int main\(/m.test(await Deno.readTextFile(path));
    if (!isProgram) helpers.push(path);
  }
  const shared = await compileAll([...await filesUnder("ffi/src", ".c"), ...helpers], options);
  const library = `${BUILD_DIR}/${variant}/libtested.a`;
  await archive(shared, library);
  const objects = await compileAll(chosen, options);
  const runner = await runnerOf(variant);
  const programs = chosen.map((path, index) => ({
    name: path.slice(TESTS.length + 1, -2),
    object: objects[index] ?? "",
  }));
  const run = async ({ name, object }: { name: string; object: string }): Promise<Sum> => {
    const program = temporaryName(`${BUILD_DIR}/${variant}/${name}`);
    await link([object, library], program, compiler, programFlags(variant));
    try {
      return await runProgram(name, [...runner, `./${program}`]);
    } finally {
      await Deno.remove(program);
    }
  };
  const sum = await sumOf(programs, run);
  await prune(variant, [...shared, ...objects]);
  return sum;
}

/** Programs that have threads, of their own or an engine's: in others ThreadSanitizer has nothing to find. */
async function withThreads(paths: readonly string[]): Promise<string[]> {
  const marks = /\bpthread|"(?:preconnect_|mirror_)?scene\.h"|"(?:host|line|storm)\.h"/;
  const texts = await Promise.all(paths.map((path) => Deno.readTextFile(path)));
  return paths.filter((_, index) => marks.test(texts[index] ?? ""));
}

/** Runs one program on each core at a time: they wait more than they work. */
async function sumOf<T>(all: readonly T[], run: (one: T) => Promise<Sum>): Promise<Sum> {
  const sum: Sum = { passed: 0, failed: 0 };
  const left = all.values();
  const runSome = async () => {
    for (const one of left) {
      const { passed, failed } = await run(one);
      sum.passed += passed;
      sum.failed += failed;
    }
  };
  await Promise.all(Array.from({ length: navigator.hardwareConcurrency }, runSome));
  return sum;
}

/**
 * What to put before a program. ThreadSanitizer maps its shadow at fixed addresses, which newer kernels' address space
 * randomisation may have taken: where that can be turned off, it is.
 */
async function runnerOf(variant: Variant): Promise<readonly string[]> {
  if (variant !== "tsan") return [];
  try {
    const { success } = await new Deno.Command("setarch", { args: ["-R", "true"], stdout: "null", stderr: "null" })
      .output();
    return success ? ["setarch", "-R"] : [];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Runs one program. A program that ends without its sum, by a signal or a sanitizer, counts as one failure more. */
async function runProgram(name: string, argv: readonly string[]): Promise<Sum> {
  const [command = "", ...args] = argv;
  const { code, signal, stdout } = await new Deno.Command(command, {
    args,
    env: RUNTIME,
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).output();
  const text = new TextDecoder().decode(stdout);
  console.log(`== ${name}\n${text.trimEnd()}`);
  const sum = /^(\d+) passed, (\d+) failed$/m.exec(text);
  if (sum === null || (code !== 0 && sum[2] === "0")) {
    console.log(`FAIL ${name}: ended with ${signal ?? `exit code ${code}`}`);
    return { passed: text.match(/^ok /gm)?.length ?? 0, failed: 1 + (text.match(/^FAIL /gm)?.length ?? 0) };
  }
  return { passed: Number(sum[1]), failed: Number(sum[2]) };
}

if (import.meta.main) {
  const options = parseArgs(Deno.args, { string: ["variant", "_"] });
  try {
    Deno.chdir(new URL("..", import.meta.url));
    const name = options.variant ?? "release";
    let variant = VARIANTS.find((known) => known === name && known !== "fuzz");
    if (variant === undefined) {
      throw new ToolError(`--variant must be release, asan or tsan: current value is ${name}`, 2);
    }
    checkPlatform(Deno.build.target);
    const compiler = await findCompiler(variant, Deno.env.get("CC"));
    if (variant === "asan" && !await canLink(compiler, variant)) {
      console.log(`NOTICE: ${compiler} cannot link asan programs; install gcc's libasan. The tests run without it`);
      variant = "release";
    }
    if (!await canLink(compiler, variant)) {
      console.log(
        `SKIPPED: ${compiler} cannot link ${variant} programs; install its sanitizers' runtimes (gcc: libasan, libtsan)`,
      );
      console.log("0 passed, 0 failed");
      Deno.exit(0);
    }
    const { passed, failed } = await runTests(compiler, variant, options._.map(String));
    console.log(`${passed} passed, ${failed} failed`);
    if (failed > 0 || passed === 0) Deno.exit(1);
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    console.error(error.message);
    console.log("0 passed, 1 failed");
    Deno.exit(error.exitCode);
  }
}
