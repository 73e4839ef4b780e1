/**
 * Holds the C sources against `.clang-format`. Versions of clang-format differ in details: 14 decides; without it the
 * check is skipped, and says so. With `--fix` it formats.
 *
 * @module
 */
import { filesUnder } from "./compile.ts";

/** Names under which version 14 is found. */
const CANDIDATES = ["clang-format-14", "clang-format"];

async function findFormatter(): Promise<string | undefined> {
  for (const command of CANDIDATES) {
    try {
      const { stdout } = await new Deno.Command(command, { args: ["--version"], stderr: "null" }).output();
      if (/version 14\./.test(new TextDecoder().decode(stdout))) return command;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return undefined;
}

if (import.meta.main) {
  Deno.chdir(new URL("..", import.meta.url));
  const files: string[] = [];
  for (const folder of ["ffi", "bench", "tests"]) {
    for (const ending of [".c", ".h"]) files.push(...await filesUnder(folder, ending));
  }
  const formatter = await findFormatter();
  if (formatter === undefined) {
    console.log("SKIPPED: clang-format 14 is not installed (Debian: apt-get install clang-format-14)");
    console.log("0 passed, 0 failed");
    Deno.exit(0);
  }
  const mode = Deno.args.includes("--fix") ? ["-i"] : ["--dry-run", "--Werror"];
  const { success } = await new Deno.Command(formatter, {
    args: [...mode, ...files],
    stdout: "inherit",
    stderr: "inherit",
  })
    .output();
  console.log(success ? "1 passed, 0 failed" : "0 passed, 1 failed");
  if (!success) Deno.exit(1);
}
