/** Look-ups against scripted name servers on loopback: answers of every kind, wrong ones, trouble, silence. */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { lookupWith } from "../../src/resolver/lookup.ts";
import { systemTransport } from "../../src/resolver/transport.ts";
import { Turns } from "../../src/resolver/turns.ts";
import { eventually } from "../helpers/eventually.ts";
import { a, cname, DnsServer, type Script, soa, srv } from "./dns_server.ts";
import { ManualClock, settled } from "./manual_clock.ts";

const FOR = { owner: "acme", signal: new AbortController().signal };

/** A look-up whose servers 192.0.2.1, .2 and so on are these. */
function lookupOf(servers: readonly DnsServer[], conf = "", hosts = "", clock = new ManualClock()) {
  const nameservers = servers.map((_, index) => `nameserver 192.0.2.${index + 1}\n`).join("");
  const onLoopback = ({ ip }: { ip: string }) => ({
    ip: "127.0.0.1",
    port: servers[Number(ip.slice("192.0.2.".length)) - 1]!.port,
  });
  return lookupWith({
    readTextFile: (path) => Promise.resolve(path === "/etc/hosts" ? hosts : `${nameservers}${conf}`),
    transport: {
      udp: (server, bytes, read, signal) => systemTransport.udp(onLoopback(server), bytes, read, signal),
      tcp: (server, bytes, signal) => systemTransport.tcp(onLoopback(server), bytes, signal),
    },
    randomId: () => crypto.getRandomValues(new Uint16Array(1))[0]!,
    now: clock.now,
    sleep: clock.sleep,
  }, new Turns({ most: 16, mostOfOne: 16 }));
}

const NONE = { kind: "none", why: "it has no record of the kind", ttlMs: 30_000 } as const;

function found<T>(values: readonly T[], ttlS = 60) {
  return { kind: "found", values, ttlMs: ttlS * 1000 } as const;
}

/** Answers from a list of records; NXDOMAIN for names that it does not have. */
function zone(...records: ReturnType<typeof a>[]): Script {
  return ({ name, type }) => {
    const own = records.filter((record) => record.name === name);
    if (own.length === 0) return { rcode: 3, authorities: [soa(10)] };
    return { answers: own.filter((record) => record.type === type), authorities: [soa(10)] };
  };
}

Deno.test("resolver lookup: both families, each with its TTL", async () => {
  await using server = await DnsServer.start(
    zone(a("db.example", "192.0.2.5", 30), a("db.example", "192.0.2.6", 20), a("db.example", "2001:db8:0::5", 90)),
  );
  assertEquals(await lookupOf([server]).host("db.example", FOR), {
    ipv4: found(["192.0.2.5", "192.0.2.6"], 20),
    ipv6: found(["2001:db8::5"], 90),
  });
  assertEquals(server.take().sort(), ["A db.example", "AAAA db.example"]);
});

Deno.test("resolver lookup: a name without one family, and one without any", async () => {
  await using server = await DnsServer.start(zone(a("v4.example", "192.0.2.5"), cname("x", "y")));
  const lookup = lookupOf([server]);
  const half = await lookup.host("v4.example", FOR);
  assertEquals([half.ipv4.kind, half.ipv6], ["found", NONE]);
  assertEquals(await lookup.host("none.example", FOR), {
    ipv4: { kind: "none", why: "no such name", ttlMs: 10_000 },
    ipv6: { kind: "none", why: "no such name", ttlMs: 10_000 },
  });
  const empty = await lookup.host("x.", FOR);
  assertEquals(empty.ipv4, { kind: "none", why: "it has no record of the kind", ttlMs: 10_000 });
});

Deno.test("resolver lookup: aliases are followed, the shortest TTL on the way counts", async () => {
  await using server = await DnsServer.start(({ type }) =>
    type === "A"
      ? {
        answers: [
          cname("WWW.Example", "b.example", 40),
          cname("b.example", "c.example", 7),
          a("c.example", "192.0.2.7"),
        ],
      }
      : { answers: [cname("www.example", "b.example"), cname("b.example", "www.example")] }
  );
  const { ipv4, ipv6 } = await lookupOf([server]).host("www.example", FOR);
  assertEquals(ipv4, found(["192.0.2.7"], 7));
  assertEquals(ipv6.kind, "none");
});

