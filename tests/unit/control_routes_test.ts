/** Shared listeners and routes while a configuration lives: who takes what, what the data plane is told, who sees it. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { SHARED_HOLDER } from "../../src/config/mod.ts";
import { ConfigError, listeningLine, tenantsInError } from "../../src/control/mod.ts";
import { DataPlaneError } from "../../src/ffi/mod.ts";
import { ipv4 } from "./ffi_fixture.ts";
import { ControlBench, liveSession, MAIN } from "./control_fixture.ts";
import { backendStats, endpointStats, sharedStats } from "./metrics_fixture.ts";
import { ACME, ADMIN, refusalOf, VerbsBench } from "./verbs_fixture.ts";

const EDGE = '{ id: edge, address: "127.0.0.1:8443", detect: tls }';
const top = (...listeners: string[]) => `version: 1\ntenants_dir: t\nlisteners: [${listeners.join(", ")}]\n`;
const TOP = top(EDGE);

/** A tenant's file with one route. */
function taking(takes: string, listener = "edge"): string {
  return `backends: [{ id: pool, endpoints: [{ id: a, address: "127.0.0.1:9" }] }]
routes: [{ id: web, listener: ${listener}, ${takes}, backend: pool }]\n`;
}
const name = (text: string) => taking(`sni: ["${text}"]`);
const PLAIN = 'backends: [{ id: pool, endpoints: [{ id: a, address: "127.0.0.1:9" }] }]\n';

const inError = (bench: ControlBench) => tenantsInError(bench.control).map(({ tenant }) => tenant);
const taken = (bench: ControlBench) =>
  Object.fromEntries(
    [...bench.control.plan.tenants].map(([id, { routes }]) => [id, routes.flatMap(({ names }) => names)]),
  );

describe("shared listeners", () => {
  it("are told with the first configuration, before tenants, and are no tenant", async () => {
    const bench = await ControlBench.started(TOP, { a: name("a.example") });
    const { change } = bench.dataPlane.applied[0]!;
    assertEquals([change.shared?.id, change.shared?.listeners.map(({ id }) => id)], [SHARED_HOLDER, ["edge"]]);
    assertEquals(change.upserts.map(({ id }) => id), ["a"]);
    assertEquals([...bench.control.plan.tenants.keys()], ["a"]);
    assertEquals([...bench.control.units.keys()], ["a"]);
    assertEquals(bench.control.bound.map(listeningLine), ["listening tenant=- listener=edge address=127.0.0.1:8443"]);
  });

  it("come, move and go alone, each new address told", async () => {
    const bench = await ControlBench.started(top(), { a: PLAIN });
    assertEquals(bench.dataPlane.applied[0]?.change.shared, undefined);
    bench.text = TOP;
    await bench.control.reload();
    assertEquals(bench.dataPlane.lastUpserts(), []);
    assertEquals(bench.bound.map(listeningLine), ["listening tenant=- listener=edge address=127.0.0.1:8443"]);
    bench.text = top(EDGE, '{ id: more, address: "127.0.0.1:9000-9001" }');
    await bench.control.reload();
    assertEquals(bench.bound.splice(1).map(({ address }) => address), ["127.0.0.1:9000", "127.0.0.1:9001"]);
    bench.text = top('{ id: edge, address: "127.0.0.1:8444", detect: tls }');
    await bench.control.reload();
    assertEquals(bench.bound.splice(1), [{ tenant: null, listener: "edge", address: "127.0.0.1:8444" }]);
    bench.text = top();
    await bench.control.reload();
    assertEquals(bench.dataPlane.applied.at(-1)?.change, { shared: null, upserts: [], removals: [] });
    assertEquals(bench.control.bound, []);
  });

  it("tell the port that the kernel chose", async () => {
    const bench = new ControlBench(top('{ id: edge, address: "127.0.0.1:0" }'));
    const stats = { tenant: null, listener: "edge", sessionsTotal: 0, addresses: 1, bound: ipv4("127.0.0.1", 40_001) };
    bench.dataPlane.listeners = [stats];
    await bench.start();
    assertEquals(bench.control.bound.map(({ address }) => address), ["127.0.0.1:40001"]);
  });

  it("have their addresses to themselves: who has one keeps it", async () => {
    const own = (port: number) => `${PLAIN}listeners: [{ id: in, address: "127.0.0.1:${port}", backend: pool }]\n`;
    const bench = await ControlBench.started(TOP, { a: own(8443), b: own(1001) });
    assertEquals(inError(bench), ["a"]);
    bench.text = top(EDGE, '{ id: more, address: "0.0.0.0:1000-1002" }');
    const report = await bench.control.reload();
    assertEquals(report.ok, false);
    assertMatch(report.errors[0]!, /is taken|overlaps 127\.0\.0\.1:1001, by listener in of tenant b/);
    bench.text = top();
    await bench.control.reload();
    assertEquals(inError(bench), [], "the address is free now");
  });

  it("whose address cannot be bound leave all as it was", async () => {
    const bench = await ControlBench.started(top(), { a: PLAIN });
    const subject = { listener: "edge", address: "127.0.0.1:8443" };
    const details = { code: "E_BIND", errno: "EADDRINUSE", subject, detail: "" } as const;
    bench.dataPlane.refusal = new DataPlaneError("Cannot listen for listener edge", details);
    bench.text = TOP;
    assertEquals((await bench.control.reload()).ok, false);
    assertEquals([bench.control.plan.shared, bench.control.bound], [null, []]);
    assertEquals((await bench.control.reload()).ok, true);
    assertEquals(bench.control.plan.shared?.listeners.length, 1);
  });

  it("of a wrong main file are errors of it", async () => {
    const twice = top(EDGE, '{ id: edge, address: "127.0.0.1:8444" }');
    await assertRejects(() => ControlBench.started(twice), ConfigError, "the shared listener edge is already");
    await assertRejects(() => ControlBench.started(top(EDGE, `{ id: x, address: "127.0.0.1:8443" }`)), ConfigError);
  });
});

