/**
 * Moves the weights of all splits with a canary, in one loop. Made and owned by the host; the control plane asks it for
 * the weights of a tenant before it tells the data plane (`weigh`), and tells it what is in force (`follow`).
 *
 * A rollout goes on over changes of the configuration that leave the revision of its canary as it is. It is kept in
 * memory only.
 *
 * @module
 */

import type { BackendPlan, CanaryPlan, TenantPlan } from "../config/mod.ts";
import type { BackendCounters, CanariesDeps, CanaryStatus } from "./canaries_deps.ts";
import {
  advance,
  beginStep,
  dueOf,
  type Move,
  moveOfStart,
  observe,
  type Rollout,
  startRollout,
  weightOf,
} from "./rollout.ts";

/** Between two looks at the counters. */
const POLL_MS = 1_000;
/** Longest sleep of the loop: timers take no more than 2^31 ms. */
const LONGEST_SLEEP_MS = 60_000;

const WHOLE_PERCENT = 100;

interface Entry {
  readonly tenant: string;
  /** The split. */
  readonly backend: string;
  /** Its last part. */
  readonly canary: string;
  rollout: Rollout;
  /** Since when it is where it stands, Unix time in ms. */
  sinceMs: number;
  /** A move that is not in force yet; nothing is judged until it is. */
  pending: Move | null;
  isApplying: boolean;
  /** Whether it was told that the move cannot be put in force. */
  isFailureTold: boolean;
}

/** Moves canaries until it is disposed. */
export class Canaries implements AsyncDisposable {
  readonly #deps: CanariesDeps;
  /** By tenant, by split. */
  readonly #tenants = new Map<string, ReadonlyMap<string, Entry>>();
  readonly #underWay = new Set<Promise<void>>();
  readonly #running: Promise<void>;
  #wake = new AbortController();
  #isStopped = false;

  /** Starts the loop. */
  constructor(deps: CanariesDeps) {
    this.#deps = deps;
    this.#running = this.#run();
  }

