/** The control plane: what a start and a reload tell the data plane, and that a failure changes nothing. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ConfigError } from "../../src/control/mod.ts";
import { configText, ControlBench } from "./control_fixture.ts";

const ONE = configText({ acme: "127.0.0.1:5000" });
const TWO = configText({ acme: "127.0.0.1:5000", globex: "127.0.0.1:6000" });
const OTHER = configText({ acme: "127.0.0.1:5001" });
const WRONG = configText({ acme: "127.0.0.1" });

describe("ControlPlane.start", () => {
  it("applies everything as generation 1", async () => {
    const { control, dataPlane } = await ControlBench.started(TWO);
    assertEquals(dataPlane.applied.length, 1);
    const [{ change, generation }] = dataPlane.applied as [typeof dataPlane.applied[0]];
    assertEquals(generation, 1);
    assert(change.process !== undefined);
    assertEquals(change.upserts.map((tenant) => tenant.id), ["acme", "globex"]);
    assertEquals(control.generation, 1);
    assertEquals(control.bound.map((one) => one.address), ["127.0.0.1:5000", "127.0.0.1:6000"]);
    assertEquals(control.lastReload, null);
  });

  it("fails with every problem, and tells the data plane nothing", async () => {
    const bench = new ControlBench(WRONG);
    const error = await assertRejects(() => bench.start(), ConfigError);
    assertEquals(error.problems.length, 1);
    assertEquals(bench.dataPlane.applied, []);
    assertEquals(bench.control.generation, 0);
  });
});

describe("ControlPlane.reload", () => {
  it("tells the data plane only what has changed, and says which addresses are new", async () => {
    const bench = await ControlBench.started(ONE);
    bench.text = TWO;
    const report = await bench.control.reload();
    assertEquals(report, { atMs: 1_000, ok: true, changed: true, generation: 2, errors: [] });
    assertEquals(bench.dataPlane.applied.at(-1)?.change.upserts.map((tenant) => tenant.id), ["globex"]);
    assertEquals(bench.dataPlane.applied.at(-1)?.change.process, undefined);
    assertEquals(bench.bound, [{ tenant: "globex", listener: "in", address: "127.0.0.1:6000" }]);
    bench.text = ONE;
    assertEquals((await bench.control.reload()).generation, 3);
    assertEquals(bench.dataPlane.applied.at(-1)?.change.removals, ["globex"]);
    assertEquals(bench.log.messages("info"), ["reloaded", "reloaded"]);
  });

  it("does nothing when nothing has changed, except opening the logs anew", async () => {
    const bench = await ControlBench.started(ONE);
    const report = await bench.control.reload();
    assertEquals([report.ok, report.changed, report.generation], [true, false, 1]);
    assertEquals(bench.dataPlane.applied.length, 1);
    assertEquals(bench.settings, ["prepare", "commit"]);
    assertEquals(bench.bound, []);
    assertEquals(bench.control.lastReload, report);
  });

  it("keeps the old configuration when the file is wrong, and says each problem", async () => {
    const bench = await ControlBench.started(ONE);
    bench.text = WRONG;
    const report = await bench.control.reload();
    assertEquals([report.ok, report.generation, report.errors.length], [false, 1, 1]);
    assert(report.errors[0]?.startsWith("/etc/sluice.yaml:4:"), report.errors[0]);
    assertEquals(bench.log.messages("error"), [
      "the configuration is wrong",
      "reload failed, the old configuration goes on",
    ]);
    assertEquals(bench.dataPlane.applied.length, 1);
    assertEquals(bench.control.plan.tenants.get("acme")?.listeners.length, 1);
    // A rotated log file must be let go all the same.
    assertEquals(bench.settings, ["prepare", "commit"]);
    bench.text = OTHER;
    assertEquals((await bench.control.reload()).ok, true);
    assertEquals(bench.control.lastReload?.ok, true);
  });

  it("keeps the old configuration and the old logs when the data plane refuses", async () => {
    const bench = await ControlBench.started(ONE);
    bench.text = OTHER;
    bench.dataPlane.refusal = new Error("Cannot listen on 127.0.0.1:5001");
    const report = await bench.control.reload();
    assertEquals([report.ok, report.errors], [false, ["Cannot listen on 127.0.0.1:5001"]]);
    assertEquals(bench.settings, ["prepare", "discard"]);
    assertEquals(bench.control.bound[0]?.address, "127.0.0.1:5000");
    assertEquals(bench.bound, []);
    // The same change is tried again: what is in force is still the old one.
    assertEquals((await bench.control.reload()).ok, true);
    assertEquals(bench.dataPlane.applied.at(-1)?.generation, 2);
    assertEquals(bench.control.bound[0]?.address, "127.0.0.1:5001");
  });

  it("changes nothing when the logs cannot be opened", async () => {
    const bench = await ControlBench.started(ONE);
    bench.text = OTHER;
    bench.settingsFailure = new Error("Cannot open the access log");
    assertEquals((await bench.control.reload()).errors, ["Cannot open the access log"]);
    assertEquals(bench.dataPlane.applied.length, 1);
  });

  it("makes one reload of many requests, with what the files say last", async () => {
    const bench = await ControlBench.started(ONE);
    const gate = Promise.withResolvers<void>();
    bench.gate = gate.promise;
    const first = bench.control.reload();
    while (bench.loads === 0) await Promise.resolve();
    const requests = [first, ...[1, 2, 3].map(() => bench.control.reload())];
    bench.text = TWO;
    gate.resolve();
    await Promise.all(requests);
    assertEquals(bench.loads, 2);
    assertEquals(bench.control.plan.tenants.size, 2);
  });

  it("changes nothing any more once the process is stopping", async () => {
    const bench = await ControlBench.started(ONE);
    const gate = Promise.withResolvers<void>();
    bench.gate = gate.promise;
    bench.text = TWO;
    const reload = bench.control.reload();
    bench.control.drain(5);
    assertEquals(bench.dataPlane.drained, [5]);
    gate.resolve();
    assertEquals((await reload).ok, false);
    assertEquals(bench.dataPlane.applied.length, 1);
    await bench.control.stop();
    assertEquals(bench.dataPlane.stops, 1);
  });

  it("warns of what takes effect with the next start only", async () => {
    const bench = await ControlBench.started(ONE);
    bench.text = configText({ acme: "127.0.0.1:5000" }, "workers: 3\n");
    assertEquals((await bench.control.reload()).ok, true);
    assertEquals(bench.log.messages("warn"), ["workers takes effect with the next start"]);
  });
});