describe("routes of two tenants that want the same", () => {
  it("are an error for the later one alone: main file first, then files by name", async () => {
    const main = `${TOP}tenants: [{ id: z, ${name("a.example").trim().replaceAll("\n", ", ")} }]\n`;
    const bench = await ControlBench.started(main, { a: name("A.example."), b: name("b.example") });
    assertEquals(taken(bench), { z: ["a.example"], b: ["b.example"] });
    assertEquals(inError(bench), ["a"]);
    assertMatch(
      tenantsInError(bench.control)[0]!.errors[0]!,
      /^\/etc\/t\/a\.yaml:2:\d+: routes\[0\]\.sni\[0\]: must be free on listener edge: a\.example is taken, by route web of tenant z at \/etc\/sluice\.yaml\n +remedy: use another name/,
    );
  });

  it("leave the one that has it as it is, and give it on when it is free", async () => {
    const bench = await ControlBench.started(TOP, { a: name("a.example"), b: name("b.example") });
    bench.editTenant("a", name("b.example"));
    await bench.control.reload({ by: "watch", paths: new Set(["/etc/t/a.yaml"]) });
    assertEquals([inError(bench), taken(bench)], [["a"], { a: ["a.example"], b: ["b.example"] }]);
    bench.editTenant("b", name("c.example"));
    await bench.control.reload({ by: "watch", paths: new Set(["/etc/t/b.yaml"]) });
    await bench.control.queue.run(() => Promise.resolve());
    assertEquals([inError(bench), taken(bench)], [[], { a: ["b.example"], b: ["c.example"] }]);
  });

  it("may exchange names in one reload, and keep both when one of them is wrong", async () => {
    const bench = await ControlBench.started(TOP, { a: name("a.example"), b: name("b.example") });
    bench.editTenant("a", name("b.example"));
    bench.editTenant("b", name("a.example"));
    await bench.control.reload();
    assertEquals([inError(bench), taken(bench)], [[], { a: ["b.example"], b: ["a.example"] }]);
    bench.editTenant("a", name("a.example"));
    bench.editTenant("b", `${name("b.example")}nonsense: 1\n`);
    await bench.control.reload();
    assertEquals([inError(bench).sort(), taken(bench)], [["a", "b"], { a: ["b.example"], b: ["a.example"] }]);
  });

  it("of which one is removed leave it to the other", async () => {
    const bench = await ControlBench.started(TOP, { a: taking("default: true"), b: taking("default: true") });
    assertEquals(inError(bench), ["b"]);
    bench.editTenant("a", null);
    await bench.control.reload();
    assertEquals([inError(bench), bench.control.plan.tenants.get("b")?.routes[0]?.isDefault], [[], true]);
  });

  it("make a main file wrong whose tenants want what a file's tenant has", async () => {
    const bench = await ControlBench.started(TOP, { a: name("a.example") });
    bench.text = `${TOP}tenants: [{ id: z, ${name("a.example").trim().replaceAll("\n", ", ")} }]\n`;
    const report = await bench.control.reload();
    assertEquals(report.ok, false);
    assertMatch(report.errors[0]!, /a\.example is taken, by route web of tenant a at \/etc\/t\/a\.yaml/);
  });

  it("cost the same however many tenants there are", async () => {
    const tenants = Object.fromEntries(
      Array.from({ length: 50 }, (_, index) => [`t${index}`, name(`t${index}.example`)]),
    );
    const bench = await ControlBench.started(TOP, tenants);
    const before = new Map(bench.control.units);
    bench.editTenant("t7", name("new.example"));
    await bench.control.reload({ by: "watch", paths: new Set(["/etc/t/t7.yaml"]) });
    assertEquals(bench.dataPlane.lastUpserts(), ["t7"]);
    for (const [id, unit] of bench.control.units) assertEquals(unit === before.get(id), id !== "t7", id);
  });
});

