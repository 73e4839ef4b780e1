/** Two tenants that want the same of a shared listener: the later one alone has an error, and it goes with its cause. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { sayAndClose } from "../helpers/behaviours.ts";
import type { Config, TenantConfig } from "../helpers/config.ts";
import { eventually } from "../helpers/eventually.ts";
import { makeHello } from "../helpers/hello.ts";
import { Operator } from "../helpers/operator.ts";
import { EDGE, edgeOf, routedTenant, type RouteRow } from "../helpers/routing.ts";
import type { Sluice } from "../helpers/sluice.ts";
import { e2e, type World } from "../helpers/world.ts";

/** A `serve` with a folder of tenants on `edge`, each with a backend that says its name. */
class Claims {
  sluice!: Sluice;
  readonly #addresses = new Map<string, string>();

  private constructor(readonly world: World, readonly operator: Operator, readonly dir: string) {}

  static async create(world: World): Promise<Claims> {
    return new Claims(world, await Operator.create(), await world.tempDir());
  }

  async start(tenants: readonly TenantConfig[] = []): Promise<void> {
    const config: Config = { ...this.operator.config(tenants, { listeners: [EDGE] }), tenants_dir: this.dir };
    this.sluice = await this.world.sluice(config);
  }

  async tenant(id: string, routes: readonly RouteRow[]): Promise<TenantConfig> {
    const address = this.#addresses.get(id) ?? (await this.world.backend(sayAndClose(id))).address;
    this.#addresses.set(id, address);
    return routedTenant(id, address, routes);
  }

  /** Puts a tenant's file in place. */
  async put(id: string, routes: readonly RouteRow[]): Promise<void> {
    Deno.writeTextFileSync(`${this.dir}/.${id}.next`, JSON.stringify(await this.tenant(id, routes)));
    Deno.renameSync(`${this.dir}/.${id}.next`, `${this.dir}/${id}.yaml`);
  }

  /** Who takes a client that asks for this name; "" when nobody does. */
  async taker(serverName: string): Promise<string> {
    const client = await this.world.connect(edgeOf(this.sluice));
    await client.write(makeHello({ serverName }));
    const { text } = await client.readToEnd();
    client.close();
    return text;
  }

  /** Waits until exactly these tenants are in error; what is said of them. */
  async untilInError(...ids: string[]): Promise<string[][]> {
    const found = await eventually(async () => {
      const { tenants_in_error } = await this.operator.get("/v1/status");
      const names = tenants_in_error.map(({ tenant }: { tenant: string }) => tenant).sort();
      return JSON.stringify(names) === JSON.stringify(ids.toSorted()) ? tenants_in_error : undefined;
    }, { what: `tenants in error: ${ids.join(", ") || "none"}` });
    return found.map(({ errors }: { errors: string[] }) => errors);
  }
}

const CLAIMS: readonly RouteRow[] = [
  { sni: ["same.example"] },
  { sni: ["*.same.example"] },
  { sources: ["127.1.0.0/16"] },
  { alpn: ["imap"] },
  { default: true },
];

for (const claim of CLAIMS) {
  e2e(`claims: ${JSON.stringify(claim)} belongs to who had it first, until that lets go of it`, async (world) => {
    const claims = await Claims.create(world);
    const { operator } = claims;
    await claims.put("b", [claim, { id: "own", sni: ["b.example"] }]);
    await claims.put("c", [{ id: "own", sni: ["c.example"] }]);
    await claims.start();
    await claims.untilInError();

    // a comes before b by name, and b has it already.
    await claims.put("a", [claim, { id: "own", sni: ["a.example"] }]);
    const [errors = []] = await claims.untilInError("a");
    assert(errors.some((error) => /a\.yaml.*tenant b/s.test(error)), errors.join("; "));
    assertEquals((await operator.get("/v1/tenants/b/status")).errors, []);
    for (const id of ["b", "c"]) assertEquals(await claims.taker(`${id}.example`), id);
    assert(await claims.taker("a.example") !== "a", "nothing of a wrong tenant is in force");

    await claims.put("c", [{ id: "own", sni: ["c.example", "c2.example"] }]);
    await eventually(async () => await claims.taker("c2.example") === "c", { what: "a change of another tenant" });
    await claims.untilInError("a");

    await claims.put("b", [{ id: "own", sni: ["b.example"] }]);
    await claims.untilInError();
    for (const id of ["a", "b", "c"]) assertEquals(await claims.taker(`${id}.example`), id);
  });
}

