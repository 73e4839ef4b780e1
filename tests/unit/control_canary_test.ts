/** Canaries behind the control plane: the weights that the data plane is told through starts, reloads, writes and moves. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Canaries, type CanaryMove } from "../../src/canary/mod.ts";
import { tellMove } from "../../src/host/canaries.ts";
import { BOUNDS_US, Counters } from "./canary_fixture.ts";
import { type ControlBench, MAIN } from "./control_fixture.ts";
import { ManualClock } from "./manual_clock.ts";
import { ADMIN, refusalOf, VerbsBench } from "./verbs_fixture.ts";

const MINUTE_MS = 60_000;
const CANARY = ", canary: { steps: [10, 100], step_for: 1m, abort_when: { error_ratio: 5% } }";

/** A tenant's own file with a split. */
function splitText(port: number, canary = CANARY, next = "127.0.0.1:9", rest = ""): string {
  return `${rest}listeners: [{ id: in, address: "127.0.0.1:${port}", backend: web }]
backends:
  - { id: stable, endpoints: [{ id: a, address: "127.0.0.1:8" }] }
  - { id: next, endpoints: [{ id: a, address: "${next}" }] }
  - { id: web, split: [{ backend: stable, weight: 3 }, { backend: next, weight: 1 }]${canary} }
`;
}

