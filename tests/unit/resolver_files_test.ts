/** What files say of names: the tenant's, which ones there are; the machine's, what they stand for and how they are tried. */
import { assertEquals } from "@std/assert";
import { tenantSchema } from "../../src/config/schema_tenant.ts";
import { localAddresses, parseHosts } from "../../src/resolver/hosts_file.ts";
import { namesOf } from "../../src/resolver/mod.ts";
import { NameFiles } from "../../src/resolver/name_files.ts";
import { candidatesOf, parseResolvConf } from "../../src/resolver/resolv_conf.ts";

Deno.test("resolver files: resolv.conf", () => {
  const conf = parseResolvConf(`# by hand
nameserver 10.0.0.2 ; the first
nameserver fe80::1%eth0
nameserver not-an-address
nameserver 10.0.0.3
nameserver 10.0.0.4
domain old.example
search  Corp.Example. lab.example bad..domain
options ndots:5 timeout:2 attempts:99 rotate use-vc
`);
  assertEquals(conf, {
    servers: [{ ip: "10.0.0.2", port: 53 }, { ip: "fe80::1%eth0", port: 53 }, { ip: "10.0.0.3", port: 53 }],
    search: ["corp.example", "lab.example"],
    ndots: 5,
    timeoutMs: 2000,
    attempts: 5,
    isTcpOnly: true,
  });
  assertEquals(parseResolvConf("options timeout:0"), {
    servers: [{ ip: "127.0.0.1", port: 53 }],
    search: [],
    ndots: 1,
    timeoutMs: 1000,
    attempts: 2,
    isTcpOnly: false,
  });
});

Deno.test("resolver files: a server with a port", () => {
  const text = "nameserver [192.0.2.53]:5353\nnameserver [fe80::1%eth0]:54\nnameserver [::1]:70000\nnameserver [x]:1\n";
  assertEquals(parseResolvConf(text).servers, [{ ip: "192.0.2.53", port: 5353 }, { ip: "fe80::1%eth0", port: 54 }]);
});

Deno.test("resolver files: resolv.conf may be elsewhere", async () => {
  const read: string[] = [];
  const readTextFile = (path: string) => {
    read.push(path);
    return Promise.resolve("nameserver 192.0.2.1");
  };
  const files = new NameFiles({ readTextFile, now: () => 0, resolvConf: "/run/resolv.conf" });
  assertEquals((await files.conf()).servers, [{ ip: "192.0.2.1", port: 53 }]);
  assertEquals(read, ["/run/resolv.conf"]);
});

Deno.test("resolver files: in which order names are tried", () => {
  const search = ["a.example", "b.example"];
  assertEquals(candidatesOf("db", { search, ndots: 1 }), ["db.a.example", "db.b.example", "db"]);
  assertEquals(candidatesOf("db.corp", { search, ndots: 1 }), ["db.corp", "db.corp.a.example", "db.corp.b.example"]);
  assertEquals(candidatesOf("db.corp", { search, ndots: 2 }), ["db.corp.a.example", "db.corp.b.example", "db.corp"]);
  assertEquals(candidatesOf("db.", { search, ndots: 5 }), ["db"]);
  assertEquals(candidatesOf("x".repeat(250), { search, ndots: 1 }), ["x".repeat(250)]);
});

Deno.test("resolver files: hosts, and localhost", () => {
  const hosts = parseHosts(`127.0.0.1 localhost
10.0.0.5 DB.example db # the database
fd00::0005	db
not-an-address x
fe80::1%eth0 link
::ffff:10.0.0.6 mapped
`);
  assertEquals(localAddresses("db", hosts), ["10.0.0.5", "fd00::5"]);
  assertEquals(localAddresses("db.example.", hosts), ["10.0.0.5"]);
  assertEquals(localAddresses("mapped", hosts), ["10.0.0.6"]);
  assertEquals(localAddresses("localhost", hosts), ["127.0.0.1"]);
  assertEquals(localAddresses("localhost.", new Map()), ["127.0.0.1", "::1"]);
  assertEquals(localAddresses("a.localhost", hosts), ["127.0.0.1", "::1"]);
  for (const name of ["x", "link", "other.example"]) assertEquals(localAddresses(name, hosts), undefined);
});

Deno.test("resolver files: are read again when they may have changed, and need not be there", async () => {
  let nowMs = 0;
  let reads = 0;
  let text: string | null = "10.0.0.1 db";
  const files = new NameFiles({
    readTextFile: (path) => {
      if (path !== "/etc/hosts" || text === null) return Promise.reject(new Deno.errors.NotFound(path));
      reads++;
      return Promise.resolve(text);
    },
    now: () => nowMs,
  });
  assertEquals((await files.hosts()).get("db"), ["10.0.0.1"]);
  text = "10.0.0.2 db";
  nowMs = 4_999;
  assertEquals((await files.hosts()).get("db"), ["10.0.0.1"]);
  assertEquals(reads, 1);
  nowMs = 5_000;
  assertEquals((await files.hosts()).get("db"), ["10.0.0.2"]);
  text = null;
  nowMs = 10_000;
  assertEquals((await files.hosts()).size, 0);
  assertEquals((await files.conf()).servers, [{ ip: "127.0.0.1", port: 53 }]);
});

Deno.test("resolver files: the names of a tenant", () => {
  const endpoint = (id: string, address: string, srv = false) => ({ id, address, srv });
  const tenant = tenantSchema.parse({
    id: "acme",
    backends: [
      {
        id: "a",
        endpoints: [endpoint("a", "DB.example:1"), endpoint("b", "127.0.0.1:1"), endpoint("c", "db.example.:1")],
      },
      { id: "b", endpoints: [endpoint("a", "db.example:2"), endpoint("b", "_pg._tcp.example", true)] },
      { id: "c", split: [{ backend: "a", weight: 1 }] },
    ],
  });
  assertEquals(namesOf(tenant), [
    { kind: "host", name: "db.example" },
    { kind: "host", name: "db.example." },
    { kind: "srv", name: "_pg._tcp.example" },
  ]);
});
