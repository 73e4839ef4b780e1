/**
 * `sluice check`: everything that `serve` would refuse in a configuration, at once.
 *
 * @module
 */
import {
  allProblems,
  type Config,
  defaultConfigPath,
  formatProblem,
  loadConfig,
  type LoadDeps,
  type PathDeps,
  systemPathDeps,
} from "../config/mod.ts";
import { withLoadDeps } from "../host/mod.ts";
import { type Arguments, type Command, CONFIG_FLAG, type Io, JSON_FLAG } from "./command.ts";

/** What the check needs of the outside. */
export interface CheckDeps {
  readonly load: LoadDeps;
  readonly path: PathDeps;
}

/** The command. */
export const checkCommand: Command = {
  name: "check",
  summary: "validate a configuration and print everything that is wrong with it",
  description:
    "Reads the configuration and the files of tenants_dir as serve does, names of endpoints looked up included.\n" +
    "Every problem is printed as file:line:column: path: message, with what to do about it. Exit code 1 when\n" +
    "there is one. A name that cannot be resolved now is advice, not a problem: serve goes on looking for it.\n" +
    "Left to serve: whether addresses are free, whether the access log and the admin API's\n" +
    "certificates can be opened, and whether an admin API without tokens is open to others.",
  flags: [CONFIG_FLAG, JSON_FLAG],
  needs: ["net"],
  run: (args, io) => withLoadDeps((load) => runCheck(args, io, { load, path: systemPathDeps() })),
};

/** Runs the check; resolves with the exit code. */
export async function runCheck(args: Arguments, io: Io, deps: CheckDeps): Promise<number> {
  const file = await defaultConfigPath(args.values.get("config"), deps.path);
  const result = await loadConfig(file, deps.load);
  const problems = allProblems(result);
  const isOk = result.config !== null;
  if (args.switches.has("json")) {
    io.out(`${JSON.stringify({ ok: isOk, file, problems, advice: result.advice }, null, 2)}\n`);
    return isOk ? 0 : 1;
  }
  for (const problem of problems) io.out(`${formatProblem(problem)}\n`);
  for (const problem of result.advice) io.out(`advice: ${formatProblem(problem)}\n`);
  const summary = result.config === null ? countProblems(problems) : `ok: ${countParts(result.config)}`;
  io.out(`${file}: ${summary}\n`);
  return isOk ? 0 : 1;
}

function countProblems(problems: readonly { file: string }[]): string {
  const files = new Set(problems.map((problem) => problem.file)).size;
  return files > 1 ? `${count(problems.length, "problem")} in ${files} files` : count(problems.length, "problem");
}

function countParts({ listeners: shared, tenants }: Config): string {
  const listeners = [...shared, ...tenants.flatMap((tenant) => tenant.listeners)];
  const routes = tenants.flatMap((tenant) => tenant.routes);
  const backends = tenants.flatMap((tenant) => tenant.backends);
  const endpoints = backends.flatMap((backend) => backend.endpoints ?? []);
  return [
    count(tenants.length, "tenant"),
    count(listeners.length, "listener"),
    ...routes.length === 0 ? [] : [count(routes.length, "route")],
    count(backends.length, "backend"),
    count(endpoints.length, "endpoint"),
  ].join(", ");
}

function count(amount: number, word: string): string {
  return `${amount} ${word}${amount === 1 ? "" : "s"}`;
}
