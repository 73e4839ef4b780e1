/** The files are the truth: what the API writes is there and nothing else has changed; who comes second is told. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { parse } from "yaml";
import { formatAddress, freePort, ownLoopback } from "../helpers/address.ts";
import { echo } from "../helpers/behaviours.ts";
import { tenantWith } from "../helpers/config.ts";
import { eventually } from "../helpers/eventually.ts";
import { type Body, Operator } from "../helpers/operator.ts";
import type { Sluice } from "../helpers/sluice.ts";
import { e2e, type World } from "../helpers/world.ts";

/** A `serve` with a tenant in the main file and one in a file of its own, both written by hand. */
class Desk {
  constructor(
    readonly sluice: Sluice,
    readonly operator: Operator,
    readonly dir: string,
    readonly endpoint: string,
  ) {}

  static async create(world: World, watch: boolean): Promise<Desk> {
    const backend = await world.backend(echo);
    const operator = await Operator.create();
    const dir = await world.tempDir();
    Deno.writeTextFileSync(`${dir}/filed.yaml`, tenantText(backend.address, "filed"));
    const main = `# Written by hand.
version: 1
watch: ${watch}
workers: 1
tenants_dir: ${dir}
log: { access: { sink: none } }  # quiet
admin: ${JSON.stringify(operator.admin)}

# Those who have no file of their own.
tenants:
  - ${tenantText(backend.address, "inline").trimEnd().replaceAll("\n", "\n    ")}
  - ${tenantText(backend.address, "last").trimEnd().replaceAll("\n", "\n    ")}
# The end.
`;
    return new Desk(await world.sluice(main, { ownLog: true }), operator, dir, backend.address);
  }

  /** The file that a tenant stands in. */
  path(id: string): string {
    return id === "filed" ? `${this.dir}/filed.yaml` : this.sluice.configPath;
  }

  text(id: string): string {
    return Deno.readTextFileSync(this.path(id));
  }

  /** An edit by hand. */
  edit(id: string, from: string | RegExp, to: string): void {
    const text = this.text(id);
    const edited = text.replace(from, to);
    if (edited === text) throw new Error(`Cannot edit: ${this.path(id)} must hold ${from}:\n${text}`);
    Deno.writeTextFileSync(`${this.path(id)}~next`, edited);
    Deno.renameSync(`${this.path(id)}~next`, this.path(id));
  }

  /** A tenant as its file has it. */
  written(id: string): Body {
    const whole = parse(this.text(id));
    return id === "filed" ? whole : whole.tenants.find((tenant: Body) => tenant.id === id);
  }
}

function tenantText(endpoint: string, id: string): string {
  return `id: ${id}   # who
labels:            # what sales calls it
  plan: gold       # since 2019
  hand: "0"
timeouts: { idle: 5m, connect: 2s }   # asked for by ${id}

listeners:
  # the only one
  - id: in
    address: "127.0.0.1:0"
    backend: out
backends:
  - id: out
    endpoints:
      - { id: a, address: "${endpoint}" }   # rack 1
`;
}

for (const id of ["filed", "inline"]) {
  e2e(`live persistence: what the API changes in the file of ${id} is all that changes there`, async (world) => {
    const desk = await Desk.create(world, true);
    const { operator } = desk;
    const before = desk.text(id);
    const { generation } = await operator.get("/v1/status");
    const answer = await operator.patch(id, { timeouts: { idle: "7m" } });
    assertEquals(Number(answer.headers.get("Sluice-Generation")), generation + 1);
    const line = `timeouts: { idle: 5m, connect: 2s }   # asked for by ${id}`;
    assertStringIncludes(before, line);
    assertEquals(desk.text(id), before.replace(line, line.replace("5m", "7m")));
    assertEquals(desk.written(id).timeouts, { idle: "7m", connect: "2s" });

    await operator.must("PUT", `/v1/tenants/${id}/backends/out/endpoints/b`, { id: "b", address: desk.endpoint });
    await operator.must("DELETE", `/v1/tenants/${id}/backends/out/endpoints/a`);
    assertEquals(desk.written(id).backends[0].endpoints, [{ id: "b", address: desk.endpoint }]);
    for (const comment of ["# who", "# what sales calls it", "# since 2019", "# the only one"]) {
      assertStringIncludes(desk.text(id), comment);
    }
    assertEquals(Object.keys(desk.written(id)), ["id", "labels", "timeouts", "listeners", "backends"]);
    const main = parse(desk.text("inline"));
    assertEquals(main.tenants.map((tenant: Body) => tenant.id), ["inline", "last"]);
  });

  e2e(`live persistence: an edit of ${id} by hand that was not read yet is told, never overwritten`, async (world) => {
    const desk = await Desk.create(world, false);
    const { operator } = desk;
    const stale = (await operator.read(`/v1/tenants/${id}`)).etag;
    desk.edit(id, 'hand: "0"', 'hand: "1" # by hand');
    const edited = desk.text(id);
    const { generation } = await operator.get("/v1/status");
    const problem = await operator.refused(409, "PATCH", `/v1/tenants/${id}`, { labels: { api: "1" } });
    assert(/file|edited|reload/i.test(JSON.stringify(problem)), `it says why: ${JSON.stringify(problem)}`);
    await operator.refused(409, "DELETE", `/v1/tenants/${id}`, undefined, { ifMatch: stale });
    assertEquals(desk.text(id), edited);
    assertEquals((await operator.get("/v1/status")).generation, generation);

    await operator.must("POST", "/v1/config/reload");
    const fresh = await operator.read(`/v1/tenants/${id}`);
    assertEquals(fresh.body.labels.hand, "1");
    await operator.refused(412, "PATCH", `/v1/tenants/${id}`, { labels: { api: "1" } }, { ifMatch: stale });
    assertEquals(desk.text(id), edited);
    await operator.patch(id, { labels: { api: "1" } }, { ifMatch: fresh.etag });
    assertEquals(desk.written(id).labels, { plan: "gold", hand: "1", api: "1" });
    assertStringIncludes(desk.text(id), "# by hand");
  });
}