  /** A tenant with the weights that its splits have, or will have once it is in force. Changes nothing. */
  weigh(plan: TenantPlan): TenantPlan {
    if (!plan.backends.some(({ canary }) => canary !== null)) return plan;
    return { ...plan, backends: plan.backends.map((backend) => this.#weighed(plan.id, backend)) };
  }

  /** These tenants are in force as they are now, and those are gone. What is new begins at its first step. */
  follow(
    { upserts, removals }: { readonly upserts: readonly TenantPlan[]; readonly removals: readonly string[] },
  ): void {
    if (this.#isStopped) return;
    for (const id of removals) this.#tenants.delete(id);
    const started: Entry[] = [];
    for (const { id, backends } of upserts) {
      const entries = new Map<string, Entry>();
      for (const backend of backends) {
        const { canary } = backend;
        const part = backend.split.at(-1)?.backend;
        if (canary === null || part === undefined) continue;
        const kept = this.#entryOf(id, backend.id, canary);
        const entry = kept ?? this.#entered(id, backend.id, part, canary);
        if (kept === undefined) started.push(entry);
        entries.set(backend.id, entry);
      }
      if (entries.size === 0) this.#tenants.delete(id);
      else this.#tenants.set(id, entries);
    }
    if (started.length === 0) return;
    const counters = this.#read();
    for (const entry of started) entry.rollout = observe(entry.rollout, countersOf(counters, entry));
    // Whoever changed the configuration tells of that first.
    queueMicrotask(() => {
      for (const entry of started) this.#tell(entry, moveOfStart(entry.rollout));
    });
    this.#wake.abort();
  }

  /** Where a split's canary stands; null for a backend without one. */
  statusOf(tenant: string, backend: string): CanaryStatus | null {
    const entry = this.#tenants.get(tenant)?.get(backend);
    if (entry === undefined) return null;
    const { rollout, sinceMs } = entry;
    return {
      step: rollout.step + 1,
      weight: weightOf(rollout),
      state: rollout.state,
      sinceMs,
      reason: rollout.reason,
    };
  }

  /** Stops: nothing moves any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    this.#wake.abort();
    await this.#running;
    await Promise.all(this.#underWay);
  }

  #weighed(tenant: string, backend: BackendPlan): BackendPlan {
    const { canary, split } = backend;
    const [stable, part] = split;
    if (canary === null || stable === undefined || part === undefined) return backend;
    const rollout = this.#entryOf(tenant, backend.id, canary)?.rollout;
    const weight = rollout === undefined ? canary.steps[0] ?? 0 : weightOf(rollout);
    return { ...backend, split: [{ ...stable, weight: WHOLE_PERCENT - weight }, { ...part, weight }] };
  }

  /** The entry of the very same canary. */
  #entryOf(tenant: string, backend: string, { revision }: CanaryPlan): Entry | undefined {
    const entry = this.#tenants.get(tenant)?.get(backend);
    return entry?.rollout.plan.revision === revision ? entry : undefined;
  }

  #entered(tenant: string, backend: string, canary: string, plan: CanaryPlan): Entry {
    const rollout = startRollout(plan, this.#deps.now());
    const sinceMs = this.#deps.unixMs();
    return { tenant, backend, canary, rollout, sinceMs, pending: null, isApplying: false, isFailureTold: false };
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const wake = new AbortController();
      this.#wake = wake;
      await this.#deps.sleep(this.#pauseMs(), wake.signal);
      if (!this.#isStopped) this.#look();
    }
  }

  /** Entries that have something before them. */
  #moving(): Entry[] {
    return [...this.#tenants.values()].flatMap((entries) => [...entries.values()])
      .filter(({ rollout, pending }) => pending !== null || rollout.state === "progressing");
  }

  #pauseMs(): number {
    const moving = this.#moving();
    if (moving.length === 0) return LONGEST_SLEEP_MS;
    const nowMs = this.#deps.now();
    // Who waits for its move to be in force is not due.
    const dues = moving.flatMap(({ rollout, pending }) => pending === null ? dueOf(rollout) ?? [] : []);
    return dues.reduce((pauseMs, dueMs) => Math.min(pauseMs, Math.max(0, dueMs - nowMs)), POLL_MS);
  }

  #look(): void {
    const moving = this.#moving();
    if (moving.length === 0) return;
    const counters = this.#read();
    const { boundsUs } = this.#deps;
    for (const entry of moving) {
      const seen = countersOf(counters, entry);
      if (entry.pending !== null) entry.rollout = observe(entry.rollout, seen);
      else {
        const before = weightOf(entry.rollout);
        const { rollout, move } = advance(entry.rollout, seen, this.#deps.now(), boundsUs);
        entry.rollout = rollout;
        entry.pending = move;
        if (move?.weight === before) this.#settle(entry);
      }
      if (entry.pending !== null && !entry.isApplying) this.#apply(entry);
    }
  }

  /** Puts a move in force; when that fails the next look tries again. */
  #apply(entry: Entry): void {
    entry.isApplying = true;
    const { apply, onError } = this.#deps;
    const run = apply(entry.tenant).then((isDone) => {
      // The configuration may have changed meanwhile: then the move is nobody's.
      if (isDone && this.#tenants.get(entry.tenant)?.get(entry.backend) === entry) this.#settle(entry);
    }).catch((error) => {
      if (!entry.isFailureTold) onError(error, entry.tenant);
      entry.isFailureTold = true;
    }).finally(() => {
      entry.isApplying = false;
      this.#underWay.delete(run);
      this.#wake.abort();
    });
    this.#underWay.add(run);
  }

  /** A move is in force. */
  #settle(entry: Entry): void {
    const { pending } = entry;
    if (pending === null) return;
    entry.pending = null;
    entry.isFailureTold = false;
    entry.sinceMs = this.#deps.unixMs();
    if (pending.kind === "step") entry.rollout = beginStep(entry.rollout, this.#deps.now());
    this.#tell(entry, pending);
  }

  #tell({ tenant, backend, canary }: Entry, move: Move): void {
    try {
      this.#deps.onMove({ tenant, backend, canary, ...move });
    } catch (error) {
      this.#deps.onError(error, tenant);
    }
  }

  #read(): ReadonlyMap<string, BackendCounters> {
    try {
      return new Map(this.#deps.counters().map((one) => [`${one.tenant}/${one.backend}`, one]));
    } catch (error) {
      // Without counters nothing is judged; steps go on by time.
      this.#deps.onError(error, null);
      return new Map();
    }
  }
}

function countersOf(counters: ReadonlyMap<string, BackendCounters>, { tenant, canary }: Entry): BackendCounters | null {
  return counters.get(`${tenant}/${canary}`) ?? null;
}
