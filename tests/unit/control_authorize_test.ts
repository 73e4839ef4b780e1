/** What a tenant's token may change of its tenant: no limit up, no grant, no address that was not given. */
import { assertEquals, assertThrows } from "@std/assert";
import { ControlError, type JsonObject } from "../../src/admin/control.ts";
import { isGranted, parseAddressGrant, parseListenAddress } from "../../src/config/mod.ts";
import { authorizeChange } from "../../src/control/authorize.ts";

const ACME = { name: "ci", role: "tenant", tenant: "acme" } as const;

/** Pointers of what is refused. */
function refused(before: JsonObject, after: JsonObject, defaults?: unknown): string[] {
  try {
    authorizeChange(ACME, before, after, defaults);
    return [];
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    assertEquals(error.kind, "forbidden");
    return error.faults.map(({ pointer }) => pointer);
  }
}

Deno.test("authorize: limits may fall and be added, never rise or go", () => {
  const at = (limits: JsonObject) => ({ id: "acme", limits });
  const rows: [JsonObject, JsonObject, string[]][] = [
    [{ max_connections: 10 }, { max_connections: 9 }, []],
    [{ max_connections: 10 }, { max_connections: 11 }, ["/limits/max_connections"]],
    [{ max_connections: 10 }, {}, ["/limits/max_connections"]],
    [{}, { max_connections: 1_000_000 }, []],
    [{ on_limit: "close" }, { on_limit: "reset" }, []],
    [{}, { on_limit: "queue" }, ["/limits/on_limit"]],
    [{ dry_run: false }, { dry_run: true }, ["/limits/dry_run"]],
    [{ connection_rate: { rate: "200/s", burst: 10 } }, { connection_rate: { rate: "100/s", burst: 10 } }, []],
    [{ connection_rate: { rate: "200/s" } }, { connection_rate: { rate: "201/s" } }, ["/limits/connection_rate/rate"]],
    [
      { connection_rate: { rate: "200/s" } },
      { connection_rate: { rate: "200/s", burst: 1_000_000 } },
      ["/limits/connection_rate/burst"],
    ],
    [{}, { connection_rate: { rate: "200/s", burst: 1_000_000 } }, []],
    [{ per_source: { max_connections: 1 } }, { per_source: { max_connections: 1, ipv6_prefix: 128 } }, [
      "/limits/per_source/ipv6_prefix",
    ]],
    [{ per_source: { max_connections: 1 } }, { per_source: { max_connections: 1, ipv6_prefix: 48 } }, []],
    [{}, { per_source: { max_connections: 1, ipv6_prefix: 128 } }, []],
    [{ on_limit: "queue" }, { on_limit: "queue", queue: { size: 10, timeout: "1s" } }, []],
    [{ on_limit: "queue" }, { on_limit: "queue", queue: { size: 1001 } }, ["/limits/queue/size"]],
    [{ on_limit: "queue" }, { on_limit: "queue", queue: { timeout: "6s" } }, ["/limits/queue/timeout"]],
    [{ queue: { size: 10, timeout: "1s" } }, { queue: { size: 10 } }, ["/limits/queue/timeout"]],
    [{ queue: { size: 10, timeout: "1s" } }, {}, ["/limits/queue/size", "/limits/queue/timeout"]],
    [{ queue: { timeout: "1s" } }, { queue: { timeout: "0s" } }, ["/limits/queue/timeout"]],
    [{ queue: { timeout: "0s" } }, { queue: { timeout: "1h" } }, []],
    [{ bandwidth: { up: { rate: "1MiB/s" } } }, { bandwidth: { up: { rate: "1MB/s" } } }, []],
    [{ bandwidth: { up: { rate: "1MiB/s" } } }, {}, ["/limits/bandwidth/up/rate"]],
    [{ bandwidth: { up: { rate: "1MiB/s" } } }, { bandwidth: null }, ["/limits/bandwidth/up/rate"]],
    [{ max_connections: 10 }, { max_connections: "lots" }, ["/limits/max_connections"]],
  ];
  for (const [before, after, pointers] of rows) {
    assertEquals(refused(at(before), at(after)), pointers, `${JSON.stringify(before)} ${JSON.stringify(after)}`);
  }
});

Deno.test("authorize: limits of the defaults count", () => {
  const defaults = { limits: { max_connections: 10 } };
  const at = (limits: JsonObject) => ({ id: "acme", limits });
  assertEquals(refused({ id: "acme" }, at({ max_connections: 11 }), defaults), ["/limits/max_connections"]);
  assertEquals(refused(at({ max_connections: 5 }), { id: "acme" }, defaults), ["/limits/max_connections"]);
  assertEquals(refused(at({ max_connections: 20 }), { id: "acme" }, defaults), []);
});

