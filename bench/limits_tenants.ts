/**
 * Many tenants with limits and no traffic: what the workers do all the same. Called by limits.ts.
 *
 * @module
 */
import type { Plan } from "./limits_args.ts";
import { bandwidth, limited } from "./limits_contestants.ts";
import { outputOf } from "./machine.ts";
import type { Bench } from "./measure.ts";
import { freePort, freePorts } from "./ports.ts";
import { Proxy } from "./proxy.ts";
import { table } from "./table.ts";

const TENANTS = 10_000;
const WORKERS = 2;
const LOOK_MS = 5000;
const START_PATIENCE_MS = 60_000;
/** After the start the control plane collects its garbage. */
const REST_MS = 2000;

interface Thread {
  readonly name: string;
  readonly cpuNs: number;
  readonly switches: number;
}

/** Everything measured, as a table. */
export async function measureTenants(bench: Bench, _plan: Plan) {
  const first = freePorts(TENANTS);
  const limits = bandwidth("down", 1e6, 1e5);
  const many = Array.from({ length: TENANTS }, (_, index) => ({ id: `t${index}`, listen: first + index, limits }));
  const contestant = limited("tenants", WORKERS, [{ id: "ready", limits: "{}" }, ...many]);
  await using proxy = await Proxy.start(contestant, bench.proxyPlace, bench.dir, freePort(), START_PATIENCE_MS);
  await pause(REST_MS);
  const before = await threads(proxy.pid);
  await pause(LOOK_MS);
  const after = await threads(proxy.pid);
  const json = [...after].flatMap(([id, thread]) => {
    const earlier = before.get(id);
    if (earlier === undefined) return [];
    return [{
      name: thread.name,
      cpuNs: thread.cpuNs - earlier.cpuNs,
      switches: thread.switches - earlier.switches,
    }];
  });
  const lines = json.map(({ name, cpuNs, switches }) => [name, (cpuNs / 1e6).toFixed(3), String(switches)]);
  const header = [`${TENANTS} tenants at rest, ${LOOK_MS / 1000} s`, "CPU ms", "voluntary switches"];
  return { json, text: [table(header, lines)] };
}

/** Every thread of a process, by its id. */
async function threads(pid: number): Promise<Map<string, Thread>> {
  const found = new Map<string, Thread>();
  // By a program: Deno itself may read /proc only with all permissions.
  const ids = (await outputOf("ls", `/proc/${pid}/task`)).split("\n");
  for (const id of ids) {
    const read = (file: string) => outputOf("cat", `/proc/${pid}/task/${id}/${file}`);
    const [name, schedstat, status] = await Promise.all([read("comm"), read("schedstat"), read("status")]);
    found.set(id, {
      name: name.trim(),
      cpuNs: Number(schedstat.split(" ")[0]),
      switches: Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(status)?.[1]),
    });
  }
  return found;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