e2e("claims: at the start the main file is first, then files by name", async (world) => {
  const claims = await Claims.create(world);
  await claims.put("a", [{ sni: ["main.example", "a.example"] }]);
  await claims.put("b", [{ sni: ["files.example"] }]);
  await claims.put("c", [{ sni: ["files.example", "c.example"] }]);
  await claims.start([await claims.tenant("inline", [{ sni: ["main.example"] }])]);
  await claims.untilInError("a", "c");
  assertEquals(await claims.taker("main.example"), "inline");
  assertEquals(await claims.taker("files.example"), "b");
  for (const name of ["a.example", "c.example"]) assertEquals(await claims.taker(name), "");
});

e2e("claims: a tenant that runs keeps its last good routes while its file wants too much", async (world) => {
  const claims = await Claims.create(world);
  await claims.put("a", [{ sni: ["a.example"] }]);
  await claims.put("b", [{ sni: ["b.example"] }]);
  await claims.start();
  await claims.put("b", [{ sni: ["b2.example", "a.example"] }]);
  await claims.untilInError("b");
  assertEquals(await claims.taker("a.example"), "a");
  assertEquals(await claims.taker("b.example"), "b");
  assertEquals(await claims.taker("b2.example"), "");
  Deno.removeSync(`${claims.dir}/a.yaml`);
  await claims.untilInError();
  assertEquals(await claims.taker("a.example"), "b");
  assertEquals(await claims.taker("b2.example"), "b");
  assertEquals(await claims.taker("b.example"), "");
});

e2e("claims: two tenants of the main file that want the same are its error, and change nothing", async (world) => {
  const claims = await Claims.create(world);
  const config = async (second: string): Promise<Config> =>
    claims.operator.config([
      await claims.tenant("a", [{ sni: ["a.example"] }]),
      await claims.tenant("b", [{ sni: [second] }]),
    ], { listeners: [EDGE] });
  claims.sluice = await world.sluice(await config("b.example"));
  await claims.sluice.reloadRefused(await config("A.example."));
  const { last_reload } = await claims.operator.get("/v1/status");
  assertMatch(last_reload.errors.join("\n"), /sluice\.yaml:\d+:\d+.*a\.example.*tenant a/);
  for (const id of ["a", "b"]) assertEquals(await claims.taker(`${id}.example`), id);
  await claims.sluice.reload(await config("c.example"));
  assertEquals(await claims.taker("c.example"), "b");
});

e2e("claims: a write of what another has is refused, and changes nothing", async (world) => {
  const claims = await Claims.create(world);
  const { operator } = claims;
  await claims.put("a", [{ sni: ["a.example"] }]);
  await claims.put("b", [{ sni: ["b.example"] }]);
  await claims.start();
  const { generation } = await operator.get("/v1/status");
  const route = { id: "more", listener: "edge", sni: ["A.Example"], backend: "out" };
  const answer = await operator.request("PUT", "/v1/tenants/b/routes/more", route);
  assert([409, 422].includes(answer.status), JSON.stringify(answer.body));
  assertMatch(JSON.stringify(answer.body.errors), /a\.example.*tenant a/);
  assertEquals((await operator.get("/v1/status")).generation, generation);
  assertEquals(await claims.taker("a.example"), "a");

  await operator.must("DELETE", "/v1/tenants/a/routes/web");
  assertEquals(await claims.taker("a.example"), "");
  await operator.must("PUT", "/v1/tenants/b/routes/more", route);
  assertEquals(await claims.taker("a.example"), "b");
});
