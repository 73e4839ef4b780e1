/**
 * What `deno task test` runs, and how the number of passed and failed tests is read from what a suite leaves behind.
 * `test.ts` runs it.
 *
 * @module
 */

/** How many tests passed, failed and were left out. */
export interface Sum {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** A step of the run. */
export interface Suite {
  readonly name: string;
  /** Arguments of `deno`. */
  readonly args: readonly string[];
  /** How tests are counted: by the last `N passed, N failed`, by a JUnit report, or as one by the exit code. */
  readonly count: "sum" | "junit" | "exit";
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
}

const RUN = ["run", "--quiet", "--no-prompt"];
const TEST = ["test", "--no-prompt"];

function task(name: string): readonly string[] {
  return ["task", "--quiet", name];
}

/** Every suite by name, in the order in which they run: what fails fast comes first. */
export const SUITES: readonly Suite[] = [
  { name: "format", args: ["fmt", "--check"], count: "exit" },
  { name: "cformat", args: [...RUN, "-P=tests", "tools/check_c_format.ts"], count: "sum" },
  { name: "lint", args: task("lint"), count: "exit" },
  { name: "types", args: task("check"), count: "exit" },
  { name: "edges", args: [...RUN, "-P=source", "tools/check_edges.ts"], count: "exit" },
  { name: "abi", args: [...RUN, "-P=source", "tools/check_abi.ts"], count: "exit" },
  { name: "c", args: [...RUN, "-P=tests", "tools/c_tests.ts"], count: "sum" },
  { name: "asan", args: [...RUN, "-P=tests", "tools/c_tests.ts", "--variant=asan"], count: "sum" },
  { name: "tsan", args: [...RUN, "-P=tests", "tools/c_tests.ts", "--variant=tsan"], count: "sum" },
  { name: "unit", args: [...TEST, "--parallel", "-P=unit", "tests/unit"], count: "junit", env: { DENO_JOBS: "2" } },
  { name: "wall", args: [...TEST, "-P=abi", "tests/abi"], count: "junit" },
  // Its tests wait more than they work: some files side by side.
  { name: "e2e", args: [...TEST, "--parallel", "-P=e2e", "tests/e2e"], count: "junit", env: { DENO_JOBS: "3" } },
];

/** The sum of a suite that prints `N passed, N failed` last. */
export function sumOfOutput(output: string): Sum | undefined {
  const last = [...output.matchAll(/^(\d+) passed, (\d+) failed$/gm)].at(-1);
  if (last === undefined) return undefined;
  return { passed: Number(last[1]), failed: Number(last[2]), skipped: /^SKIPPED/m.test(output) ? 1 : 0 };
}

/**
 * The sum of a JUnit report of `deno test`. A test with steps is a heading: its steps are counted in its place.
 */
export function sumOfJunit(report: string): Sum {
  const cases = [...report.matchAll(/<testcase name="([^"]*)"[^>]*>([\s\S]*?)<\/testcase>/g)].map((match) => ({
    name: match[1] ?? "",
    body: match[2] ?? "",
  }));
  const headings = new Set(cases.flatMap(({ name }) => {
    const parts = name.split(" &gt; ");
    return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join(" &gt; "));
  }));
  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const { name, body } of cases) {
    if (headings.has(name)) continue;
    if (/<failure\b|<error\b/.test(body)) sum.failed += 1;
    else if (/<skipped\b/.test(body)) sum.skipped += 1;
    else sum.passed += 1;
  }
  return sum;
}

/** The sum with the exit code taken into account: a suite that ends badly has at least one failure. */
export function withExitCode(sum: Sum | undefined, success: boolean): Sum {
  const counted = sum ?? { passed: success ? 1 : 0, failed: 0, skipped: 0 };
  return success || counted.failed > 0 ? counted : { ...counted, failed: 1 };
}

/** All sums as one. */
export function total(sums: readonly Sum[]): Sum {
  return sums.reduce(
    (all, sum) => ({
      passed: all.passed + sum.passed,
      failed: all.failed + sum.failed,
      skipped: all.skipped + sum.skipped,
    }),
    { passed: 0, failed: 0, skipped: 0 },
  );
}
