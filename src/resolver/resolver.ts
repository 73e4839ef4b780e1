/**
 * Knows what the names of endpoints stand for, and keeps knowing it: each is looked up again when its TTL is over, as
 * long as somebody wants it. The last good answer stays until there is a better one. Made and owned by the host; the
 * control plane asks it when it evaluates a configuration, and tells it whose names are in force.
 *
 * Every name is looked up once at a time, whoever asks. The hosts of services are entries of their own.
 *
 * @module
 */

import { DueHeap } from "../schedule/due_heap.ts";
import { beforeAbort } from "../schedule/timed.ts";
import type { Finding, WantedName } from "./finding.ts";
import { isSameTargets, keepHost, keepServices, type Kept, UNKNOWN } from "./kept.ts";
import type { SrvRecord } from "./message.ts";
import { type KnownName, type NameAnswer, NameError, type NameState, type ResolverDeps } from "./resolver_deps.ts";

/** Bounds of a TTL: no server is asked all the time, and no mistake of a zone lasts for days. */
const SHORTEST_TTL_MS = 5_000;
const LONGEST_TTL_MS = 3_600_000;
/** Pause after a look-up that gave nothing; doubles each time. */
const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 60_000;
/** Pauses vary by this share, to both sides. */
const PAUSE_JITTER = 0.1;
/** How long a name is kept that nobody wants yet. */
const LONGEST_UNWANTED_MS = 60_000;
/** Longest sleep of the loop: timers take no more than 2^31 ms. */
const LONGEST_SLEEP_MS = 60_000;

interface Entry {
  readonly key: string;
  readonly wanted: WantedName;
  readonly owners: Set<string>;
  /** Services whose host this is. */
  readonly services: Set<Entry>;
  /** Whose turn it is when it is looked up for nobody else. */
  asker: string;
  /** Hosts of this service, by name. */
  hosts: ReadonlyMap<string, Entry>;
  /** The last good answer to a question for services. */
  records: Extract<Finding<SrvRecord>, { kind: "found" }> | null;
  kept: Kept;
  checkedMs: number | null;
  failures: number;
  dueMs: number;
  running: Promise<void> | null;
}

/** Looks names up until it is disposed. */
export class Resolver implements AsyncDisposable {
  readonly #deps: ResolverDeps;
  readonly #entries = new Map<string, Entry>();
  readonly #names = new Map<string, readonly Entry[]>();
  readonly #due = new DueHeap<{ readonly dueMs: number; readonly entry: Entry }>();
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #changed = new Set<Entry>();
  #wake = new AbortController();

  /** Starts the loop. */
  constructor(deps: ResolverDeps) {
    this.#deps = deps;
    this.#running = this.#run();
  }