describe("a shared listener that goes", () => {
  it("freezes tenants of files with routes on it, and they are told again when it comes back", async () => {
    const bench = await ControlBench.started(TOP, { a: name("a.example"), b: PLAIN });
    const before = bench.control.units.get("b");
    bench.text = top();
    await bench.control.reload();
    assertEquals(inError(bench), ["a"]);
    assertEquals(bench.dataPlane.applied.at(-1)?.change, { shared: null, upserts: [], removals: [] });
    assertEquals(taken(bench)["a"], ["a.example"], "its last good version goes on");
    bench.editTenant("c", name("a.example"));
    await bench.control.reload();
    bench.text = TOP;
    await bench.control.reload();
    assertEquals(inError(bench), ["c"], "who has the name keeps it");
    const { change } = bench.dataPlane.applied.at(-1)!;
    assertEquals([change.shared?.listeners.length, change.upserts.map(({ id }) => id)], [1, ["a"]]);
    assertEquals(bench.control.units.get("b"), before, "without routes nobody looked at it again");
  });

  it("is refused where a tenant of the main file needs it", async () => {
    const tenants = `tenants: [{ id: z, ${name("a.example").trim().replaceAll("\n", ", ")} }]\n`;
    const bench = await ControlBench.started(`${TOP}${tenants}`);
    bench.text = `${top()}${tenants}`;
    const report = await bench.control.reload();
    assertEquals(report.ok, false);
    assertMatch(report.errors[0]!, /must be a shared listener: current value is "edge"/);
  });

  it("that turns detect off freezes who needs names", async () => {
    const bench = await ControlBench.started(TOP, { a: name("a.example"), b: taking("default: true") });
    bench.text = top('{ id: edge, address: "127.0.0.1:8443" }');
    await bench.control.reload();
    assertEquals(inError(bench), ["a"]);
    assertMatch(tenantsInError(bench.control)[0]!.errors[0]!, /detect: none, and reads no SNI/);
  });

  it("can be put back: the way back tells it as it was", async () => {
    const { bench, verbs } = await VerbsBench.started(TOP, { acme: name("a.example") });
    bench.files.failAt = `rename ${MAIN}`;
    const { value, etag } = verbs.config();
    const more = { ...value, listeners: [...value["listeners"] as [], { id: "more", address: "127.0.0.1:8444" }] };
    await refusalOf("refused", () => verbs.replaceConfig({ value: more }, { actor: ADMIN, ifMatch: etag }));
    const [there, back] = bench.dataPlane.applied.slice(-2).map(({ change }) => change.shared?.listeners.length);
    assertEquals([there, back], [2, 1]);
    assertEquals(bench.control.plan.shared?.listeners.length, 1);
  });
});

describe("live sessions of shared listeners", () => {
  it("go on without their route, and are drained with their listener", async () => {
    const { bench, verbs } = await VerbsBench.started(top(EDGE, '{ id: raw, address: "127.0.0.1:1" }'), {
      acme: `${name("a.example")}labels: { plan: gold }\n`,
    });
    bench.dataPlane.live = [{ ...liveSession("acme", "edge"), route: "web" }];
    const counted = async (
      patch: Record<string, null | { listener: string; id: string; default: boolean; backend: string }[]>,
    ) => (await verbs.edit({ tenant: "acme" }, { kind: "patch", patch }, { actor: ADMIN, dryRun: true })).sessions;
    assertEquals(await counted({ routes: null }), { kept: 1, drained: 0 });
    assertEquals(await counted({ routes: null, backends: null }), { kept: 0, drained: 1 });
    const { value, etag } = verbs.config();
    const [acme] = value["tenants"] as unknown as [Record<string, string>];
    const routes = [{ id: "web", listener: "raw", default: true, backend: "pool" }];
    const moved = { ...value, listeners: [{ id: "raw", address: "127.0.0.1:1" }], tenants: [{ ...acme, routes }] };
    const whole = await verbs.replaceConfig({ value: moved }, { actor: ADMIN, ifMatch: etag, dryRun: true });
    assertEquals(whole.sessions, { kept: 0, drained: 1 });
  });
});

