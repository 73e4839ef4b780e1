/**
 * What every benchmark does around its run: arguments read, help printed, an exit code at the end.
 *
 * @module
 */

/** A benchmark as a command. */
export interface BenchCommand<Plan> {
  readonly help: string;
  /** Throws RangeError with a sentence for the user when an argument is wrong. */
  readArgs(args: string[]): Plan | "help";
  /** True when everything went well. */
  run(plan: Plan): Promise<boolean>;
}

/** Runs it with the process's arguments. Resolves with the exit code: 0, 1 when it went wrong, 2 for wrong usage. */
export async function runCommand<Plan>(command: BenchCommand<Plan>): Promise<number> {
  let plan: Plan | "help";
  try {
    plan = command.readArgs(Deno.args);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    console.error(error.message);
    return 2;
  }
  if (plan === "help") {
    console.log(command.help);
    return 0;
  }
  return await command.run(plan) ? 0 : 1;
}
