/**
 * Makes the active checks of all tenants, in one loop, and says when an endpoint's health changes. Made and owned by the
 * host; the control plane gives it each tenant's targets when a configuration is in force.
 *
 * Endpoints that ask for the same check, of one tenant or of many, share one _probe_; each counts its results by itself.
 * First checks are spread over time, later ones by jitter. At most so many checks are under way, and tenants take turns:
 * one with many dead endpoints delays its own checks only. None is made before `begin`: one result settles the first
 * health, and a process that is still busy with its start would take itself for endpoints that do not answer.
 *
 * @module
 */

import type { Verdict } from "./check.ts";
import { afterResult, type CheckState, UNCHECKED } from "./check_state.ts";
import type { CheckerDeps, HealthRow, HealthTransition } from "./checker_deps.ts";
import { DueHeap } from "../schedule/due_heap.ts";
import { FairQueue } from "../schedule/fair_queue.ts";
import { addressText, type CheckSpec, type HealthTarget, keyOf } from "./target.ts";
import { timed } from "../schedule/timed.ts";

const MOST_IN_FLIGHT = 256;
/** A tenant's part of the checks under way. */
const TENANTS_PART = 1 / 8;

/** From one first check to the next, unless that takes longer than an interval. */
const SPACING_MS = 2;
/** Shortest pause between two checks of a probe, whatever the jitter. */
const SHORTEST_MS = 10;
/** Longest sleep of the loop: timers take no more than 2^31 ms. */
const LONGEST_SLEEP_MS = 60_000;

interface Probe {
  readonly key: string;
  readonly spec: CheckSpec;
  readonly entries: Set<Entry>;
  dueMs: number;
  /** Ends the check under way; null when none is. */
  abort: AbortController | null;
  last: { readonly verdict: Verdict; readonly atMs: number } | null;
}

interface Entry {
  target: HealthTarget;
  probe: Probe;
  state: CheckState;
  sinceMs: number;
  checkedMs: number | null;
  error: string | null;
}

/** Checks until it is disposed. */
export class HealthChecker implements AsyncDisposable {
  readonly #deps: CheckerDeps;
  readonly #tenants = new Map<string, Map<string, Entry>>();
  readonly #probes = new Map<string, Probe>();
  readonly #due = new DueHeap<Probe>();
  readonly #queue: FairQueue<Probe>;
  readonly #underWay = new Set<Promise<void>>();
  readonly #running: Promise<void>;
  #untold: HealthTransition[] = [];
  /** Probes from before `begin`; null from then on. */
  #held: Probe[] | null = [];
  #lastFirstMs = Number.NEGATIVE_INFINITY;
  #wake = new AbortController();
  #isStopped = false;

  /** Starts the loop. */
  constructor(deps: CheckerDeps) {
    this.#deps = deps;
    const most = deps.mostInFlight ?? MOST_IN_FLIGHT;
    this.#queue = new FairQueue({ most, mostOfOne: Math.max(1, Math.floor(most * TENANTS_PART)) });
    this.#running = this.#run();
  }