/** The whole control side with canaries in it, put together as the host does. */
class Bench implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly next = new Map<string, Counters>();
  readonly moves: CanaryMove[] = [];
  readonly errors: unknown[] = [];
  readonly canaries: Canaries;

  private constructor(readonly all: VerbsBench) {
    const { control, log } = all.bench;
    const news = { log, audit: all.audit, events: all.events, generation: () => control.generation };
    this.canaries = new Canaries({
      counters: () => [...this.next].map(([tenant, one]) => ({ tenant, backend: "next", ...one.now })),
      boundsUs: BOUNDS_US,
      apply: (tenant) => control.reweigh(tenant),
      onMove: (move) => {
        this.moves.push(move);
        tellMove(move, news);
      },
      onError: (error) => void this.errors.push(error),
      now: this.clock.now,
      unixMs: this.clock.now,
      sleep: this.clock.sleep,
    });
    all.bench.weights = {
      weigh: (plan) => this.canaries.weigh(plan),
      onInForce: (change) => this.canaries.follow(change),
    };
    all.bench.canaryOf = (tenant, backend) => this.canaries.statusOf(tenant, backend);
  }

  /** `acme` and `beta` with splits that are put in force when canaries are there. */
  static async started(): Promise<Bench> {
    const bench = new Bench(await VerbsBench.started("version: 1\ntenants_dir: t\n"));
    await bench.write("acme", splitText(1_001));
    await bench.write("beta", splitText(1_002));
    return bench;
  }

  get plane(): ControlBench {
    return this.all.bench;
  }

  /** Writes a tenant's file by hand, and reloads. */
  async write(id: string, text: string | null): Promise<void> {
    if (!this.next.has(id)) this.next.set(id, new Counters());
    this.plane.editTenant(id, text);
    const { errors } = await this.plane.control.reload();
    assertEquals(errors, []);
    await this.clock.advance(0);
  }

  /** What the data plane was told of a tenant's split last. */
  weights(id: string): number[] | undefined {
    const upserts = this.plane.dataPlane.applied.flatMap(({ change }) => change.upserts);
    const plan = upserts.findLast((upsert) => upsert.id === id);
    return plan?.backends.find((backend) => backend.id === "web")?.split.map(({ weight }) => weight);
  }

  moved(): string[] {
    return this.moves.splice(0).map(({ tenant, kind, weight }) => `${tenant} ${kind} ${weight}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.canaries[Symbol.asyncDispose]();
  }
}

describe("a control plane with canaries", () => {
  it("tells the data plane the first step, and what the file says only without a canary", async () => {
    await using bench = await Bench.started();
    assertEquals([bench.weights("acme"), bench.weights("beta")], [[90, 10], [90, 10]]);
    assertEquals(bench.moved(), ["acme started 10", "beta started 10"]);
    await bench.write("acme", splitText(1_001, ""));
    assertEquals(bench.weights("acme"), [3, 1]);
    const plan = bench.plane.control.plan.tenants.get("beta");
    assertEquals(plan?.backends[2]?.split.map(({ weight }) => weight), [3, 1], "the plan says what is written");
  });

  it("applies a move to its tenant alone, under a new generation, and changes no file", async () => {
    await using bench = await Bench.started();
    await bench.write("beta", splitText(1_002, ""));
    bench.moved();
    const { dataPlane, files, control } = bench.plane;
    const [applied, generation, steps] = [dataPlane.applied.length, control.generation, files.steps.length];
    const before = bench.all.history.list().length;
    await bench.clock.advance(MINUTE_MS);
    assertEquals(bench.moved(), ["acme step 100"]);
    assertEquals(dataPlane.applied.slice(applied).map(({ generation }) => generation), [generation + 1]);
    assertEquals([dataPlane.lastUpserts(), bench.weights("acme")], [["acme"], [0, 100]]);
    assertEquals([control.generation, files.steps.length], [generation + 1, steps]);
    assertEquals(bench.all.history.list().length, before);
    await bench.write("beta", null);
    assertEquals(control.generation, generation + 2);
  });

  it("keeps the effective weights through reloads and writes of other things", async () => {
    await using bench = await Bench.started();
    await bench.clock.advance(MINUTE_MS);
    bench.moved();
    await bench.write("acme", splitText(1_001, CANARY, "127.0.0.1:9", "limits: { max_connections: 7 }\n"));
    assertEquals(bench.weights("acme"), [0, 100]);
    const { verbs } = bench.all;
    await verbs.edit({ tenant: "beta" }, { kind: "patch", patch: { enabled: false } }, { actor: ADMIN });
    assertEquals(bench.weights("beta"), [0, 100]);
    const part = { kind: "endpoints", backend: "next", id: "a" } as const;
    await verbs.edit({ tenant: "acme", part }, { kind: "patch", patch: { state: "drain" } }, { actor: ADMIN });
    assertEquals([bench.weights("acme"), bench.moved()], [[0, 100], []]);
    // Another canary.
    await bench.write("acme", splitText(1_001, CANARY, "127.0.0.1:10"));
    assertEquals([bench.weights("acme"), bench.moved()], [[90, 10], ["acme started 10"]]);
  });

  it("goes back to the weights there were when a write cannot be kept", async () => {
    await using bench = await Bench.started();
    await bench.clock.advance(MINUTE_MS);
    bench.moved();
    bench.plane.files.failAt = "rename";
    const patch = { kind: "patch", patch: { endpoints: [{ id: "a", address: "127.0.0.1:10" }] } } as const;
    const part = { kind: "backends", id: "next" } as const;
    await refusalOf("refused", () => bench.all.verbs.edit({ tenant: "acme", part }, patch, { actor: ADMIN }));
    const [there, back] = bench.plane.dataPlane.applied.slice(-2)
      .map(({ change }) => change.upserts[0]?.backends[2]?.split[1]?.weight);
    assertEquals([there, back, bench.moved()], [10, 100, []]);
  });

  it("rolls back, and tells in status, log, events and audit", async () => {
    await using bench = await Bench.started();
    const events: unknown[] = [];
    bench.all.events.subscribe(null, ({ kind, tenant, data }) => kind === "canary" && events.push([tenant, data]));
    await bench.clock.advance(2_000);
    bench.next.get("acme")?.add(40, 10);
    await bench.clock.advance(1_000);
    assertEquals([bench.weights("acme"), bench.weights("beta")], [[100, 0], [90, 10]]);
    const reason = "error ratio 25% is over 5%: 10 of 40 connects failed";
    const status = bench.all.verbs.tenantStatus("acme");
    assertEquals(status?.backends.map(({ id, canary }) => [id, canary]), [
      ["stable", undefined],
      ["next", undefined],
      ["web", { step: 1, weight: 0, state: "rolled_back", since: "1970-01-01T00:00:03.000Z", reason }],
    ]);
    const figures = { connects: 40, failures: 10, connect_p99_ms: 1 };
    const parts = { backend: "web", canary: "next", step: 1, weight: 0, ...figures, reason };
    assertEquals(events, [["acme", { move: "rolled_back", ...parts }]]);
    const line = bench.plane.log.lines.at(-1);
    assertEquals([line?.level, line?.message], ["warn", "a canary is rolled back"]);
    assertEquals(line?.fields, { tenant: "acme", ...parts });
    const [entry] = bench.all.audit.page("acme", 1, null).items;
    assertEquals(entry, {
      at: "1970-01-01T00:00:01.000Z",
      actor: "canary",
      verb: "rolled_back",
      target: "/tenants/acme/backends/web",
      tenant: "acme",
      changes: [],
      generation: bench.plane.control.generation,
      result: `ok: next has 0%: ${reason}`,
    });
    assertEquals(bench.all.audit.page("beta", 9, null).items.map(({ verb }) => verb), ["started"]);
  });

  it("tells of the change first, then of the canary that begins with it", async () => {
    await using bench = await Bench.started();
    const kinds: string[] = [];
    bench.all.events.subscribe(null, ({ kind }) => void kinds.push(kind));
    await bench.write("acme", splitText(1_001, CANARY, "127.0.0.1:10"));
    assertEquals(kinds, ["config", "canary"]);
  });

  it("waits with a move while a reload is under way", async () => {
    await using bench = await Bench.started();
    bench.moved();
    const { plane } = bench;
    const gate = Promise.withResolvers<void>();
    plane.gate = gate.promise;
    const reload = plane.control.reload();
    await bench.clock.advance(MINUTE_MS + 2_000);
    assertEquals(bench.moved(), []);
    plane.gate = null;
    gate.resolve();
    await reload;
    await bench.clock.advance(0);
    assertEquals(bench.moved().sort(), ["acme step 100", "beta step 100"]);
  });

  it("moves nothing any more when the process is stopping, nor what is gone", async () => {
    await using bench = await Bench.started();
    const { control, dataPlane } = bench.plane;
    assertEquals(await control.reweigh("nobody"), false);
    dataPlane.refusal = new Error("no");
    const { generation } = control;
    await assertRejects(() => control.reweigh("acme"), Error, "no");
    assertEquals(control.generation, generation);
    control.drain(0);
    const applied = dataPlane.applied.length;
    assertEquals(await control.reweigh("acme"), false);
    bench.moved();
    await bench.clock.advance(10 * MINUTE_MS);
    assertEquals([bench.moved(), dataPlane.applied.length, bench.errors], [[], applied, []]);
  });

  it("weighs what goes to the data plane, and tells what is in force as it is written", async () => {
    const { bench } = await VerbsBench.started("version: 1\n");
    const seen: string[] = [];
    bench.weights = {
      weigh: (plan) => ({ ...plan, bufferBytes: 1 }),
      onInForce: ({ upserts, removals }) => {
        seen.push(...upserts.map(({ id, bufferBytes }) => `${id} ${bufferBytes > 1}`), ...removals);
      },
    };
    const inline = splitText(1_003).trim().split("\n").map((line) => `    ${line}\n`).join("");
    for (const text of [`version: 1\ntenants:\n  - id: acme\n${inline}`, "version: 1\n"]) {
      bench.files.texts.set(MAIN, text);
      await bench.control.reload();
    }
    assert(bench.dataPlane.applied.at(-2)?.change.upserts.every(({ bufferBytes }) => bufferBytes === 1));
    assertEquals(seen, ["acme true", "acme"]);
  });
});
