/**
 * What the kernel says of a process, from /proc. Read through `cat` and `ls`, because Deno opens /proc only to a program
 * that has every permission.
 *
 * @module
 */

/** Clock ticks a second in /proc; the same on every Linux that Deno runs on. */
const TICKS_PER_S = 100;
const PAGE_BYTES = 4096;

/** CPU time and memory of a process. */
export interface Usage {
  /** User and system time so far, milliseconds. */
  readonly cpuMs: number;
  /** Resident memory. */
  readonly rssBytes: number;
}

/** Reads the usage of process `pid`. */
export async function usageOf(pid: number): Promise<Usage> {
  const [stat = "", statm = ""] = (await output("cat", `/proc/${pid}/stat`, `/proc/${pid}/statm`)).split("\n");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  return { cpuMs: ticks * 1000 / TICKS_PER_S, rssBytes: Number(statm.split(" ")[1]) * PAGE_BYTES };
}

/** Open files in every file table of process `pid`: that of each of its threads that has one of its own is counted. */
export async function openFiles(pid: number): Promise<number> {
  const listing = await output("sh", "-c", `for task in /proc/${pid}/task/*; do ls "$task/fd"; done | wc -l`);
  return Number(listing);
}

/** CPU time that process `pid` uses while `windowMs` pass, as a share of one core: a measurement, not a wait. */
export async function cpuShareOver(pid: number, windowMs: number): Promise<number> {
  const start = performance.now();
  const before = (await usageOf(pid)).cpuMs;
  await new Promise((resolve) => setTimeout(resolve, windowMs));
  return ((await usageOf(pid)).cpuMs - before) / (performance.now() - start);
}

async function output(command: string, ...args: string[]): Promise<string> {
  const { stdout, success } = await new Deno.Command(command, { args, stderr: "null" }).output();
  if (!success) throw new Error(`Cannot read the process: ${command} ${args.join(" ")} must succeed: it did not`);
  return new TextDecoder().decode(stdout);
}
