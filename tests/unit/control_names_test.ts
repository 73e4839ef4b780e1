/** Names of endpoints and active checks as the control plane keeps them: told, followed, and never in anybody's way. */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { tenantStatusView } from "../../src/control/status_view.ts";
import { ControlBench } from "./control_fixture.ts";
import { endpointStats } from "./metrics_fixture.ts";

const TOP = "version: 1\ntenants_dir: t\n";

/** The text of a tenant with these endpoints, in flow style. */
function withEndpoints(port: number, endpoints: string, rest = ""): string {
  return `listeners: [{ id: in, address: "127.0.0.1:${port}", backend: pool }]
backends: [{ id: pool, endpoints: [${endpoints}]${rest} }]
`;
}

const NAMED = withEndpoints(1, '{ id: a, address: "db.example:5432" }');
const PLAIN = withEndpoints(2, '{ id: a, address: "10.0.0.9:5432" }');
const DB = { kind: "host", name: "db.example" } as const;

/** Addresses of a tenant's endpoints, with weight and tier. */
function endpointsOf(bench: ControlBench, tenant = "a"): string[] {
  const endpoints = bench.control.plan.tenants.get(tenant)?.backends.flatMap((backend) => backend.endpoints) ?? [];
  return endpoints.map(({ id, address, weight, tier }) =>
    address.family === "unix" ? id : `${id} ${address.ip}:${address.port} ${weight} ${tier}`
  );
}

describe("names of endpoints", () => {
  it("that cannot be resolved keep nobody from starting; they are followed when they can", async () => {
    const bench = await ControlBench.started(TOP, { a: NAMED, b: PLAIN });
    assertEquals(bench.log.messages("warn"), ["a name is looked for on and on"]);
    assertEquals([endpointsOf(bench), [...bench.control.plan.tenants.keys()]], [[], ["a", "b"]]);
    assertEquals([...bench.names.wanted], [["a", ["host db.example"]]]);

    bench.hosts["db.example"] = ["10.0.0.1", "fd00::1"];
    await bench.control.follow([DB]);
    assertEquals(endpointsOf(bench), ["a 10.0.0.1:5432 100 0", "a fd00::1:5432 100 0"]);
    assertEquals(bench.dataPlane.lastUpserts(), ["a"]);
    assertEquals([bench.moved, bench.control.generation], [[[["a"], 2]], 2]);
    assertEquals(bench.changes, []);
  });

  it("are followed at once when they were found between the evaluation and its end", async () => {
    const bench = new ControlBench(TOP, { a: NAMED });
    const start = bench.start();
    bench.hosts["db.example"] = ["10.0.0.1"];
    await start;
    await bench.control.follow([]);
    assertEquals(endpointsOf(bench), ["a 10.0.0.1:5432 100 0"]);
  });

  it("leave alone who does not use them, and who uses them and sees no difference", async () => {
    const bench = new ControlBench(TOP, { a: NAMED, b: PLAIN });
    bench.hosts["db.example"] = ["10.0.0.1"];
    await bench.start();
    await bench.control.follow([DB, { kind: "srv", name: "db.example" }]);
    bench.hosts["other.example"] = ["10.0.0.2"];
    await bench.control.follow([{ kind: "host", name: "other.example" }]);
    assertEquals([bench.dataPlane.applied.length, bench.control.generation], [1, 1]);
  });

  it("keep what they stood for when nothing is known of them any more", async () => {
    const bench = new ControlBench(TOP, { a: NAMED });
    bench.hosts["db.example"] = ["10.0.0.1"];
    await bench.start();
    delete bench.hosts["db.example"];
    await bench.control.follow([DB]);
    assertEquals(endpointsOf(bench), ["a 10.0.0.1:5432 100 0"]);
  });

  it("of a tenant whose file is wrong are those of the version that runs", async () => {
    const bench = new ControlBench(TOP, { a: NAMED });
    bench.hosts["db.example"] = ["10.0.0.1"];
    await bench.start();
    bench.editTenant("a", "listeners: 1\n");
    await bench.control.reload();
    bench.hosts["db.example"] = ["10.0.0.2"];
    await bench.control.follow([DB]);
    assertEquals(endpointsOf(bench), ["a 10.0.0.2:5432 100 0"]);
    assertEquals(bench.control.units.get("a")?.problems.length, 1);
  });

  it("that are services give port, weight and tier", async () => {
    const bench = new ControlBench(TOP, {
      a: withEndpoints(
        1,
        "{ id: s, address: _pg._tcp.example, srv: true, tier: 2 }, { id: z, address: _z._tcp.example, srv: true, weight: 0 }",
      ),
    });
    bench.services["_pg._tcp.example"] = [
      { ip: "10.0.0.1", port: 5432, weight: 7, tier: 0 },
      { ip: "10.0.0.2", port: 5433, weight: 1, tier: 1 },
      { ip: "10.0.0.2", port: 5433, weight: 2, tier: 1 },
      { ip: "10.0.0.1", port: 5432, weight: 9, tier: 1 },
      { ip: "10.0.0.3", port: 1, weight: 1, tier: 99 },
    ];
    bench.services["_z._tcp.example"] = [{ ip: "10.0.0.9", port: 1, weight: 5, tier: 0 }];
    await bench.start();
    assertEquals(endpointsOf(bench), [
      "s 10.0.0.1:5432 7 2",
      "s 10.0.0.2:5433 3 3",
      "s 10.0.0.3:1 1 15",
      "z 10.0.0.9:1 0 0",
    ]);
  });

  it("never lead to the admin API, whatever they stand for later", async () => {
    const top = `${TOP}admin: { listen: "127.0.0.1:9900" }\n`;
    const bench = new ControlBench(top, { a: withEndpoints(1, '{ id: a, address: "db.example:9900" }') });
    bench.hosts["db.example"] = ["10.0.0.1"];
    await bench.start();
    bench.hosts["db.example"] = ["10.0.0.2", "127.0.0.7"];
    await bench.control.follow([DB]);
    assertEquals(endpointsOf(bench), ["a 10.0.0.2:9900 100 0"]);
    assertEquals(bench.log.messages("warn"), ["a name leads to the admin API: that address is left out"]);
    await bench.control.reload();
    assertEquals(endpointsOf(bench), ["a 10.0.0.2:9900 100 0"]);
  });

  it("change nothing when the data plane refuses, and are tried again with the next change", async () => {
    const bench = new ControlBench(TOP, { a: NAMED });
    bench.hosts["db.example"] = ["10.0.0.1"];
    await bench.start();
    bench.hosts["db.example"] = ["10.0.0.2"];
    bench.dataPlane.refusal = new Error("no memory");
    await bench.control.follow([DB]);
    assertEquals([endpointsOf(bench), bench.control.generation], [["a 10.0.0.1:5432 100 0"], 1]);
    await bench.control.follow([DB]);
    assertEquals(endpointsOf(bench), ["a 10.0.0.2:5432 100 0"]);
  });

  it("are looked up anew when somebody asks for a reload, not when files are edited", async () => {
    const bench = await ControlBench.started(TOP, { a: NAMED });
    await bench.control.reload({ by: "watch", paths: new Set(["/etc/t/a.yaml"]) });
    await bench.control.reload({ by: "watch" });
    assertEquals(bench.names.refreshes, 0);
    await bench.control.reload();
    assertEquals(bench.names.refreshes, 1);
  });

  it("are let go with their tenant", async () => {
    const bench = await ControlBench.started(TOP, { a: NAMED });
    bench.editTenant("a", null);
    await bench.control.reload();
    assertEquals([...bench.names.wanted], []);
  });
});