e2e(
  "live persistence: an edit by hand and the API at the same moment, 30 times: both are there in the end",
  async (world) => {
    const desk = await Desk.create(world, true);
    const { operator } = desk;
    let conflicts = 0;
    for (let turn = 1; turn <= 30; turn++) {
      const id = turn % 2 === 0 ? "filed" : "inline";
      const path = `/v1/tenants/${id}`;
      const labels = { api: String(turn) };
      const writing = operator.request("PATCH", path, { labels });
      // Between the read and the rename of an editor nothing locks the file: a real editor would ask its user.
      if (turn % 3 === 0) await writing;
      const byHand = (text: string) => /hand: "?(\d+)"?/.exec(text)?.[1];
      desk.edit(id, /hand: "?\d+"?/, `hand: "${turn}"`);
      let answer = await writing;
      while (answer.status === 409) {
        conflicts++;
        await operator.must("POST", "/v1/config/reload");
        answer = await operator.request("PATCH", path, { labels });
      }
      if (byHand(desk.text(id)) !== String(turn)) throw new Error(`turn ${turn}: the edit by hand is lost`);
      assertEquals(answer.status, 200);
      await operator.untilLabel(id, "hand", String(turn));
      await eventually(async () => (await operator.get(path)).labels.hand === desk.written(id).labels.hand);
      assertEquals((await operator.get(path)).labels, desk.written(id).labels, "the process runs what the file says");
    }
    console.log(`${conflicts} of 30 were told of a conflict`);
  },
);

e2e("live persistence: of two writers with the same validator exactly one wins", async (world) => {
  const desk = await Desk.create(world, true);
  const { operator } = desk;
  for (let turn = 0; turn < 25; turn++) {
    const id = turn % 2 === 0 ? "filed" : "inline";
    const { etag: ifMatch, body } = await operator.read(`/v1/tenants/${id}`);
    const writes = ["left", "right"].map((winner) =>
      operator.request("PATCH", `/v1/tenants/${id}`, { labels: { winner, turn: String(turn) } }, { ifMatch })
    );
    const answers = await Promise.all(writes);
    assertEquals(answers.map(({ status }) => status).sort(), [200, 412], `turn ${turn}`);
    const won = answers.find(({ status }) => status === 200);
    const now = await operator.read(`/v1/tenants/${id}`);
    assertEquals(now.etag, won?.etag);
    assertEquals(now.body.labels, {
      ...body.labels,
      winner: answers[0]?.status === 200 ? "left" : "right",
      turn: `${turn}`,
    });
    assertEquals(desk.written(id).labels, now.body.labels);
  }
});

e2e("live persistence: of two that create the same tenant exactly one wins", async (world) => {
  const desk = await Desk.create(world, true);
  for (let turn = 0; turn < 10; turn++) {
    const id = `new-${turn}`;
    const answers = await Promise.all(["left", "right"].map((who) => {
      const tenant = { ...tenantWith([desk.endpoint], { id }), labels: { who } };
      return desk.operator.request("PUT", `/v1/tenants/${id}`, tenant, { ifNoneMatch: "*" });
    }));
    assertEquals(answers.map(({ status }) => status).sort(), [201, 412], `turn ${turn}`);
    const who = answers[0]?.status === 201 ? "left" : "right";
    assertEquals(parse(Deno.readTextFileSync(`${desk.dir}/${id}.yaml`)).labels, { who });
  }
});

e2e(
  "live persistence: an address that cannot be bound refuses the write, and the file stays as it is",
  async (world) => {
    const desk = await Desk.create(world, true);
    const { operator } = desk;
    const taken = await world.backend(echo, { hostname: ownLoopback() });
    for (const id of ["filed", "inline"]) {
      const text = desk.text(id);
      const before = await operator.read(`/v1/tenants/${id}`);
      const extra = { id: "extra", address: taken.address, backend: "out" };
      await operator.refused(409, "PUT", `/v1/tenants/${id}/listeners/extra`, extra);
      assertEquals(desk.text(id), text);
      assertEquals((await operator.read(`/v1/tenants/${id}`)).etag, before.etag);
      const host = ownLoopback();
      const free = formatAddress(host, freePort(host));
      await operator.must("PUT", `/v1/tenants/${id}/listeners/extra`, { ...extra, address: free });
      await (await world.connect(free)).roundTrip();
    }
    await operator.refused(
      409,
      "PUT",
      "/v1/tenants/newcomer",
      tenantWith([desk.endpoint], {
        id: "newcomer",
        listen: taken.address,
      }),
    );
    assertEquals([...Deno.readDirSync(desk.dir)].map(({ name }) => name), ["filed.yaml"]);
  },
);
