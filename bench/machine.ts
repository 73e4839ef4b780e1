/**
 * The machine: what it is, and the settings that must be the same for every contestant. Changes one kernel setting for
 * the time of a run, and puts it back.
 *
 * @module
 */

const CONGESTION_CONTROL = "net.ipv4.tcp_congestion_control";
const NOFILE = 65536;
const NICE = -15;
const LOCK = "/tmp/sluice-bench.lock";

/** What the results were measured on. */
export interface Machine {
  readonly cpus: number;
  readonly kernel: string;
  readonly congestionControl: string;
  readonly nofile: number;
  readonly nice: number;
  readonly versions: Readonly<Record<string, string>>;
}

/** Runs a command that ends by itself; what it printed on both streams. Throws when it fails. */
export async function outputOf(command: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args, stdin: "null" }).output();
  const decoder = new TextDecoder();
  const text = (decoder.decode(stdout) + decoder.decode(stderr)).trim();
  if (!success) throw new Error(`Cannot measure: ${command} ${args.join(" ")} must succeed: it printed ${text}`);
  return text;
}

/** How many descriptors each process gets: more than any row needs, or what this user may have. */
async function nofileLimit(): Promise<number> {
  const hard = await outputOf("sh", "-c", "ulimit -Hn");
  return hard === "unlimited" ? NOFILE : Math.min(NOFILE, Number(hard));
}

/** The niceness that everything measured gets: below 0 if this user may. */
async function niceness(): Promise<number> {
  const answer = await outputOf("nice", "-n", String(NICE), "nice");
  return answer === String(NICE) ? NICE : 0;
}

/** Waits until no other benchmark runs on this machine, and keeps others waiting until the result is disposed of. */
export async function takeTurn(): Promise<Disposable> {
  const file = await Deno.open(LOCK, { create: true, write: true });
  const waiting = setTimeout(() => console.error("Waiting for another benchmark on this machine to end …"), 500);
  await file.lock(true);
  clearTimeout(waiting);
  // Closing the file releases the lock.
  return { [Symbol.dispose]: () => file.close() };
}

/** Describes the machine as it is now. */
export async function describeMachine(): Promise<Machine> {
  const kernel = (await outputOf("uname", "-r")).split("-")[0] ?? "";
  return {
    cpus: navigator.hardwareConcurrency,
    kernel: `Linux ${kernel}`,
    congestionControl: await outputOf("sysctl", "-n", CONGESTION_CONTROL),
    nofile: await nofileLimit(),
    nice: await niceness(),
    versions: {
      deno: Deno.version.deno,
      haproxy: await versionOf("haproxy", ["-v"], /version ([\d.]+)/),
      nginx: await versionOf("nginx", ["-v"], /nginx\/([\d.]+)/),
    },
  };
}

async function versionOf(command: string, args: string[], pattern: RegExp): Promise<string> {
  try {
    return pattern.exec(await outputOf(command, ...args))?.[1] ?? "unknown";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "not installed";
    throw error;
  }
}

/**
 * Sets the congestion control of all new sockets until the result is disposed of; says on standard error when this user
 * may not, and leaves it as it is.
 */
export async function useCongestionControl(name: string): Promise<AsyncDisposable> {
  const before = await outputOf("sysctl", "-n", CONGESTION_CONTROL);
  const set = (value: string) => outputOf("sysctl", "-q", "-w", `${CONGESTION_CONTROL}=${value}`);
  if (before !== name) {
    try {
      await set(name);
    } catch (error) {
      console.error(`Congestion control stays ${before}: ${error instanceof Error ? error.message : error}`);
      return { [Symbol.asyncDispose]: () => Promise.resolve() };
    }
  }
  return {
    [Symbol.asyncDispose]: async () => {
      if (before !== name) await set(before);
    },
  };
}