describe("a tenant's token", () => {
  const granted = `grants: { listeners: [edge] }\n${name("a.example")}`;
  const route = (text: string, id = "new") => ({
    tenant: "acme",
    part: { kind: "routes", id } as const,
    edit: { kind: "put", value: { listener: "edge", sni: [text], backend: "pool" } } as const,
  });

  it("attaches routes to listeners that it was granted, and to no other", async () => {
    const { bench, verbs } = await VerbsBench.started(top(EDGE, '{ id: more, address: "127.0.0.1:1" }'), {
      acme: granted,
    });
    const { edit, ...path } = route("b.example");
    await verbs.edit(path, edit, { actor: ACME });
    assertEquals(taken(bench)["acme"], ["a.example", "b.example"]);
    const other = { kind: "put", value: { listener: "more", default: true, backend: "pool" } } as const;
    const error = await refusalOf("forbidden", () =>
      verbs.edit({ ...path, part: { kind: "routes", id: "x" } }, other, {
        actor: ACME,
      }));
    assertEquals(error.faults.map(({ detail }) => detail), ["the listener is not among the tenant's grants"]);
    const absent = { kind: "put", value: { ...other.value, listener: "edgy" } } as const;
    await refusalOf(
      "forbidden",
      () => verbs.edit({ ...path, part: { kind: "routes", id: "x" } }, absent, { actor: ACME }),
    );
  });

  it("keeps a route that an admin has given it, and takes nothing more by it", async () => {
    const { verbs } = await VerbsBench.started(TOP, { acme: name("a.example") });
    const patch = (value: Record<string, string | string[]>) =>
      verbs.edit({ tenant: "acme", part: { kind: "routes", id: "web" } }, { kind: "patch", patch: value }, {
        actor: ACME,
      });
    await verbs.edit(
      { tenant: "acme", part: { kind: "backends", id: "other" } },
      { kind: "put", value: { endpoints: [{ id: "a", address: "127.0.0.1:10" }] } },
      { actor: ACME },
    );
    await patch({ backend: "other" });
    await refusalOf("forbidden", () => patch({ sni: ["a.example", "b.example"] }));
  });

  it("is told that a name is not free, not who has it", async () => {
    const { bench, verbs } = await VerbsBench.started(TOP, { acme: granted, globex: name("b.example") });
    const { edit, ...path } = route("B.example");
    const error = await refusalOf("invalid", () => verbs.edit(path, edit, { actor: ACME }));
    const [fault] = error.faults;
    assertEquals(fault?.pointer, "/sni/0");
    assertMatch(fault!.detail, /^must be free on listener edge: b\.example is not; use another name/);
    const admins = await refusalOf("invalid", () => verbs.edit(path, edit, { actor: ADMIN }));
    assertMatch(admins.faults[0]!.detail, /by route web of tenant globex/);
    bench.editTenant("acme", name("b.example"));
    await bench.control.reload();
    const told = verbs.tenantStatus("acme", true)?.errors.join() ?? "";
    assert(told.includes("b.example is not"), told);
    assertEquals(told.includes("globex"), false);
  });
});

describe("what readers see of it", () => {
  it("is a tenant's circuits, health and ejections from the data plane", async () => {
    const { bench, verbs } = await VerbsBench.started(TOP, {
      acme: `backends:
  - { id: pool, endpoints: [{ id: a, address: "127.0.0.1:9" }, { id: b, address: "127.0.0.1:10", state: drain }] }
  - { id: web, split: [{ backend: pool, weight: 1 }] }\n`,
    });
    bench.dataPlane.stats = [sharedStats({ sessionsActive: 5 })];
    bench.dataPlane.backends = [
      backendStats("globex", "pool", { circuit: "open" }),
      backendStats("acme", "pool", { circuit: "half_open" }),
    ];
    bench.dataPlane.endpoints = [
      endpointStats("acme", "pool", "a", { address: "127.0.0.1:9", health: "down", sessionsActive: 1 }),
      endpointStats("acme", "pool", "a", { health: "up", ejected: true, sessionsActive: 2 }),
      endpointStats("acme", "pool", "b", { health: "down" }),
      endpointStats("globex", "pool", "b", { health: "up", sessionsActive: 9 }),
    ];
    const status = verbs.tenantStatus("acme");
    const backends = status?.backends.map((backend) => ({
      ...backend,
      endpoints: backend.endpoints.map(({ addresses: _, name_error: __, ...endpoint }) => endpoint),
    }));
    assertEquals([status?.sessions, backends], [0, [
      {
        id: "pool",
        circuit: "half_open",
        endpoints: [
          { id: "a", address: "127.0.0.1:9", state: "ready", health: "up", sessions: 3, ejected: true },
          { id: "b", address: "127.0.0.1:10", state: "drain", health: "down", sessions: 0, ejected: false },
        ],
      },
      { id: "web", circuit: "closed", endpoints: [] },
    ]]);
    assertEquals(verbs.tenantIds(), ["acme"]);
    assertEquals(verbs.tenantStatus(SHARED_HOLDER), null);
    assertEquals(verbs.object({ tenant: SHARED_HOLDER }), null);
  });
});
