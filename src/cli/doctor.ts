/**
 * `sluice doctor`: prints what stands between this machine and a configuration, and what to do about it.
 *
 * @module
 */
import { bold, cyan, dim, green, red, yellow } from "@std/fmt/colors";
import { allProblems, compilePlan, defaultConfigPath, formatProblem, loadConfig } from "../config/mod.ts";
import {
  defaultDemand,
  type Demand,
  demandOf,
  examine,
  type FileReader,
  type Finding,
  grepReader,
  type LibraryState,
  libraryState,
  readFacts,
  type Verdict,
} from "../doctor/mod.ts";
import { withLoadDeps } from "../host/mod.ts";
import { type Arguments, type Command, CONFIG_FLAG, type Io, JSON_FLAG } from "./command.ts";

/** Most workers that the data plane has. */
const MOST_WORKERS = 64;

/** What the doctor needs of the outside. */
export interface DoctorDeps {
  readonly read: FileReader;
  readonly pid: number;
  readonly cores: number;
  library(): LibraryState;
  /** The demand of the configuration that `flag` or the rule names, or what is wrong with it. */
  demand(flag: string | undefined, cores: number): Promise<Demand | { readonly problems: readonly string[] }>;
}

/** The command. */
export const doctorCommand: Command = {
  name: "doctor",
  summary: "compare kernel and limits with the configuration, and say what to change",
  description: "Checks the kernel, the limits of this process and the network parameters against the configuration.\n" +
    "Each line is ok, advice or will-fail, with what was found, what is wanted and why, and the command that\n" +
    "mends it. Nothing is changed. Exit code 1 when something will fail.",
  flags: [CONFIG_FLAG, JSON_FLAG],
  needs: ["ffi", "net", "run"],
  run: (args, io) => runDoctor(args, io, systemDeps()),
};

/** Runs the doctor; resolves with the exit code. */
export async function runDoctor(args: Arguments, io: Io, deps: DoctorDeps): Promise<number> {
  const demand = await deps.demand(args.values.get("config"), deps.cores);
  if ("problems" in demand) {
    io.err(demand.problems.map((problem) => `${problem}\n`).join(""));
    return 1;
  }
  const facts = await readFacts(deps.read, { pid: deps.pid, cores: deps.cores, library: deps.library() });
  const findings = examine(facts, demand);
  io.out(args.switches.has("json") ? formatJson(demand, findings) : formatText(demand, findings, io.color));
  return findings.some((finding) => finding.verdict === "will-fail") ? 1 : 0;
}

function formatJson(demand: Demand, findings: readonly Finding[]): string {
  const { file, workers, sessions } = demand;
  const ok = findings.every((finding) => finding.verdict !== "will-fail");
  return `${JSON.stringify({ ok, config: file, workers, max_connections: sessions, findings }, null, 2)}\n`;
}

function formatText(demand: Demand, findings: readonly Finding[], color: boolean): string {
  const paint = (style: (text: string) => string, text: string) => color ? style(text) : text;
  const styles: Record<Verdict, (text: string) => string> = { "ok": green, "advice": yellow, "will-fail": red };
  const width = Math.max(...findings.map((finding) => finding.id.length));
  const indent = " ".repeat(11);
  const blocks = findings.map((finding) => {
    const head = `${paint(styles[finding.verdict], finding.verdict.padEnd(9))}  ` +
      `${paint(bold, finding.id.padEnd(width))}  ${finding.found}\n`;
    if (finding.verdict === "ok") return head;
    return head + `${indent}wanted: ${finding.wanted}\n${indent}${paint(dim, `why: ${finding.why}`)}\n` +
      (finding.mend === null ? "" : `${indent}mend: ${paint(cyan, finding.mend)}\n`);
  });
  const number = (verdict: Verdict) => findings.filter((finding) => finding.verdict === verdict).length;
  return `Checked against ${demand.file ?? "the defaults: there is no configuration"}\n\n${blocks.join("")}\n` +
    `${number("ok")} ok, ${number("advice")} advice, ${number("will-fail")} will fail\n`;
}

function systemDeps(): DoctorDeps {
  return {
    read: grepReader,
    pid: Deno.pid,
    cores: navigator.hardwareConcurrency,
    library: () => libraryState(Deno.env.get("SLUICE_LIBRARY")),
    demand: loadDemand,
  };
}

async function loadDemand(
  flag: string | undefined,
  cores: number,
): Promise<Demand | { readonly problems: readonly string[] }> {
  const path = await defaultConfigPath(flag);
  if (flag === undefined && !await isThere(path)) return defaultDemand(cores);
  const loaded = await withLoadDeps((load) => loadConfig(path, load));
  const { config, names } = loaded;
  if (config === null) return { problems: allProblems(loaded).map(formatProblem) };
  return demandOf(
    path,
    compilePlan(config, names),
    config.workers === "auto" ? Math.min(cores, MOST_WORKERS) : config.workers,
  );
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