Deno.test("authorize: grants stay, new addresses must be granted, old ones stay allowed", () => {
  const grants = { addresses: ["127.0.0.1:*", "10.0.0.1:5000-5009", "unix:/run/a.sock"], listeners: ["edge"] };
  const had = { id: "acme", grants, listeners: [{ id: "a", address: "192.0.2.1:1", backend: "b" }] };
  const listen = (address: string) => ({ ...had, listeners: [...had.listeners, { id: "n", address, backend: "b" }] });
  assertEquals(refused(had, { ...had, grants: {} }), ["/grants"]);
  assertEquals(refused(had, { ...had, grants: { ...grants, listeners: ["edge", "other"] } }), ["/grants"]);
  for (const address of ["127.0.0.1:1", "127.0.0.1:0", "10.0.0.1:5003", "10.0.0.1:5001-5002", "unix:/run/a.sock"]) {
    assertEquals(refused(had, listen(address)), [], address);
  }
  for (const address of ["0.0.0.0:1", "127.0.0.2:1", "10.0.0.1:5010", "10.0.0.1:5009-5010", "unix:/run/b.sock"]) {
    assertEquals(refused(had, listen(address)), ["/listeners/1/address"], address);
  }
  assertEquals(refused({ ...had, grants: {} }, { ...listen("127.0.0.1:1"), grants: {} }), ["/listeners/1/address"]);
  const route = (listener: string) => ({ ...had, routes: [{ id: "r", listener, backend: "b" }] });
  assertEquals(refused(had, route("edge")), []);
  assertEquals(refused(had, route("other")), ["/routes/0/listener"]);
});

Deno.test("authorize: sockets of this machine are not a tenant's to reach into", () => {
  const to = (address: string) => ({ id: "acme", backends: [{ id: "b", endpoints: [{ id: "e", address }] }] });
  assertEquals(refused(to("10.0.0.1:1"), to("10.0.0.2:1")), []);
  assertEquals(refused(to("10.0.0.1:1"), to("unix:/run/docker.sock")), ["/backends/0/endpoints/0/address"]);
  assertEquals(refused(to("unix:/run/x"), { ...to("unix:/run/x"), enabled: false }), []);
});

Deno.test("authorize: routes stay as they take, or need a grant of their listener", () => {
  const was = { id: "r", listener: "edge", sni: ["a.example"], backend: "b" };
  const had = { id: "acme", routes: [was] };
  const to = (...routes: JsonObject[]) => ({ ...had, routes });
  assertEquals(refused(had, to({ ...was, backend: "c" })), []);
  assertEquals(refused(had, to({ ...was, id: "other" })), []);
  assertEquals(refused(had, to()), []);
  for (
    const more of [{ sni: ["a.example", "b.example"] }, { sni: ["b.example"] }, { default: true }, { alpn: ["h2"] }]
  ) {
    assertEquals(refused(had, to({ ...was, ...more })), ["/routes/0/listener"], JSON.stringify(more));
  }
  assertEquals(refused(had, to(was, { ...was, id: "s", sni: ["b.example"] })), ["/routes/1/listener"]);
  const granted = { ...had, grants: { listeners: ["edge"] } };
  assertEquals(
    refused(granted, { ...granted, routes: [{ id: "r", listener: "edge", default: true, backend: "b" }] }),
    [],
  );
  assertEquals(refused(granted, { ...granted, routes: [{ ...was, listener: "other" }] }), ["/routes/0/listener"]);
});

Deno.test("authorize: an address to connect from must be granted with all its ports", () => {
  const at = (source_address: string | null, grants: string[] = []) => ({
    id: "acme",
    grants: { addresses: grants },
    backends: [{ id: "b", ...source_address === null ? {} : { source_address } }],
  });
  const rows: [string, string[], string[]][] = [
    ["10.0.0.1", [], ["/backends/0/source_address"]],
    ["10.0.0.1", ["10.0.0.1:80"], ["/backends/0/source_address"]],
    ["10.0.0.1", ["10.0.0.2:*"], ["/backends/0/source_address"]],
    ["10.0.0.1", ["10.0.0.1:*"], []],
    ["10.0.0.1", ["0.0.0.0:*"], []],
    ["fd00::1", ["[fd00::1]:*"], []],
    ["fd00::2", ["[fd00::1]:*"], ["/backends/0/source_address"]],
    ["nonsense", [], []],
  ];
  for (const [source, grants, pointers] of rows) {
    assertEquals(refused(at(null, grants), at(source, grants)), pointers, `${source} ${grants}`);
  }
  assertEquals(refused(at("10.0.0.1"), at("10.0.0.1")), []);
});

Deno.test("authorize: tenants are made and removed by admins only", () => {
  assertThrows(() => authorizeChange(ACME, null, { id: "acme" }, undefined), ControlError);
  assertThrows(() => authorizeChange(ACME, { id: "acme" }, null, undefined), ControlError);
  authorizeChange({ name: "ops", role: "admin" }, null, { id: "acme", listeners: [] }, undefined);
});

Deno.test("grants: a wide address covers what is beneath it, and nothing wider", () => {
  const rows: [string, string, boolean][] = [
    ["0.0.0.0:80", "10.0.0.1:80", true],
    ["0.0.0.0:80", "0.0.0.0:80", true],
    ["0.0.0.0:80", "[::]:80", false],
    ["0.0.0.0:80", "[::1]:80", false],
    ["[::]:80", "10.0.0.1:80", true],
    ["[::]:*", "0.0.0.0:1", true],
    ["10.0.0.1:80", "0.0.0.0:80", false],
    ["10.0.0.1:80", "10.0.0.1:0", false],
    ["127.0.0.1:*", "unix:/x", false],
    ["unix:/x", "unix:/x", true],
    ["[::ffff:10.0.0.1]:80", "10.0.0.1:80", true],
  ];
  for (const [grant, wanted, expected] of rows) {
    assertEquals(isGranted(parseListenAddress(wanted), [parseAddressGrant(grant)]), expected, `${grant} ${wanted}`);
  }
});