  /** Lets checks be made from now on. */
  begin(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const probe of held) {
      if (probe.entries.size > 0) this.#schedule(probe);
    }
    this.#wake.abort();
  }

  /**
   * From now on these are the targets of a tenant; none when it is gone. A target that was there keeps its health, and
   * one whose check is the same its schedule. Health of those that are not there any more becomes unknown.
   */
  setTargets(tenant: string, targets: readonly HealthTarget[]): void {
    if (this.#isStopped) return;
    const before = this.#tenants.get(tenant) ?? new Map<string, Entry>();
    const entries = new Map<string, Entry>();
    for (const target of targets) {
      const key = [target.backend, target.endpoint, addressText(target.spec.address)].join(" ");
      const entry = before.get(key);
      before.delete(key);
      entries.set(key, entry === undefined ? this.#enter(target) : this.#change(entry, target));
    }
    for (const entry of before.values()) {
      this.#leave(entry);
      if (entry.state.health === "unknown") continue;
      this.#settle(entry, UNCHECKED, "not checked any more");
    }
    if (entries.size === 0) this.#tenants.delete(tenant);
    else this.#tenants.set(tenant, entries);
    this.#wake.abort();
  }

  /** What is known of a tenant's targets, in their order. */
  rowsOf(tenant: string): HealthRow[] {
    return [...this.#tenants.get(tenant)?.values() ?? []].map(({ target, state, sinceMs, checkedMs, error }) => {
      const { backend, endpoint, spec } = target;
      return { tenant, backend, endpoint, address: spec.address, health: state.health, sinceMs, checkedMs, error };
    });
  }

  /** Tenants that have targets. */
  get tenants(): string[] {
    return [...this.#tenants.keys()];
  }

  /** Different checks, and how many are under way. */
  get counts(): { readonly probes: number; readonly inFlight: number } {
    return { probes: this.#probes.size, inFlight: this.#queue.running };
  }

  /** Stops: checks under way are aborted, and nothing is told any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    this.#wake.abort();
    for (const { abort } of this.#probes.values()) abort?.abort();
    await this.#running;
    await Promise.all(this.#underWay);
  }

  async #run(): Promise<void> {
    const { now, sleep } = this.#deps;
    while (!this.#isStopped) {
      const wake = new AbortController();
      this.#wake = wake;
      this.#tell();
      this.#queueDue();
      this.#start();
      const nextMs = this.#due.nextMs ?? Number.POSITIVE_INFINITY;
      await sleep(Math.max(0, Math.min(nextMs - now(), LONGEST_SLEEP_MS)), wake.signal);
    }
  }

  /** Tells of what has changed. */
  #tell(): void {
    if (this.#untold.length === 0) return;
    const transitions = this.#untold;
    this.#untold = [];
    try {
      this.#deps.onTransitions(transitions);
    } catch (error) {
      this.#deps.onError(error);
    }
  }

  #queueDue(): void {
    const nowMs = this.#deps.now();
    for (let probe = this.#due.takeDue(nowMs); probe !== undefined; probe = this.#due.takeDue(nowMs)) {
      // Of those that share it, the first one pays for it.
      const [payer] = probe.entries;
      if (payer !== undefined) this.#queue.add(payer.target.tenant, probe);
    }
  }

  #start(): void {
    for (let next = this.#queue.take(); next !== undefined; next = this.#queue.take()) {
      const { owner, entry: probe } = next;
      if (this.#isStopped || probe.entries.size === 0) {
        this.#queue.done(owner);
        continue;
      }
      const run = this.#probe(probe).catch((error) => this.#deps.onError(error)).finally(() => {
        this.#underWay.delete(run);
        this.#queue.done(owner);
        if (!this.#isStopped) this.#start();
      });
      this.#underWay.add(run);
    }
  }

  async #probe(probe: Probe): Promise<void> {
    const { check, now, unixMs } = this.#deps;
    const startMs = now();
    const abort = new AbortController();
    probe.abort = abort;
    const verdict = await timed((signal) => check(probe.spec, signal), probe.spec.timeoutMs, abort, this.#deps);
    probe.abort = null;
    if (this.#isStopped || probe.entries.size === 0) return;
    probe.last = { verdict, atMs: unixMs() };
    for (const entry of probe.entries) this.#take(entry, verdict, probe.last.atMs);
    const pauseMs = Math.max(SHORTEST_MS, this.#varied(probe.spec));
    probe.dueMs = Math.max(now(), startMs + pauseMs);
    this.#due.push(probe);
    if (this.#untold.length > 0 || this.#due.nextMs === probe.dueMs) this.#wake.abort();
  }

  #varied({ intervalMs, jitterPpm }: CheckSpec): number {
    return intervalMs * (1 + (2 * this.#deps.random() - 1) * jitterPpm / 1_000_000);
  }

  #take(entry: Entry, verdict: Verdict, atMs: number): void {
    entry.checkedMs = atMs;
    entry.error = verdict.kind === "good" ? null : verdict.detail;
    if (verdict.kind === "void") return;
    this.#settle(entry, afterResult(entry.state, verdict.kind === "good", entry.target), entry.error ?? "it answers");
  }

  #settle(entry: Entry, state: CheckState, detail: string): void {
    const before = entry.state.health;
    const isNews = state.health !== before;
    entry.state = state;
    if (!isNews) return;
    entry.sinceMs = this.#deps.unixMs();
    const { tenant, backend, endpoint, spec } = entry.target;
    const { health } = state;
    const { sinceMs } = entry;
    this.#untold.push({ tenant, backend, endpoint, address: spec.address, health, before, detail, sinceMs });
  }

  #enter(target: HealthTarget): Entry {
    const probe = this.#probeOf(target.spec);
    const entry = { target, probe, state: UNCHECKED, sinceMs: this.#deps.unixMs(), checkedMs: null, error: null };
    this.#join(entry, probe);
    return entry;
  }

  /** Keeps the health; another check counts its results anew. */
  #change(entry: Entry, target: HealthTarget): Entry {
    entry.target = target;
    if (keyOf(target.spec) === entry.probe.key) return entry;
    this.#leave(entry);
    entry.state = { health: entry.state.health, against: 0 };
    this.#join(entry, this.#probeOf(target.spec));
    return entry;
  }

  /** Who joins others takes their last result for its first. */
  #join(entry: Entry, probe: Probe): void {
    entry.probe = probe;
    probe.entries.add(entry);
    if (probe.last !== null) this.#take(entry, probe.last.verdict, probe.last.atMs);
  }

  #leave(entry: Entry): void {
    const { probe } = entry;
    probe.entries.delete(entry);
    if (probe.entries.size > 0) return;
    probe.abort?.abort();
    this.#probes.delete(probe.key);
  }

  #probeOf(spec: CheckSpec): Probe {
    const key = keyOf(spec);
    const known = this.#probes.get(key);
    if (known !== undefined) return known;
    const probe = { key, spec, entries: new Set<Entry>(), dueMs: Number.POSITIVE_INFINITY, abort: null, last: null };
    this.#probes.set(key, probe);
    if (this.#held === null) this.#schedule(probe);
    else this.#held.push(probe);
    return probe;
  }

  #schedule(probe: Probe): void {
    probe.dueMs = this.#firstMs(probe.spec);
    this.#due.push(probe);
  }

  /** When a new probe is first due: soon, but not together with all the others that are new. */
  #firstMs({ intervalMs }: CheckSpec): number {
    const nowMs = this.#deps.now();
    const slotMs = Math.max(nowMs, this.#lastFirstMs + SPACING_MS);
    // Beyond what fits into an interval, chance spreads them: nobody waits longer for others than that.
    if (slotMs - nowMs >= intervalMs) return nowMs + this.#deps.random() * intervalMs;
    this.#lastFirstMs = slotMs;
    return slotMs;
  }
}
