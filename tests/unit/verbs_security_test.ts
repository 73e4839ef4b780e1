/** What a tenant's token must not learn, take or wash away through the verbs of the admin API. */
import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals, assertFalse } from "@std/assert";
import type { EventView } from "../../src/admin/control.ts";
import { tenantText } from "./control_fixture.ts";
import { ACME, ADMIN, refusalOf, VerbsBench } from "./verbs_fixture.ts";

const acme = { tenant: "acme" };

describe("a tenant's token", () => {
  it("is not told who has an address that is taken, nor where that is written", async () => {
    const { bench, verbs } = await VerbsBench.standard();
    const had = verbs.object(acme)?.value ?? {};
    const listener = { id: "more", address: "127.0.0.1:1002", backend: "pool" };
    bench.editTenant("rival", tenantText("127.0.0.1:1002"));
    await verbs.reload(ADMIN);
    await verbs.edit(acme, { kind: "patch", patch: { grants: { addresses: ["127.0.0.1:*"] } } }, { actor: ADMIN });
    const part = { tenant: "acme", part: { kind: "listeners", id: "more" } } as const;
    const edit = { kind: "put", value: listener } as const;
    const known = await refusalOf("invalid", () => verbs.edit(part, edit, { actor: ADMIN }));
    assert(JSON.stringify(known.faults).includes("rival"), "an admin is told");
    const told = await refusalOf("invalid", () => verbs.edit(part, edit, { actor: ACME }));
    assertEquals(told.faults.map(({ pointer }) => pointer), ["/address"]);
    assertFalse(JSON.stringify([told.message, told.faults]).includes("rival"), JSON.stringify(told.faults));

    bench.editTenant("acme", JSON.stringify({ ...had, listeners: [listener] }));
    await verbs.reload(ADMIN);
    const errors = (isTenants: boolean) => JSON.stringify(verbs.tenantStatus("acme", isTenants)?.errors);
    assert(errors(false).includes("rival"));
    assert(errors(true).includes("127.0.0.1:1002"));
    assertFalse(errors(true).includes("rival"), errors(true));
  });

  it("gives itself nothing by merge keys where its file has to be written anew", async () => {
    const { bench, verbs } = await VerbsBench.standard();
    const had = verbs.object(acme)?.value ?? {};
    bench.editTenant("acme", "id: [}\n");
    await verbs.reload(ADMIN);
    const value = { ...had, "<<": { grants: { addresses: ["0.0.0.0:*"] } } };
    await refusalOf("conflict", () => verbs.edit(acme, { kind: "put", value }, { actor: ACME }));
    assertEquals(verbs.object(acme)?.value["grants"], had["grants"]);
  });

  it("does not wash the audit away by what changes nothing", async () => {
    const { verbs, audit } = await VerbsBench.standard();
    for (let index = 0; index < 10; index++) {
      await refusalOf(
        "forbidden",
        () => verbs.edit(acme, { kind: "patch", patch: { grants: { addresses: ["0.0.0.0:*"] } } }, { actor: ACME }),
      );
      await verbs.edit(acme, { kind: "patch", patch: {} }, { actor: ACME });
      verbs.killSessions(acme, ACME);
    }
    assertEquals(audit.page(null, 100, null).items.length, 1);
    for (const enabled of [false, true]) await verbs.setEnabled("acme", enabled, { actor: ACME });
    assertEquals(audit.page(null, 100, null).items.length, 3);
  });

  it("does not fill the memory with events of large changes", async () => {
    const { verbs, events } = await VerbsBench.standard();
    const seen: EventView[] = [];
    events.subscribe(null, (event) => void seen.push(event));
    const labels = (text: string) =>
      Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`label-${index}`, text.repeat(200)]));
    for (const text of ["a", "b"]) {
      await verbs.edit(acme, { kind: "patch", patch: { labels: labels(text) } }, { actor: ACME });
    }
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
    const sizes = seen.filter(({ kind }) => kind === "config").map((event) => JSON.stringify(event).length);
    assertEquals(sizes.length, 2);
    assert(sizes.every((size) => size < 32 * 1024), String(sizes));
  });
});

describe("a tenant's endpoint", () => {
  it("is not the admin API, by whichever address, unless an admin has written it", async () => {
    const { verbs } = await VerbsBench.standard("admin: { listen: '127.0.0.1:9900' }\n");
    const to = (address: string) => ({
      kind: "patch",
      patch: { backends: [{ id: "pool", endpoints: [{ id: "a", address }] }] },
    } as const);
    for (const address of ["127.0.0.1:9900", "0.0.0.0:9900", "[::1]:9900", "[::ffff:127.0.0.1]:9900"]) {
      const { faults } = await refusalOf("forbidden", () => verbs.edit(acme, to(address), { actor: ACME }));
      assertEquals(faults.map(({ pointer }) => pointer), ["/backends/0/endpoints"], address);
    }
    await verbs.edit(acme, to("192.0.2.1:9900"), { actor: ACME });
    await verbs.edit(acme, to("127.0.0.1:9900"), { actor: ADMIN });
    await verbs.edit(acme, { kind: "patch", patch: { labels: { a: "b" } } }, { actor: ACME });
  });
});
