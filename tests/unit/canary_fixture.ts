/** Canaries of tenants, counters that are set by hand, and a mover on a clock that stands still. */
import { Canaries, type CanaryMove } from "../../src/canary/mod.ts";
import type { CanaryPlan, TenantPlan } from "../../src/config/mod.ts";
import { backendPlan, tenant } from "./ffi_fixture.ts";
import { ManualClock } from "./manual_clock.ts";

/** Bounds of the fixtures' buckets: 1 ms, 10 ms, 100 ms, and all above. */
export const BOUNDS_US = [1_000, 10_000, 100_000];

export function canaryPlan(parts: Partial<CanaryPlan> = {}): CanaryPlan {
  return {
    steps: [5, 30, 100],
    stepForMs: 60_000,
    errorPpm: 50_000,
    connectP99Ms: 10,
    revision: "one",
    ...parts,
  };
}

/** A tenant whose backend `web` is split between `stable` and `next`. */
export function splitTenant(id: string, canary: CanaryPlan | null = canaryPlan(), weights = [95, 5]): TenantPlan {
  const split = ["stable", "next"].map((backend, index) => ({ backend, weight: weights[index] ?? 0 }));
  return tenant(id, {
    backends: [backendPlan("stable"), backendPlan("next"), backendPlan("web", { split, canary })],
  });
}

/** Counters of one backend that connects add to. */
export class Counters {
  connectsTotal = 0;
  connectFailures = 0;
  connectBuckets = [0, 0, 0, 0];

  /** Connects, `failed` of them failed, the others in a bucket. */
  add(connects: number, failed = 0, bucket = 0): void {
    this.connectsTotal += connects;
    this.connectFailures += failed;
    this.connectBuckets[bucket] = (this.connectBuckets[bucket] ?? 0) + connects - failed;
  }

  get now() {
    const { connectsTotal, connectFailures, connectBuckets } = this;
    return { connectsTotal, connectFailures, connectBuckets: [...connectBuckets] };
  }
}

/** A mover of canaries with all that it touches. */
export class CanaryBench implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly moves: CanaryMove[] = [];
  readonly errors: string[] = [];
  /** Tenants that were put in force, with the weights of `web` as the mover gave them then. */
  readonly applied: [string, number[]][] = [];
  readonly plans = new Map<string, TenantPlan>();
  /** By tenant: those of its backend `next`. */
  readonly counters = new Map<string, Counters>();
  /** What becomes of an apply: done, not now, an error; or it waits for `release`. */
  answer: "done" | "not_now" | "fails" | "waits" = "done";
  readonly #waiting: (() => void)[] = [];
  readonly canaries = new Canaries({
    counters: () => [...this.counters].map(([tenant, one]) => ({ tenant, backend: "next", ...one.now })),
    boundsUs: BOUNDS_US,
    apply: (tenant) => this.#apply(tenant),
    onMove: (move) => void this.moves.push(move),
    onError: (error, tenant) => void this.errors.push(`${tenant}: ${error instanceof Error ? error.message : error}`),
    now: this.clock.now,
    unixMs: () => 1_000_000 + this.clock.now(),
    sleep: this.clock.sleep,
  });

  /** Puts tenants in force, as the control plane does. */
  async put(...plans: TenantPlan[]): Promise<void> {
    for (const plan of plans) {
      this.plans.set(plan.id, plan);
      if (!this.counters.has(plan.id)) this.counters.set(plan.id, new Counters());
    }
    this.canaries.follow({ upserts: plans, removals: [] });
    await this.clock.advance(0);
  }

  async remove(id: string): Promise<void> {
    this.plans.delete(id);
    this.canaries.follow({ upserts: [], removals: [id] });
    await this.clock.advance(0);
  }

  /** Counters of a tenant's canary. */
  of(id: string): Counters {
    const counters = this.counters.get(id);
    if (counters === undefined) throw new TypeError(`no tenant ${id}`);
    return counters;
  }

  /** Weights of `web`, as a tenant would be told to the data plane. */
  weights(id: string): number[] {
    const plan = this.plans.get(id);
    const web = plan && this.canaries.weigh(plan).backends.find((backend) => backend.id === "web");
    return web?.split.map(({ weight }) => weight) ?? [];
  }

  /** The moves since the last call, in short. */
  told(): string[] {
    return this.moves.splice(0).map(({ tenant, kind, weight }) => `${tenant} ${kind} ${weight}`);
  }

  /** Lets the applies go on that wait. */
  async release(): Promise<void> {
    for (const resolve of this.#waiting.splice(0)) resolve();
    await this.clock.advance(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const disposed = this.canaries[Symbol.asyncDispose]();
    await this.release();
    await disposed;
  }

  async #apply(tenant: string): Promise<boolean> {
    if (this.answer === "waits") await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.answer === "fails") throw new Error("no");
    if (this.answer === "not_now" || !this.plans.has(tenant)) return false;
    this.applied.push([tenant, this.weights(tenant)]);
    return true;
  }
}
