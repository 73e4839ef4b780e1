/** A tenant's file that is wrong freezes that tenant and no other; whoever has an address keeps it. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ConfigError, tenantsInError } from "../../src/control/mod.ts";
import { DataPlaneError } from "../../src/ffi/mod.ts";
import { ControlBench, MAIN, tenantText } from "./control_fixture.ts";

const TOP = "version: 1\ntenants_dir: t\n";
const A = tenantText("127.0.0.1:1001");
const B = tenantText("127.0.0.1:1002");
const BROKEN = "listeners: [}\n";

const inError = (bench: ControlBench) => tenantsInError(bench.control).map(({ tenant }) => tenant);
const running = (bench: ControlBench) => [...bench.control.plan.tenants.keys()].sort();

function bindError(tenant: string): DataPlaneError {
  const details = { code: "E_BIND", errno: "EADDRINUSE", subject: { tenant, listener: "in" }, detail: "" } as const;
  return new DataPlaneError(`Cannot listen for tenant ${tenant}`, details);
}

describe("a start with wrong files of tenants", () => {
  it("starts with the good ones, and says the others", async () => {
    const bench = await ControlBench.started(TOP, { a: A, b: BROKEN, c: tenantText("127.0.0.1:1001") });
    assertEquals(running(bench), ["a"]);
    assertEquals(inError(bench), ["b", "c"]);
    assertEquals(bench.log.messages("error").filter((line) => line === "the tenant stays out").length, 2);
    assertEquals(bench.control.generation, 1);
  });

  it("leaves a tenant out whose address cannot be bound", async () => {
    const bench = new ControlBench(TOP, { a: A, b: B });
    bench.dataPlane.refusal = bindError("b");
    await bench.start();
    assertEquals(running(bench), ["a"]);
    assertEquals(inError(bench), ["b"]);
    assertEquals(bench.dataPlane.lastUpserts(), ["a"]);
  });

  it("fails when the tenant stands in the main file", async () => {
    const bench = new ControlBench(`${TOP}tenants: [{ id: m, listeners: 1 }]\n`, { a: A });
    await assertRejects(() => bench.start(), ConfigError);
  });

  it("passes by names that are no tenant's, and tells them", async () => {
    const bench = new ControlBench(TOP, { a: A });
    for (const name of ["b.yml", "Big.yaml", ".a.yaml.sluice-tmp", "a.yaml~", "#a.yaml#"]) {
      bench.files.texts.set(`/etc/t/${name}`, B);
    }
    await bench.start();
    assertEquals(running(bench), ["a"]);
    assertEquals(inError(bench).sort(), ["Big", "b"]);
  });
});

describe("a reload with wrong files of tenants", () => {
  it("keeps the last good version of the one, and changes the others", async () => {
    const bench = await ControlBench.started(TOP, { a: A, b: B });
    bench.editTenant("a", BROKEN);
    bench.editTenant("b", tenantText("127.0.0.1:1003"));
    bench.editTenant("c", tenantText("127.0.0.1:1004"));
    const report = await bench.control.reload();
    assertEquals([report.ok, report.changed, report.generation, report.errors.length], [true, true, 2, 1]);
    assert(report.errors[0]?.startsWith("/etc/t/a.yaml:1:"), report.errors[0]);
    assertEquals(bench.dataPlane.lastUpserts(), ["b", "c"]);
    assertEquals(inError(bench), ["a"]);
    assertEquals(bench.control.units.get("a")?.running?.plan.listeners.length, 1);

    bench.editTenant("a", A);
    const mended = await bench.control.reload({ by: "watch", paths: new Set(["/etc/t/a.yaml"]) });
    assertEquals([mended.ok, mended.changed, mended.errors], [true, false, []]);
    assertEquals(bench.control.lastReload?.errors, [], "the error is taken back");
    assert(bench.log.messages("info").includes("reloaded, nothing has changed; what was wrong is mended"));
    assertEquals(inError(bench), []);
  });

  it("drains a tenant whose file is gone, wrong or not", async () => {
    const bench = await ControlBench.started(TOP, { a: A, b: B });
    bench.editTenant("b", BROKEN);
    await bench.control.reload();
    for (const id of ["a", "b"]) {
      bench.editTenant(id, null);
      await bench.control.reload({ by: "watch", paths: new Set([`/etc/t/${id}.yaml`]) });
      assertEquals(bench.dataPlane.applied.at(-1)?.change, { upserts: [], removals: [id] });
    }
    assertEquals(inError(bench), []);
    assertEquals(running(bench), []);
  });

  it("changes nothing at all when the main file is wrong", async () => {
    const bench = await ControlBench.started(TOP, { a: A });
    bench.text = `${TOP}worker: 1\n`;
    bench.editTenant("a", B);
    assertEquals((await bench.control.reload()).ok, false);
    assertEquals(bench.dataPlane.applied.length, 1);
    assertEquals(bench.control.main.text, TOP);
  });

  it("keeps every tenant when their folder cannot be read", async () => {
    const bench = await ControlBench.started(TOP, { a: A });
    bench.files.listFiles = () => Promise.reject(new Deno.errors.NotFound("gone"));
    const report = await bench.control.reload();
    assertEquals([report.ok, running(bench)], [false, ["a"]]);
  });

  it("freezes the tenant whose address cannot be bound", async () => {
    const bench = await ControlBench.started(TOP, { a: A, b: B });
    bench.editTenant("a", tenantText("127.0.0.1:2001"));
    bench.editTenant("b", tenantText("127.0.0.1:2002"));
    bench.dataPlane.refusal = bindError("a");
    await bench.control.reload();
    assertEquals(bench.dataPlane.lastUpserts(), ["b"]);
    assertEquals(inError(bench), ["a"]);
    assertEquals(bench.control.bound.map(({ address }) => address), ["127.0.0.1:1001", "127.0.0.1:2002"]);
    // The next full look tries again.
    assertEquals((await bench.control.reload()).errors, []);
    assertEquals(bench.dataPlane.lastUpserts(), ["a"]);
  });

  it("lets who has an address keep it, and gives it on when it is free", async () => {
    const bench = await ControlBench.started(TOP, { a: A, b: B });
    bench.editTenant("a", tenantText("127.0.0.1:1002"));
    await bench.control.reload();
    assertEquals(inError(bench), ["a"]);
    bench.editTenant("b", tenantText("127.0.0.1:1005"));
    await bench.control.reload();
    assertEquals(inError(bench), []);
    assertEquals(bench.control.bound.map(({ address }) => address).sort(), ["127.0.0.1:1002", "127.0.0.1:1005"]);
  });

  it("lets two tenants exchange their addresses in one reload", async () => {
    const bench = await ControlBench.started(TOP, { a: A, b: B });
    bench.editTenant("a", B);
    bench.editTenant("b", A);
    await bench.control.reload();
    assertEquals(inError(bench), []);
    assertEquals(bench.dataPlane.lastUpserts(), ["a", "b"]);
  });

  it("keeps both when one of two that would exchange is wrong", async () => {
    const bench = await ControlBench.started(TOP, { a: A, b: B });
    bench.editTenant("a", B);
    bench.editTenant("b", `${A}nonsense: 1\n`);
    await bench.control.reload();
    assertEquals(inError(bench).sort(), ["a", "b"]);
    assertEquals(bench.dataPlane.applied.length, 1);
  });

  it("does not let the main file take what a tenant's file has", async () => {
    const bench = await ControlBench.started(TOP, { a: A });
    bench.text = `${TOP}tenants: [{ id: m, ${tenantText("127.0.0.1:1001").trim().replaceAll("\n", ", ")} }]\n`;
    const report = await bench.control.reload();
    assertEquals(report.ok, false);
    assert(report.errors[0]?.includes("is taken, by listener in of tenant a"), report.errors[0]);
  });

  it("knows a tenant once: the main file's wins", async () => {
    const bench = await ControlBench.started(TOP, { a: A });
    bench.text = `${TOP}tenants: [{ id: a, ${tenantText("127.0.0.1:1009").trim().replaceAll("\n", ", ")} }]\n`;
    await bench.control.reload();
    assertEquals(inError(bench), ["a"]);
    assertEquals(bench.control.units.get("a")?.file, MAIN);
    assertEquals(bench.control.bound.map(({ address }) => address), ["127.0.0.1:1009"]);
  });
});

describe("the cost of a change", () => {
  it("is one tenant's: no other is checked or told", async () => {
    const tenants = Object.fromEntries(
      Array.from({ length: 50 }, (_, index) => [`t${index}`, tenantText(`127.0.0.1:${3000 + index}`)]),
    );
    const bench = await ControlBench.started(TOP, tenants);
    const before = new Map(bench.control.units);
    bench.editTenant("t7", tenantText("127.0.0.1:9999"));
    await bench.control.reload({ by: "watch", paths: new Set(["/etc/t/t7.yaml"]) });
    assertEquals(bench.dataPlane.lastUpserts(), ["t7"]);
    assertEquals(bench.loads, 0);
    for (const [id, unit] of bench.control.units) assertEquals(unit === before.get(id), id !== "t7", id);
  });

  it("is everybody's when what lies beneath all has changed", async () => {
    const bench = await ControlBench.started(TOP, { a: A, b: `timeouts: { idle: 1m }\n${B}` });
    bench.text = `${TOP}defaults: { timeouts: { idle: 2m } }\n`;
    await bench.control.reload();
    assertEquals(bench.dataPlane.lastUpserts(), ["a"]);
    bench.text = `${TOP}defaults: { timeouts: { idle: 2m } }\nlabels: 1\n`;
    assertEquals((await bench.control.reload()).ok, false);
  });

  it("looks names up again at a whole reload", async () => {
    const named = A.replace("127.0.0.1:9", "db.example:9");
    const bench = new ControlBench(TOP, { a: named, b: B });
    bench.hosts["db.example"] = ["10.0.0.1"];
    await bench.start();
    bench.hosts["db.example"] = ["10.0.0.2"];
    await bench.control.reload({ by: "watch", paths: new Set(["/etc/t/b.yaml"]) });
    assertEquals(bench.dataPlane.applied.length, 1);
    await bench.control.reload();
    assertEquals(bench.dataPlane.lastUpserts(), ["a"]);
    delete bench.hosts["db.example"];
    await bench.control.reload();
    assertEquals(inError(bench), []);
    assertEquals(running(bench), ["a", "b"]);
    assertEquals(bench.log.messages("warn"), ["a name is looked for on and on"]);
  });
});
