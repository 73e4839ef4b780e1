/** The configuration as a whole: replaced, checked, and put back as it was. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { parse } from "yaml";
import type { JsonObject } from "../../src/admin/control.ts";
import { tenantText } from "./control_fixture.ts";
import { ACME, ADMIN, refusalOf, VerbsBench } from "./verbs_fixture.ts";

const as = { actor: ADMIN };
const FRESH = parse(tenantText("127.0.0.1:1009")) as JsonObject;
const patch = (limit: number) => ({ kind: "patch", patch: { limits: { max_connections: limit } } }) as const;

describe("config", () => {
  it("is the main file with the tenants of files behind its own; its validator follows every change", async () => {
    const { verbs } = await VerbsBench.standard();
    const { value, etag } = verbs.config();
    assertEquals((value["tenants"] as JsonObject[]).map(({ id }) => id), ["inline", "acme"]);
    assertEquals(verbs.config().etag, etag);
    await verbs.edit({ tenant: "acme" }, patch(5), as);
    assert(verbs.config().etag !== etag);
  });
});

describe("replaceConfig", () => {
  it("needs If-Match, the right one, and an admin", async () => {
    const { verbs } = await VerbsBench.standard();
    const { value, etag } = verbs.config();
    await refusalOf("precondition_required", () => verbs.replaceConfig({ value }, as));
    await refusalOf("precondition_failed", () => verbs.replaceConfig({ value }, { ...as, ifMatch: '"x"' }));
    await refusalOf("forbidden", () => verbs.replaceConfig({ value }, { actor: ACME, ifMatch: etag }));
    assertEquals((await verbs.replaceConfig({ value }, { ...as, ifMatch: etag })).changes, []);
  });

  it("writes each tenant where it stands, new ones into files, and removes those that are left out", async () => {
    const { bench, verbs } = await VerbsBench.standard();
    const { value, etag } = verbs.config();
    const [inline] = value["tenants"] as JsonObject[];
    const tenants = [{ ...inline, enabled: false }, { id: "new", ...FRESH }];
    const sent = { ...value, shutdown: { grace: "5s" }, tenants };
    const result = await verbs.replaceConfig({ value: sent }, { ...as, ifMatch: etag });
    assertEquals(result.object?.value, sent);
    assertEquals(bench.tenantFile("acme"), undefined);
    assertEquals(parse(bench.tenantFile("new") ?? "")["id"], "new");
    assertEquals(parse(bench.text).tenants.length, 1);
    for (const comment of ["# main", "# folder", "# the first"]) assertStringIncludes(bench.text, comment);
    const change = bench.dataPlane.applied.at(-1)?.change;
    assertEquals([change?.upserts.map(({ id }) => id).sort(), change?.removals], [["inline", "new"], ["acme"]]);
    assertEquals(bench.settings, ["prepare", "commit"]);
  });

  it("takes the main file as YAML, word for word", async () => {
    const { bench, verbs } = await VerbsBench.standard();
    const { etag } = verbs.config();
    const yaml = `${bench.text}# sent\n`;
    await verbs.replaceConfig({ yaml }, { ...as, ifMatch: etag });
    assertEquals([bench.text, verbs.configYaml()], [yaml, yaml]);
  });

  it("refuses what is wrong with every fault, and writes nothing", async () => {
    const { bench, verbs } = await VerbsBench.standard();
    const { etag } = verbs.config();
    const yaml = "version: 2\ntenants_dir: t\nshutdown: { grace: 5 }\n";
    const error = await refusalOf("invalid", () => verbs.replaceConfig({ yaml }, { ...as, ifMatch: etag }));
    assertEquals(error.faults.map(({ pointer, line }) => [pointer, line]), [["/version", 1], ["/shutdown/grace", 3]]);
    assertEquals(await verbs.validateConfig({ yaml }), error.faults);
    assertEquals(await verbs.validateConfig({ yaml: bench.text }), []);
    const moved = { ...verbs.config().value, tenants_dir: "elsewhere" };
    assertEquals((await verbs.validateConfig({ value: moved })).map(({ pointer }) => pointer), ["/tenants_dir"]);
    assertEquals((await verbs.validateConfig({ value: { tenants: 1 } })).map(({ pointer }) => pointer), ["/tenants"]);
    assertEquals(bench.files.steps, []);
  });

  it("keeps the old when settings cannot be prepared", async () => {
    const { bench, verbs } = await VerbsBench.standard();
    const { value, etag } = verbs.config();
    bench.settingsFailure = new Error("Cannot open the access log");
    const texts = [...bench.files.texts];
    const sent = { ...value, shutdown: { grace: "5s" } };
    const failed = await refusalOf("refused", () => verbs.replaceConfig({ value: sent }, { ...as, ifMatch: etag }));
    assertStringIncludes(failed.message, "access log");
    assertEquals([...bench.files.texts], texts);
  });
});

describe("rollback", () => {
  it("puts files back as they were, comments of that time included, as a new generation", async () => {
    const { bench, verbs } = await VerbsBench.standard();
    const before = new Map(bench.files.texts);
    await verbs.edit({ tenant: "acme" }, patch(5), as);
    bench.editTenant("acme", `${bench.tenantFile("acme")}# by hand\n`);
    await bench.control.reload({ by: "watch", paths: new Set(["/etc/t/acme.yaml"]) });
    const second = bench.tenantFile("acme");
    await verbs.edit({ tenant: "new" }, { kind: "put", value: FRESH }, as);
    await verbs.edit({ tenant: "acme" }, { kind: "delete" }, as);
    await verbs.setEnabled("inline", false, as);
    assertEquals(verbs.generations().map(({ generation }) => generation), [1, 2, 3, 4, 5]);

    await refusalOf("precondition_required", () => verbs.rollback(2, as));
    const dry = await verbs.rollback(2, { ...as, ifMatch: verbs.config().etag, dryRun: true });
    assertEquals(dry.changes.map(({ op, path }) => `${op} ${path}`).sort(), [
      "add /tenants/acme",
      "remove /tenants/inline/enabled",
      "remove /tenants/new",
    ]);
    const result = await verbs.rollback(2, { ...as, ifMatch: verbs.config().etag });
    assertEquals(result.generation, 6);
    assertEquals(bench.tenantFile("acme"), second);
    assertEquals(bench.tenantFile("new"), undefined);
    await verbs.rollback(1, { ...as, ifMatch: verbs.config().etag });
    assertEquals(bench.files.texts, before);
    await verbs.rollback(5, { ...as, ifMatch: verbs.config().etag });
    assertEquals(verbs.tenantIds(), ["inline", "new"]);
    await refusalOf("not_found", () => verbs.rollback(99, { ...as, ifMatch: verbs.config().etag }));
  });
});

describe("audit and events of writes", () => {
  it("say who did what, failures too, and no secrets", async () => {
    const token = "ab".repeat(32);
    const { bench, verbs, folder } = await VerbsBench.standard();
    await verbs.edit({ tenant: "acme" }, patch(5), as);
    await refusalOf("forbidden", () => verbs.edit({ tenant: "acme" }, patch(500), { actor: ACME }));
    const { value, etag } = verbs.config();
    const admin = { listen: "127.0.0.1:9900", tokens: [{ name: "ops\u001b[2J", sha256: token, role: "admin" }] };
    await refusalOf("invalid", () => verbs.replaceConfig({ value: { ...value, admin } }, { ...as, ifMatch: etag }));
    const good = { ...value, admin: { ...admin, tokens: [{ name: "ops", sha256: token, role: "admin" }] } };
    await verbs.replaceConfig({ value: good }, { ...as, ifMatch: etag });
    verbs.killSessions({ tenant: "acme", source: "10.0.0.0/8" }, ADMIN);
    const entries = verbs.audit(null, 10, null).items;
    assertEquals(entries.map(({ actor, verb, target, result }) => [actor, verb, target, result.split(":")[0]]), [
      ["ops", "kill", "/sessions?tenant=acme&source=10.0.0.0/8", "ok"],
      ["ops", "replace", "/config", "ok"],
      ["ops", "replace", "/config", "invalid"],
      ["acme-ci", "patch", "/tenants/acme", "forbidden"],
      ["ops", "patch", "/tenants/acme", "ok"],
    ]);
    assertEquals(entries.at(-1)?.changes, [
      { op: "replace", path: "/tenants/acme/limits/max_connections", from: 10, to: 5 },
    ]);
    assertEquals(verbs.audit("acme", 10, null).items.length, 3);
    await bench.control.queue.run(() => Promise.resolve());
    for (const text of [folder.texts.get("audit.jsonl") ?? "", JSON.stringify(verbs.generations())]) {
      assert(text !== "" && !text.includes(token));
    }
  });

  it("reach whoever listens, each tenant its part", async () => {
    const { verbs } = await VerbsBench.standard();
    const seen: string[] = [];
    const stop = verbs.subscribe(null, ({ id, kind, tenant }) => void seen.push(`${id} ${kind} ${tenant}`));
    await verbs.setEnabled("acme", false, as);
    await verbs.drainTenant("acme", 0, as);
    const { value, etag } = verbs.config();
    await verbs.replaceConfig({ value: { ...value, shutdown: { grace: "1s" } } }, { ...as, ifMatch: etag });
    assertEquals(seen, ["1000001 config acme", "1000002 drain acme", "1000003 config null"]);
    stop();
  });
});
