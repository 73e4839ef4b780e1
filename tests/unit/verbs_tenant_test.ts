/** Writes of one tenant: what reaches the data plane, what the files say after it, and what is refused. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { parse } from "yaml";
import type { JsonObject } from "../../src/admin/control.ts";
import { DataPlaneError } from "../../src/ffi/mod.ts";
import { liveSession, tenantText } from "./control_fixture.ts";
import { ACME, ADMIN, refusalOf, VerbsBench, VIEWER } from "./verbs_fixture.ts";

const as = { actor: ADMIN };
const acme = { tenant: "acme" };
const FRESH = parse(tenantText("127.0.0.1:1009")) as JsonObject;

describe("edit", () => {
  it("patches a tenant in its file, comments kept, and tells the data plane only that tenant", async () => {
    const { bench, verbs } = await VerbsBench.standard();
    const before = verbs.object(acme);
    const result = await verbs.edit(acme, { kind: "patch", patch: { limits: { max_connections: 7 } } }, as);
    assertEquals([result.generation, result.created], [2, false]);
    assertEquals(result.changes, [
      { op: "replace", path: "/tenants/acme/limits/max_connections", from: 10, to: 7 },
    ]);
    assertEquals(
      bench.tenantFile("acme"),
      `# acme's own\n${tenantText("127.0.0.1:1001", "limits: { max_connections: 7 } # agreed\n")}`,
    );
    assertEquals(bench.dataPlane.lastUpserts(), ["acme"]);
    assertEquals(verbs.object(acme), result.object);
    assert(result.object?.etag !== before?.etag);
    assertMatch(result.object?.etag ?? "", /^"[0-9a-f]{32}"$/);
    assertEquals(bench.files.steps.map((step) => step.split(" ")[0]), ["write", "rename", "sync"]);
  });

  it("patches a tenant of the main file in place", async () => {
    const { bench, verbs } = await VerbsBench.standard();
    await verbs.edit({ tenant: "inline" }, { kind: "patch", patch: { enabled: false, labels: { plan: "gold" } } }, as);
    for (const comment of ["# main", "# folder", "# the first"]) assertStringIncludes(bench.text, comment);
    assertEquals(parse(bench.text).tenants[0].enabled, false);
    assertEquals(bench.dataPlane.lastUpserts(), ["inline"]);
  });

  it("gives a new tenant a file of its own, or a place in the main file", async () => {
    const filed = await VerbsBench.standard();
    const result = await filed.verbs.edit({ tenant: "new" }, { kind: "create", value: { id: "new", ...FRESH } }, as);
    assertEquals([result.created, result.object?.value["id"]], [true, "new"]);
    assertEquals(parse(filed.bench.tenantFile("new") ?? ""), { id: "new", ...FRESH });
    const inline = await VerbsBench.started("version: 1 # one\n");
    await inline.verbs.edit({ tenant: "new" }, { kind: "put", value: FRESH }, as);
    assertEquals(parse(inline.bench.text).tenants, [{ id: "new", ...FRESH }]);
    assertStringIncludes(inline.bench.text, "# one");
  });

  it("deletes a file with its tenant; with drainMs sessions get so long", async () => {
    const { bench, verbs } = await VerbsBench.standard();
    bench.dataPlane.live = [liveSession("acme"), liveSession("inline")];
    const result = await verbs.edit(acme, { kind: "delete", drainMs: 1234 }, as);
    assertEquals([result.object, result.sessions], [null, { kept: 0, drained: 1 }]);
    assertEquals(bench.tenantFile("acme"), undefined);
    const [first, second] = bench.dataPlane.applied.slice(-2);
    assertEquals(first?.change.upserts[0]?.timeouts.drainMs, 1234);
    assertEquals(second?.change, { upserts: [], removals: ["acme"] });
    assert((second?.generation ?? 0) > (first?.generation ?? 0));
    await verbs.edit({ tenant: "inline" }, { kind: "delete" }, as);
    assertEquals(parse(bench.text).tenants, []);
    assertEquals(verbs.tenantIds(), []);
  });

  it("changes parts of a tenant, and removes them", async () => {
    const { verbs } = await VerbsBench.standard();
    const endpoint = { tenant: "acme", part: { kind: "endpoints", backend: "pool", id: "b" } } as const;
    await verbs.edit(endpoint, { kind: "put", value: { address: "127.0.0.1:10" } }, as);
    assertEquals(verbs.endpointIds("acme", "pool"), ["a", "b"]);
    await verbs.edit(endpoint, { kind: "patch", patch: { state: "drain" } }, as);
    assertEquals(verbs.object(endpoint)?.value, { id: "b", address: "127.0.0.1:10", state: "drain" });
    await verbs.edit(endpoint, { kind: "delete" }, as);
    assertEquals(verbs.endpointIds("acme", "pool"), ["a"]);
    const listener = { tenant: "acme", part: { kind: "listeners", id: "in" } } as const;
    await verbs.edit(listener, { kind: "delete" }, as);
    assertEquals(verbs.partIds("acme", "listeners"), []);
    await refusalOf("not_found", () => verbs.edit(listener, { kind: "delete" }, as));
  });

  it("answers what would change, and changes nothing, for a dry run", async () => {
    const { bench, verbs } = await VerbsBench.standard();
    bench.dataPlane.live = [liveSession("acme"), liveSession("acme", "in", "gone"), liveSession("inline")];
    const value = { ...verbs.object(acme)?.value, enabled: false };
    const result = await verbs.edit(acme, { kind: "put", value }, { ...as, dryRun: true });
    assertEquals([result.generation, result.changes.length, result.sessions], [1, 1, { kept: 1, drained: 1 }]);
    assertEquals(bench.files.steps, []);
    assertEquals(bench.dataPlane.applied.length, 1);
    assertEquals(verbs.audit(null, 10, null).items, []);
  });

  it("does nothing when nothing changes", async () => {
    const { bench, verbs } = await VerbsBench.standard();
    const result = await verbs.edit(acme, { kind: "patch", patch: {} }, as);
    assertEquals([result.generation, result.changes, bench.files.steps], [1, [], []]);
  });

  it("counts a change that the data plane need not know", async () => {
    const { bench, verbs } = await VerbsBench.standard();
    const result = await verbs.edit(acme, { kind: "patch", patch: { labels: { plan: "gold" } } }, as);
    assertEquals([result.generation, bench.dataPlane.applied.length], [2, 1]);
  });

  it("holds objects against conditions", async () => {
    const { verbs } = await VerbsBench.standard();
    const patch = { kind: "patch", patch: { enabled: false } } as const;
    const etag = verbs.object(acme)?.etag ?? "";
    await refusalOf("precondition_failed", () => verbs.edit(acme, patch, { ...as, ifMatch: '"x"' }));
    await refusalOf("precondition_failed", () => verbs.edit(acme, patch, { ...as, ifMatch: `W/${etag}` }));
    const put = { kind: "put", value: FRESH } as const;
    await refusalOf("precondition_failed", () => verbs.edit(acme, put, { ...as, ifNoneMatch: "*" }));
    await refusalOf("precondition_failed", () => verbs.edit({ tenant: "no" }, put, { ...as, ifMatch: "*" }));
    await verbs.edit(acme, patch, { ...as, ifMatch: `"x", ${etag}` });
    await refusalOf("precondition_failed", () => verbs.edit(acme, { kind: "delete" }, { ...as, ifMatch: etag }));
    await verbs.edit(acme, { kind: "delete" }, { ...as, ifMatch: "*" });
  });

  it("refuses what is there, what is not, and ids that do not agree", async () => {
    const { verbs } = await VerbsBench.standard();
    await refusalOf("exists", () => verbs.edit(acme, { kind: "create", value: { id: "acme" } }, as));
    await refusalOf("not_found", () => verbs.edit({ tenant: "no" }, { kind: "delete" }, as));
    await refusalOf("not_found", () => verbs.edit({ tenant: "no" }, { kind: "patch", patch: {} }, as));
    const wrong = await refusalOf("invalid", () => verbs.edit(acme, { kind: "put", value: { id: "x" } }, as));
    assertEquals(wrong.faults[0]?.pointer, "/id");
    for (const tenant of ["../x", "A", "a/b", ".x", ""]) {
      await refusalOf("invalid", () => verbs.edit({ tenant }, { kind: "put", value: FRESH }, as));
    }
  });

  it("tells every fault with its pointer into what was sent", async () => {
    const { bench, verbs } = await VerbsBench.standard();
    const value = { ...FRESH, limits: { max_connections: -1 }, nonsense: 1 };
    const error = await refusalOf("invalid", () => verbs.edit(acme, { kind: "put", value }, as));
    assertEquals(error.faults.map(({ pointer }) => pointer).sort(), ["/limits/max_connections", "/nonsense"]);
    const part = { tenant: "inline", part: { kind: "backends", id: "pool" } } as const;
    const inPart = await refusalOf(
      "invalid",
      () => verbs.edit(part, { kind: "put", value: { endpoints: [{ id: "a", address: "x" }] } }, as),
    );
    assertEquals(inPart.faults.map(({ pointer }) => pointer), ["/endpoints/0/address"]);
    const used = await refusalOf("invalid", () => verbs.edit(part, { kind: "delete" }, as));
    assertEquals(used.faults.map(({ pointer }) => pointer), ["/listeners/0/backend"]);
    const taken = await refusalOf(
      "invalid",
      () => verbs.edit({ tenant: "new" }, { kind: "put", value: parse(tenantText("0.0.0.0:1001")) as JsonObject }, as),
    );
    assertEquals(taken.faults.map(({ pointer }) => pointer), ["/listeners/0/address"]);
    assertEquals(bench.files.steps, []);
  });

  it("refuses a write to a file that was edited since it was loaded", async () => {
    const { bench, verbs } = await VerbsBench.standard();
    bench.editTenant("acme", `${bench.tenantFile("acme")}# by hand\n`);
    await refusalOf("conflict", () => verbs.setEnabled("acme", false, as));
    assertStringIncludes(bench.tenantFile("acme") ?? "", "# by hand");
    await verbs.reload(ADMIN);
    await verbs.setEnabled("acme", false, as);
    assertStringIncludes(bench.tenantFile("acme") ?? "", "# by hand");
    bench.editTenant("new", "id: new\n");
    await refusalOf("conflict", () => verbs.edit({ tenant: "new" }, { kind: "put", value: FRESH }, as));
    bench.text = `${bench.text}# more\n`;
    await refusalOf("conflict", () => verbs.setEnabled("inline", false, as));
  });

  it("refuses what the data plane refuses, and leaves no file behind", async () => {
    const { bench, verbs } = await VerbsBench.standard();
    const texts = [...bench.files.texts];
    const details = { code: "E_BIND", errno: "EADDRINUSE", subject: {}, detail: "" } as const;
    bench.dataPlane.refusal = new DataPlaneError("Cannot listen on 127.0.0.1:1009", details);
    await refusalOf("refused", () => verbs.edit(acme, { kind: "put", value: FRESH }, as));
    assertEquals([...bench.files.texts], texts);
    assertEquals(bench.control.generation, 1);
    assertEquals((await verbs.edit(acme, { kind: "put", value: FRESH }, as)).generation, 2);
  });

  it("goes back when the file cannot be given its name", async () => {
    const { bench, verbs } = await VerbsBench.standard();
    const before = bench.tenantFile("acme");
    bench.files.failAt = "rename";
    const failed = await refusalOf("refused", () => verbs.edit(acme, { kind: "put", value: FRESH }, as));
    assertStringIncludes(failed.message, "cannot rename /etc/t/acme.yaml");
    assertEquals(bench.tenantFile("acme"), before);
    const [there, back] = bench.dataPlane.applied.slice(-2);
    assertEquals(
      there?.change.upserts[0]?.listeners[0]?.address,
      back && { family: "ipv4", ip: "127.0.0.1", port: 1009, scopeId: 0 },
    );
    assertEquals(back?.change.upserts[0], bench.control.plan.tenants.get("acme"));
    assertEquals(verbs.object(acme)?.value["limits"], { max_connections: 10 });
    assertMatch(verbs.audit(null, 1, null).items[0]?.result ?? "", /^refused: /);
  });

  it("is refused where the file cannot be written, before anything has changed", async () => {
    const { bench, verbs } = await VerbsBench.standard();
    bench.files.failAt = "write";
    const failed = await refusalOf("refused", () => verbs.edit(acme, { kind: "put", value: FRESH }, as));
    assertStringIncludes(failed.message, "its file must be writable");
    assertEquals([bench.dataPlane.applied.length, bench.control.generation], [1, 1]);
  });

  it("mends a tenant that is in error by a whole put, and nothing less where the file is no YAML", async () => {
    const { bench, verbs } = await VerbsBench.standard();
    bench.editTenant("acme", "id: [}\n");
    await verbs.reload(ADMIN);
    assertEquals(verbs.status().tenants_in_error.map(({ tenant }) => tenant), ["acme"]);
    assertEquals(verbs.tenantStatus("acme")?.errors.length, 1);
    await refusalOf("conflict", () => verbs.setEnabled("acme", false, as));
    await verbs.edit(acme, { kind: "put", value: FRESH }, as);
    assertEquals(verbs.status().tenants_in_error, []);
  });

  it("lets a tenant that waits for an address have it when it is given up", async () => {
    const { bench, verbs } = await VerbsBench.standard();
    bench.editTenant("late", tenantText("127.0.0.1:1001"));
    await verbs.reload(ADMIN);
    assertEquals(verbs.status().tenants_in_error.length, 1);
    await verbs.edit(acme, { kind: "delete" }, as);
    await bench.control.queue.run(() => Promise.resolve());
    assertEquals(verbs.status().tenants_in_error, []);
    assertEquals(bench.dataPlane.lastUpserts(), ["late"]);
  });

  it("is refused when the process is stopping", async () => {
    const { bench, verbs } = await VerbsBench.standard();
    bench.control.drain(1);
    await refusalOf("stopping", () => verbs.setEnabled("acme", false, as));
    assertEquals(verbs.isReady(), false);
  });
});

describe("drainTenant", () => {
  it("takes no new sessions, and gives live ones their time", async () => {
    const { bench, verbs } = await VerbsBench.standard();
    bench.dataPlane.live = [liveSession("acme"), liveSession("acme")];
    const result = await verbs.drainTenant("acme", undefined, as);
    assertEquals([result.object?.value["enabled"], result.sessions], [false, { kept: 0, drained: 2 }]);
    assertEquals(bench.dataPlane.tenantsDrained, [{ tenant: "acme", graceMs: 30_000 }]);
    assertEquals((await verbs.drainTenant("acme", 5, as)).generation, result.generation);
    assertEquals(bench.dataPlane.tenantsDrained[1], { tenant: "acme", graceMs: 5 });
  });
});

describe("roles", () => {
  it("viewers change nothing, tenants nothing of others", async () => {
    const { verbs } = await VerbsBench.standard();
    await refusalOf("forbidden", () => verbs.setEnabled("acme", false, { actor: VIEWER }));
    await refusalOf("not_found", () => verbs.setEnabled("inline", false, { actor: ACME }));
    await refusalOf("not_found", () => verbs.edit({ tenant: "no" }, { kind: "put", value: FRESH }, { actor: ACME }));
    await refusalOf("forbidden", () => verbs.edit(acme, { kind: "delete" }, { actor: ACME }));
    await refusalOf("forbidden", () => verbs.reload(ACME));
    await verbs.setEnabled("acme", false, { actor: ACME });
  });
});