describe("active checks", () => {
  const CHECKED = ", health: { active: { type: tcp } }";
  const targetsOf = (bench: ControlBench) =>
    [...bench.checks.targets].map(([tenant, targets]) => [tenant, targets.map(({ endpoint }) => endpoint)]);

  it("are told when they are in force, and taken back", async () => {
    const text = withEndpoints(1, '{ id: a, address: "db.example:1" }, { id: b, address: "10.0.0.1:1" }', CHECKED);
    const bench = new ControlBench(TOP, { a: text, b: PLAIN });
    bench.hosts["db.example"] = ["10.0.0.1"];
    await bench.start();
    assertEquals(targetsOf(bench), [["a", ["a", "b"]]]);
    bench.hosts["db.example"] = ["10.0.0.1", "10.0.0.2"];
    await bench.control.follow([DB]);
    assertEquals(targetsOf(bench), [["a", ["a", "a", "b"]]]);
    bench.editTenant("a", text.replace("db.example:1", "10.0.0.7:1").replace('1" }]', '1", state: maintenance }]'));
    await bench.control.reload();
    assertEquals(targetsOf(bench), [["a", ["a"]]]);
    bench.editTenant("a", `enabled: false\n${text}`);
    await bench.control.reload();
    assertEquals(targetsOf(bench), []);
  });

  it("of a version that the data plane refuses are not made", async () => {
    const bench = await ControlBench.started(TOP, { a: PLAIN });
    bench.editTenant("a", withEndpoints(1, '{ id: a, address: "10.0.0.1:1" }', CHECKED));
    bench.dataPlane.refusal = new Error("no memory");
    await bench.control.reload();
    assertEquals(targetsOf(bench), []);
  });
});

describe("a tenant's status", () => {
  it("shows each address of a name, how it does, and why a name cannot be resolved", async () => {
    const text = withEndpoints(1, '{ id: a, address: "db.example:1" }, { id: b, address: "gone.example:1" }');
    const bench = new ControlBench(TOP, { a: text });
    bench.hosts["db.example"] = ["10.0.0.1", "10.0.0.2"];
    await bench.start();
    const of = { tenant: "a", backend: "pool", endpoint: "a" };
    bench.checks.rows = [{
      ...of,
      address: { family: "ipv4", ip: "10.0.0.1", port: 1, scopeId: 0 },
      health: "down",
      sinceMs: 0,
      checkedMs: 1,
      error: "connection refused",
    }];
    bench.dataPlane.endpoints = [
      endpointStats("a", "pool", "a", { address: "10.0.0.1:1", health: "down", sessionsActive: 1 }),
      endpointStats("a", "pool", "a", { address: "10.0.0.2:1", ejected: true }),
    ];
    const status = tenantStatusView(bench.control, "a", false, bench.dataPlane, () => null);
    const endpoints = status?.backends[0]?.endpoints ?? [];
    assertEquals(endpoints.map(({ id, name_error }) => [id, name_error]), [["a", null], ["b", "no such name"]]);
    const since = "1970-01-01T00:00:00.000Z";
    const error = "connection refused";
    assertEquals(endpoints.map(({ addresses }) => addresses), [[
      { address: "10.0.0.1:1", health: "down", since, error, sessions: 1, ejected: false },
      { address: "10.0.0.2:1", health: "unknown", since: null, error: null, sessions: 0, ejected: true },
    ], []]);
  });
});
