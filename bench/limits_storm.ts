/**
 * A cap under a storm of connections, and what another tenant notices of it. Called by limits.ts.
 *
 * @module
 */
import type { Plan } from "./limits_args.ts";
import { limited } from "./limits_contestants.ts";
import { Backend, type LoadReport, runLoad } from "./load.ts";
import type { Bench } from "./measure.ts";
import { freePort } from "./ports.ts";
import { Proxy } from "./proxy.ts";
import { table } from "./table.ts";

const CAPS = [1, 7, 1000];
const WORKERS = 4;
const ATTEMPTS_PER_S = 10_000;
/** More than the highest cap: who is let in stays for a fifth of a second. */
const CLIENTS = 4000;
const MESSAGE_BYTES = 64;
const MESSAGES_PER_S = 1000;
const END_PATIENCE_MS = 5000;
const RETRY_MS = 20;

interface Storm {
  readonly cap: number;
  readonly attemptsPerS: number;
  readonly served: number;
  readonly mostAtOnce: number;
  /** What the tenant's counters say when everything is over. */
  readonly sessionsAfter: number;
  readonly usedAfter: number;
  /** Of the other tenant's messages. */
  readonly otherFailed: number;
  readonly quietP99Us: number;
  readonly stormP99Us: number;
}

/** Everything measured, as a table. */
export async function measureStorm(bench: Bench, plan: Plan) {
  const json: Storm[] = [];
  for (const cap of CAPS) {
    json.push(await storm(bench, plan.stormSeconds, cap));
    console.error(`storm on a cap of ${cap}: at most ${json.at(-1)?.mostAtOnce}`);
  }
  const header = [
    "cap",
    "attempts/s",
    "served",
    "most at once",
    "left at the end",
    "p99 µs quiet",
    "p99 µs in the storm",
  ];
  const lines = json.map((result) => [
    String(result.cap),
    result.attemptsPerS.toFixed(0),
    String(result.served),
    `${result.mostAtOnce}${result.mostAtOnce > result.cap ? " OVER" : ""}`,
    `${result.sessionsAfter} / ${result.usedAfter}`,
    result.quietP99Us.toFixed(0),
    `${result.stormP99Us.toFixed(0)}${result.otherFailed > 0 ? `, ${result.otherFailed} FAILED` : ""}`,
  ]);
  return { json, text: [table(header, lines)] };
}

async function storm(bench: Bench, seconds: number, cap: number): Promise<Storm> {
  await using backend = await Backend.start(bench.loadPlace, bench.program, MESSAGE_BYTES);
  const token = crypto.randomUUID();
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token));
  const admin = { port: freePort(), tokenHash: new Uint8Array(hash).toHex() };
  const [stormy, quiet] = [freePort(), freePort()];
  const contestant = limited("storm", WORKERS, [
    { id: "ready", limits: "{}" },
    { id: "stormy", listen: stormy, limits: `{ max_connections: ${cap} }` },
    { id: "quiet", listen: quiet, backend: backend.port("reply"), limits: "{}" },
  ], admin);
  await using _proxy = await Proxy.start(contestant, bench.proxyPlace, bench.dir, backend.port("hold"));
  const load = async (...args: string[]) => {
    const [report] = await runLoad<LoadReport>(bench.loadPlace, bench.program, args);
    if (report === undefined) throw new Error("Cannot measure: the load generator must report: it printed nothing");
    return report;
  };
  const ask = () =>
    load(
      "rr",
      `--port=${quiet}`,
      `--size=${MESSAGE_BYTES}`,
      "--concurrency=4",
      `--rate=${MESSAGES_PER_S}`,
      `--count=${MESSAGES_PER_S * seconds}`,
    );
  const before = await ask();
  const attempts = ATTEMPTS_PER_S * seconds;
  const [report, meanwhile] = await Promise.all([
    load(
      "short",
      `--port=${stormy}`,
      `--size=${MESSAGE_BYTES}`,
      "--storm",
      `--concurrency=${CLIENTS}`,
      `--rate=${ATTEMPTS_PER_S}`,
      `--count=${attempts}`,
    ),
    ask(),
  ]);
  const after = await statusAtRest(admin.port, token);
  return {
    cap,
    attemptsPerS: attempts / report.seconds,
    served: report.done,
    mostAtOnce: (await backend.count()).most_held,
    ...after,
    otherFailed: Object.values(meanwhile.failed).reduce((sum, count) => sum + count, 0),
    quietP99Us: before.latency_ns.p99 / 1e3,
    stormP99Us: meanwhile.latency_ns.p99 / 1e3,
  };
}

/** The tenant's counters once they are 0, or after a while. */
async function statusAtRest(port: number, token: string): Promise<Pick<Storm, "sessionsAfter" | "usedAfter">> {
  const deadline = performance.now() + END_PATIENCE_MS;
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${port}/v1/tenants/stormy/status`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    const status = await response.json();
    if (!response.ok) throw new Error(`Cannot measure: the status must be answered: ${JSON.stringify(status)}`);
    const after = { sessionsAfter: status.sessions, usedAfter: status.limits.max_connections.used };
    if (after.sessionsAfter === 0 && after.usedAfter === 0 || performance.now() > deadline) return after;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}