  /** From now on `owner` wants these names; none when it is gone. */
  setNames(owner: string, names: readonly WantedName[]): void {
    if (this.#stop.signal.aborted) return;
    const entries = names.map((wanted) => this.#entryOf(wanted));
    for (const entry of this.#names.get(owner) ?? []) entry.owners.delete(owner);
    for (const entry of entries) entry.owners.add(owner);
    if (entries.length === 0) this.#names.delete(owner);
    else this.#names.set(owner, entries);
    this.#wake.abort();
  }

  /**
   * What a name stands for: what is known of it, or what a look-up says that this waits for. Look-ups wait for their
   * turn beside those of other askers. Rejects when the signal is aborted; the look-up goes on.
   */
  async resolve(wanted: WantedName, signal: AbortSignal, asker: string = wanted.name): Promise<NameAnswer> {
    signal.throwIfAborted();
    const entry = this.#entryOf(wanted);
    entry.asker = asker;
    const isSettled = entry.kept.targets !== null || (entry.checkedMs !== null && entry.dueMs > this.#deps.now());
    if (!isSettled) await beforeAbort(this.#look(entry), signal);
    return answerOf(entry);
  }

  /** What is known of a name now; nobody is asked, and nothing is waited for. */
  known({ kind, name }: WantedName): KnownName {
    const { kept } = this.#entries.get(`${kind} ${name}`) ?? { kept: UNKNOWN };
    return { answer: answerOf({ kept }), error: kept.error };
  }

  /**
   * All addresses of a host, as the configuration's own look-ups want them.
   *
   * @throws {NameError} when none is known
   */
  async addressesOf(name: string, signal: AbortSignal, asker: string = name): Promise<readonly string[]> {
    const answer = await this.resolve({ kind: "host", name }, signal, asker);
    if (answer.kind === "known") return answer.targets.map(({ ip }) => ip);
    throw new NameError(answer.why, answer.kind === "none" ? "ENOTFOUND" : "EAI_AGAIN");
  }

  /** Looks every name up again now, whatever its TTL: an operator asks for it. */
  refresh(): void {
    for (const entry of this.#entries.values()) this.#setDue(entry, this.#deps.now());
    this.#wake.abort();
  }

  /** All names that somebody wants. */
  states(): NameState[] {
    return [...this.#entries.values()].filter(({ owners }) => owners.size > 0).map((entry) => ({
      ...entry.wanted,
      owners: [...entry.owners],
      answer: answerOf(entry),
      error: entry.kept.error,
      checkedMs: entry.checkedMs,
    }));
  }

  /** Names that are remembered, wanted or not. */
  get size(): number {
    return this.#entries.size;
  }

  /** Stops: look-ups under way are aborted, and nothing is told any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new DOMException("the resolver has been stopped", "AbortError"));
    this.#wake.abort();
    await this.#running;
    await Promise.allSettled([...this.#entries.values()].map(({ running }) => running));
  }

  async #run(): Promise<void> {
    const { now, sleep } = this.#deps;
    while (!this.#stop.signal.aborted) {
      const wake = new AbortController();
      this.#wake = wake;
      this.#tell();
      this.#lookAtDue();
      const nextMs = this.#due.nextMs ?? Number.POSITIVE_INFINITY;
      await sleep(Math.max(0, Math.min(nextMs - now(), LONGEST_SLEEP_MS)), wake.signal);
    }
  }

  #tell(): void {
    if (this.#changed.size === 0) return;
    const names = [...this.#changed].map(({ wanted }) => wanted);
    this.#changed = new Set();
    try {
      this.#deps.onChange(names);
    } catch (error) {
      this.#deps.onError(error);
    }
  }

  #lookAtDue(): void {
    const nowMs = this.#deps.now();
    for (let next = this.#due.takeDue(nowMs); next !== undefined; next = this.#due.takeDue(nowMs)) {
      const { entry, dueMs } = next;
      if (entry.dueMs !== dueMs || this.#entries.get(entry.key) !== entry) continue;
      if (!isWanted(entry)) this.#drop(entry);
      else void this.#look(entry).catch(() => {});
    }
  }

  /** Forgets what nobody wants; it has served as a cache until its time was over. */
  #drop(entry: Entry): void {
    // Somebody waits for it: when that is over, it is due again.
    if (entry.running !== null) return;
    this.#entries.delete(entry.key);
    for (const host of entry.hosts.values()) host.services.delete(entry);
  }

  /** Looks a name up, unless that is under way. Rejects only when the resolver is stopped. */
  #look(entry: Entry): Promise<void> {
    entry.running ??= this.#lookUp(entry).catch((error) => {
      if (this.#stop.signal.aborted) throw error;
      this.#deps.onError(error);
      this.#schedule(entry, { ...entry.kept, error: "the look-up failed", ttlMs: null });
    }).finally(() => {
      entry.running = null;
    });
    return entry.running;
  }

  async #lookUp(entry: Entry): Promise<void> {
    const { lookup, unixMs } = this.#deps;
    const { kind, name } = entry.wanted;
    const by = { owner: payerOf(entry), signal: this.#stop.signal };
    let kept;
    if (kind === "host") kept = keepHost(entry.kept, await lookup.host(name, by));
    else {
      const finding = await lookup.services(name, by);
      if (finding.kind === "found") {
        entry.records = finding;
        await this.#setHosts(entry, finding.values);
      }
      kept = keepServices(entry.kept, finding, keptOf(entry.hosts));
    }
    this.#stop.signal.throwIfAborted();
    entry.checkedMs = unixMs();
    this.#schedule(entry, kept);
    this.#keep(entry, kept);
    for (const service of entry.services) this.#compose(service);
  }

  /** The hosts of a service; resolves when something is known of each, or that there is nothing to know. */
  async #setHosts(service: Entry, records: readonly SrvRecord[]): Promise<void> {
    const targets = [...new Set(records.map(({ target }) => target))].filter((target) => target !== "");
    const hosts = new Map(targets.map((target) => [target, this.#entryOf({ kind: "host", name: `${target}.` })]));
    for (const host of service.hosts.values()) host.services.delete(service);
    for (const host of hosts.values()) host.services.add(service);
    service.hosts = hosts;
    await Promise.all([...hosts.values()].map((host) => host.checkedMs === null ? this.#look(host) : null));
  }

  /** A host of a service has been looked up. */
  #compose(service: Entry): void {
    // A look-up that is under way does it at its end.
    if (service.records === null || service.running !== null) return;
    const kept = keepServices(service.kept, service.records, keptOf(service.hosts));
    this.#keep(service, service.failures > 0 ? { ...kept, error: service.kept.error } : kept);
  }

  #keep(entry: Entry, kept: Kept): void {
    const before = entry.kept.targets;
    entry.kept = kept;
    if (isSameTargets(before, kept.targets)) return;
    // Also of a name that nobody wants yet: who has asked may be about to.
    if (entry.owners.size === 0 && (before === null || entry.services.size > 0)) return;
    this.#changed.add(entry);
    this.#wake.abort();
  }

  #schedule(entry: Entry, kept: Kept): void {
    const { now, random } = this.#deps;
    entry.failures = kept.ttlMs === null ? entry.failures + 1 : 0;
    const pauseMs = kept.ttlMs === null
      ? Math.min(FIRST_PAUSE_MS * 2 ** (entry.failures - 1), LONGEST_PAUSE_MS) *
        (1 + (2 * random() - 1) * PAUSE_JITTER)
      : Math.min(Math.max(kept.ttlMs, SHORTEST_TTL_MS), LONGEST_TTL_MS);
    this.#setDue(entry, now() + (isWanted(entry) ? pauseMs : Math.min(pauseMs, LONGEST_UNWANTED_MS)));
  }

  #setDue(entry: Entry, dueMs: number): void {
    entry.dueMs = dueMs;
    this.#due.push({ dueMs, entry });
    if (this.#due.nextMs === dueMs) this.#wake.abort();
  }

  #entryOf(wanted: WantedName): Entry {
    const key = `${wanted.kind} ${wanted.name}`;
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const entry: Entry = {
      key,
      wanted,
      owners: new Set(),
      services: new Set(),
      asker: wanted.name,
      hosts: new Map(),
      records: null,
      kept: UNKNOWN,
      checkedMs: null,
      failures: 0,
      dueMs: this.#deps.now(),
      running: null,
    };
    this.#entries.set(key, entry);
    this.#due.push({ dueMs: entry.dueMs, entry });
    return entry;
  }
}

function answerOf({ kept: { targets, error, isNone } }: Pick<Entry, "kept">): NameAnswer {
  if (targets !== null) return { kind: "known", targets };
  return { kind: isNone ? "none" : "failed", why: error ?? "it has not been looked up yet" };
}

function keptOf(hosts: ReadonlyMap<string, Entry>): ReadonlyMap<string, Kept> {
  return new Map([...hosts].map(([name, { kept }]) => [name, kept]));
}

function isWanted({ owners, services }: Entry): boolean {
  return owners.size > 0 || services.size > 0;
}

/** Of those who want a name, the first one pays for it with its turn. */
function payerOf(entry: Entry): string {
  const [owner] = entry.owners;
  if (owner !== undefined) return owner;
  const [service] = entry.services;
  return service === undefined ? entry.asker : payerOf(service);
}
