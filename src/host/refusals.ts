/**
 * Tells of refused sessions, by tenant and reason, without a line for each: a notice of the data plane marks a tenant,
 * and what its counters have gained is told soon after that, then every ten seconds for as long as there is something
 * new. What comes between two looks is in the next one, so every refusal is told once. What is refused at shared
 * listeners before a route was found has no tenant (null here). Owned by `host.ts`, on whose thread it runs; the notices
 * come by `logs.ts`.
 *
 * @module
 */

import type { AppliedChange } from "../control/mod.ts";
import type { Reason, TenantStats } from "../ffi/mod.ts";
import type { Log } from "../log.ts";
import { Throttle } from "./throttle.ts";

/** From the first notice to the first line: a burst is one line. */
export const FIRST_MS = 250;
/** Between two lines of one tenant and reason. */
export const EVERY_MS = 10_000;

/** Reasons of Sluice's own, in the order in which they are told. What endpoints and clients do is no refusal. */
const REFUSALS: readonly Reason[] = [
  "process_connections",
  "fd_exhausted",
  "memory",
  "bad_proxy_header",
  "no_route",
  "tenant_disabled",
  "denied",
  "source_connections",
  "source_rate",
  "tenant_connections",
  "tenant_rate",
  "queue_full",
  "queue_timeout",
  "no_endpoint",
  "circuit_open",
  "fault",
];

/** Sessions of a tenant that were refused for one reason since it was told last. */
export interface Refusal {
  readonly tenant: string | null;
  readonly reason: Reason;
  readonly count: number;
  /** A dry run: they went on. */
  readonly dryRun: boolean;
}

/** What this works with. */
export interface RefusalsDeps {
  /** Counters of one tenant; null when there is none of that name, or they cannot be read now. */
  readonly engine: { tenantStatsOf(tenant: string | null): TenantStats | null };
  readonly log: Log;
  /** Told beside the log. */
  onRefusal(refusal: Refusal): void;
  /** Monotonic, ms. */
  now(): number;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** What was told of a reason so far: sessions that were turned away, and those that a dry run let pass. */
interface Told {
  readonly real: number;
  readonly dry: number;
}

/** Watches the tenants whose sessions are refused. */
export class Refusals implements AsyncDisposable {
  readonly #deps: RefusalsDeps;
  readonly #throttle: Throttle;
  readonly #stop = new AbortController();
  /** Of each tenant that was ever refused anything. */
  readonly #told = new Map<string | null, ReadonlyMap<Reason, Told>>();
  /** Tenants with news, each until there was none for an interval. */
  readonly #watches = new Map<string | null, Promise<void>>();
  /** Tenants whose counters were not there when they were asked for: the engine may have been about to stop. */
  readonly #unread = new Set<string | null>();

  constructor(deps: RefusalsDeps) {
    this.#deps = deps;
    this.#throttle = new Throttle(EVERY_MS, deps.now);
  }

  /** A tenant's sessions are being refused. */
  mark(tenant: string | null): void {
    if (!this.#watches.has(tenant)) this.#watches.set(tenant, this.#watch(tenant));
  }

  /** A change is in force: a tenant that has the name of one that went counts from the start. */
  follow({ changes }: Pick<AppliedChange, "changes">): void {
    for (const { op, path } of changes) {
      const tenant = /^\/tenants\/([^/]+)$/.exec(path)?.[1];
      if (op !== "remove" || tenant === undefined) continue;
      this.#told.delete(tenant);
      this.#unread.delete(tenant);
    }
  }

  async #watch(tenant: string | null): Promise<void> {
    const { sleep } = this.#deps;
    const { signal } = this.#stop;
    await sleep(FIRST_MS, signal);
    while (this.#tell(tenant) && !signal.aborted) await sleep(EVERY_MS, signal);
    this.#watches.delete(tenant);
  }

  /** Tells what is new; false when nothing is. */
  #tell(tenant: string | null): boolean {
    const stats = this.#read(tenant);
    if (stats === null) {
      this.#unread.add(tenant);
      return false;
    }
    this.#unread.delete(tenant);
    const before = this.#told.get(tenant);
    const now = new Map(
      REFUSALS.map((reason) => [reason, countsOf(stats, reason, before?.get(reason))] as const)
        .filter(([, { real, dry }]) => real > 0 || dry > 0),
    );
    this.#told.set(tenant, now);
    const news = newRefusals(tenant, before, now);
    for (const refusal of news) {
      const { reason, count, dryRun } = refusal;
      const fields = { ...tenant === null ? {} : { tenant }, reason, count };
      if (dryRun) this.#deps.log.warn("sessions would be refused", { ...fields, dry_run: true });
      else this.#deps.log.warn("sessions are refused", fields);
      this.#deps.onRefusal(refusal);
    }
    return news.length > 0;
  }

  #read(tenant: string | null): TenantStats | null {
    try {
      return this.#deps.engine.tenantStatsOf(tenant);
    } catch (error) {
      const held = this.#throttle.pass("read");
      if (held === null) return null;
      const more = held === 0 ? undefined : held;
      const why = error instanceof Error ? error : String(error);
      this.#deps.log.warn("refusals cannot be counted", { tenant, error: why, more });
      return null;
    }
  }

  /** Tells what is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#watches.values());
    for (const tenant of [...this.#unread]) this.#tell(tenant);
  }
}

/**
 * How often sessions were turned away for a reason, and how often they went on. The two counters are not read in one
 * moment, so their difference may fall for a moment; what was told stays told.
 */
function countsOf(stats: TenantStats, reason: Reason, before: Told | undefined): Told {
  const dry = stats.dryRefused.get(reason) ?? 0;
  const real = (stats.refused.get(reason) ?? 0) - dry;
  return { real: Math.max(real, before?.real ?? 0), dry: Math.max(dry, before?.dry ?? 0) };
}

function newRefusals(
  tenant: string | null,
  before: ReadonlyMap<Reason, Told> | undefined,
  now: ReadonlyMap<Reason, Told>,
): Refusal[] {
  return [...now].flatMap(([reason, { real, dry }]) => {
    const told = before?.get(reason) ?? { real: 0, dry: 0 };
    return [
      { tenant, reason, count: real - told.real, dryRun: false },
      { tenant, reason, count: dry - told.dry, dryRun: true },
    ].filter(({ count }) => count > 0);
  });
}