Deno.test("resolver lookup: what does not fit is asked for over TCP", async () => {
  const many = Array.from({ length: 60 }, (_, index) => a("big.example", `192.0.2.${index}`));
  await using server = await DnsServer.start(({ type, over }) => {
    if (type !== "A") return {};
    return over === "udp" ? { isTruncated: true, answers: many.slice(0, 5) } : { answers: many };
  });
  const { ipv4 } = await lookupOf([server]).host("big.example", FOR);
  assertEquals(ipv4.kind === "found" && ipv4.values.length, 60);
  assertEquals(server.take().sort(), ["A big.example", "A big.example over TCP", "AAAA big.example"]);
  const overTcp = lookupOf([server], "options use-vc");
  await overTcp.host("big.example", FOR);
  assertEquals(server.take().sort(), ["A big.example over TCP", "AAAA big.example over TCP"]);
});

Deno.test("resolver lookup: services", async () => {
  const name = "_pg._tcp.db.example";
  await using server = await DnsServer.start(
    zone(
      srv(name, "One.Example", 5432, { priority: 10, weight: 5, ttl: 15 }),
      srv(name, "two.example", 5433, { priority: 20 }),
      srv(name, "bad name.example", 1),
    ),
  );
  assertEquals(
    await lookupOf([server]).services(name, FOR),
    found([
      { target: "one.example", port: 5432, priority: 10, weight: 5 },
      { target: "two.example", port: 5433, priority: 20, weight: 0 },
    ], 15),
  );
});

Deno.test("resolver lookup: a forged packet does not count", async () => {
  const evil = [a("db.example", "203.0.113.66")];
  let forged: { idStep?: number; name?: string } = {};
  await using server = await DnsServer.start(({ type }) =>
    type === "A" ? { forged: { ...forged, answers: evil }, answers: [a("db.example", "192.0.2.5")] } : {}
  );
  for (forged of [{ idStep: 1 }, { name: "other.example" }]) {
    assertEquals((await lookupOf([server]).host("db.example", FOR)).ipv4, found(["192.0.2.5"]));
  }
});

Deno.test("resolver lookup: the next server is asked when one cannot say", async () => {
  await using bad = await DnsServer.start(() => ({ rcode: 2 }));
  await using refuses = await DnsServer.start(() => ({ rcode: 5 }));
  await using good = await DnsServer.start(zone(a("db.example", "192.0.2.5")));
  assertEquals((await lookupOf([bad, refuses, good]).host("db.example", FOR)).ipv4, found(["192.0.2.5"]));
  assertEquals([bad.take().length, refuses.take().length, good.take().length], [2, 2, 2]);
  const { ipv4 } = await lookupOf([bad, refuses]).host("db.example", FOR);
  assertEquals(ipv4, { kind: "failed", why: "REFUSED from 192.0.2.2" });
  // Two attempts of two families at each.
  assertEquals([bad.take().length, refuses.take().length], [4, 4]);
});

Deno.test("resolver lookup: silence is not waited for longer than resolv.conf says", async () => {
  const clock = new ManualClock();
  await using silent = await DnsServer.start(() => null);
  await using good = await DnsServer.start(zone(a("db.example", "192.0.2.5")));
  const conf = "options timeout:3 attempts:2";
  const both = lookupOf([silent, good], conf, "", clock).host("db.example", FOR);
  await eventually(() => silent.asked.length === 2, { what: "the questions" });
  await clock.advance(2_999);
  assertEquals(good.asked.length, 0);
  await clock.advance(1);
  assertEquals((await both).ipv4, found(["192.0.2.5"]));

  silent.take();
  const none = lookupOf([silent], `${conf}\nsearch a.example b.example`, "", clock).host("db.example", FOR);
  for (const count of [2, 4]) {
    await eventually(() => silent.asked.length === count, { what: "the questions" });
    await clock.advance(3_000);
  }
  // Other names that it may stand for are not tried: nobody is there to say.
  assertEquals((await none).ipv4, { kind: "failed", why: "no answer from 192.0.2.1" });
  assertEquals(silent.take().length, 4);
});

Deno.test("resolver lookup: garbage is silence over UDP, and trouble over TCP", async () => {
  const clock = new ManualClock();
  const raw = new Uint8Array([1, 2, 3]);
  await using server = await DnsServer.start(() => ({ raw }));
  const conf = "options timeout:1 attempts:1";
  const garbage = lookupOf([server], conf, "", clock).host("db.example", FOR);
  await eventually(() => server.asked.length === 2);
  await clock.advance(1_000);
  assertEquals((await garbage).ipv4, { kind: "failed", why: "no answer from 192.0.2.1" });
  const { ipv4 } = await lookupOf([server], `${conf} use-vc`).host("db.example", FOR);
  assertEquals(ipv4, { kind: "failed", why: "no answer to the question from 192.0.2.1" });
  server.script = () => null;
  const ended = await lookupOf([server], `${conf} use-vc`).host("db.example", FOR);
  assertMatch(ended.ipv4.kind === "failed" ? ended.ipv4.why : "", /the connection ended within the answer/);
});

Deno.test("resolver lookup: search domains, and names that are whole", async () => {
  await using server = await DnsServer.start(zone(a("db.b.example", "192.0.2.5"), a("db", "192.0.2.9")));
  const conf = "search a.example b.example";
  assertEquals((await lookupOf([server], conf).host("db", FOR)).ipv4, found(["192.0.2.5"]));
  assertEquals(server.take().filter((asked) => asked.startsWith("A ")), ["A db.a.example", "A db.b.example"]);
  assertEquals((await lookupOf([server], conf).host("db.", FOR)).ipv4, found(["192.0.2.9"]));
  assertEquals(server.take().filter((asked) => asked.startsWith("A ")), ["A db"]);
});

Deno.test("resolver lookup: trouble with one domain does not keep from the next, and is not a none", async () => {
  await using server = await DnsServer.start((asked) => {
    if (asked.name.endsWith(".a.example")) return { rcode: 2 };
    return zone(a("db.b.example", "192.0.2.5"))(asked);
  });
  const lookup = lookupOf([server], "search a.example b.example\noptions attempts:1");
  assertEquals((await lookup.host("db", FOR)).ipv4, found(["192.0.2.5"]));
  assertEquals((await lookup.host("other", FOR)).ipv4, { kind: "failed", why: "SERVFAIL from 192.0.2.1" });
});

Deno.test("resolver lookup: one family in trouble", async () => {
  await using server = await DnsServer.start(({ type, name }) =>
    type === "A" ? { answers: [a(name, "192.0.2.5")] } : { rcode: 2 }
  );
  const { ipv4, ipv6 } = await lookupOf([server]).host("db.example", FOR);
  assertEquals([ipv4, ipv6], [found(["192.0.2.5"]), { kind: "failed", why: "SERVFAIL from 192.0.2.1" }] as const);
});

Deno.test("resolver lookup: the machine's own file comes first, and nobody is asked", async () => {
  await using server = await DnsServer.start(() => null);
  const lookup = lookupOf([server], "", "10.0.0.5 db.example\n");
  assertEquals(await lookup.host("db.example.", FOR), {
    ipv4: found(["10.0.0.5"], 30),
    ipv6: { kind: "none", why: "it has no record of the kind", ttlMs: 30_000 },
  });
  assertEquals((await lookup.host("localhost", FOR)).ipv6, found(["::1"], 30));
  assertEquals(server.take(), []);
});

Deno.test("resolver lookup: ends when it is aborted", async () => {
  await using server = await DnsServer.start(() => null);
  const stop = new AbortController();
  const going = lookupOf([server]).host("db.example", { owner: "acme", signal: stop.signal });
  await eventually(() => server.asked.length === 2);
  stop.abort(new Error("enough"));
  await assertRejects(() => going, Error, "enough");
  await assertRejects(
    () =>
      lookupOf([server], "options use-vc").host("x.example", {
        owner: "a",
        signal: AbortSignal.abort(new Error("no")),
      }),
    Error,
    "no",
  );
});

Deno.test("resolver lookup: questions wait for their turn, those of one owner for each other", async () => {
  const turns = new Turns({ most: 2, mostOfOne: 1 });
  const begun: string[] = [];
  const gates = new Map<string, () => void>();
  const run = (owner: string, name: string) =>
    turns.run(owner, () => {
      begun.push(name);
      return new Promise<void>((resolve, reject) =>
        gates.set(name, name === "a1" ? () => reject(new Error(name)) : resolve)
      );
    });
  const all = [run("a", "a1"), run("a", "a2"), run("b", "b1"), run("c", "c1")];
  all[0]!.catch(() => {});
  await settled();
  assertEquals(begun, ["a1", "b1"]);
  gates.get("a1")!();
  await assertRejects(() => all[0]!, Error, "a1");
  await settled();
  assertEquals(begun, ["a1", "b1", "c1"]);
  gates.get("c1")!();
  await settled();
  assertEquals(begun, ["a1", "b1", "c1", "a2"]);
  for (const name of ["b1", "a2"]) gates.get(name)!();
  await Promise.all(all.slice(1));
});
