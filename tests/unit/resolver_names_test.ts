/** What the resolver keeps of names, when it looks again, whom it tells, and the end. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { resolveNames } from "../../src/config/resolve.ts";
import { lookupsOf } from "../../src/host/names.ts";
import type { Finding, HostFinding } from "../../src/resolver/finding.ts";
import type { SrvRecord } from "../../src/resolver/message.ts";
import { Resolver, type WantedName } from "../../src/resolver/mod.ts";
import { ManualClock, settled } from "./manual_clock.ts";

const UNIX_MS = 1_000_000;
const NEVER = new AbortController().signal;
const FAILED = { kind: "failed", why: "SERVFAIL" } as const;
const NONE = { kind: "none", why: "no such name", ttlMs: 10_000 } as const;
const SRV = "_pg._tcp.example";

function host(name: string): WantedName {
  return { kind: "host", name };
}

function found<T>(values: readonly T[], ttlS = 60): Finding<T> {
  return { kind: "found", values, ttlMs: ttlS * 1000 };
}

function service(target: string, port: number, priority = 0, weight = 0): SrvRecord {
  return { target, port, priority, weight };
}

/** A resolver whose look-ups the test answers. */
class Bench implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly hosts = new Map<string, Finding<string> | HostFinding>();
  readonly services = new Map<string, Finding<SrvRecord>>();
  /** Time and name of each look-up, in s. */
  readonly looked: string[] = [];
  /** Whose turn each look-up was. */
  readonly payers: string[] = [];
  readonly told: string[][] = [];
  readonly errors: unknown[] = [];
  /** Look-ups wait for it. */
  gate: Promise<void> | null = null;
  readonly resolver = new Resolver({
    lookup: {
      host: async (name, { owner, signal }) => {
        await this.#begin(name, owner, signal);
        const finding = this.hosts.get(name) ?? NONE;
        return "kind" in finding ? { ipv4: finding, ipv6: { ...NONE } } : finding;
      },
      services: async (name, { owner, signal }) => {
        await this.#begin(name, owner, signal);
        return this.services.get(name) ?? NONE;
      },
    },
    now: this.clock.now,
    sleep: this.clock.sleep,
    unixMs: () => UNIX_MS + this.clock.now(),
    random: () => 0.5,
    onChange: (names) => void this.told.push(names.map(({ name }) => name).sort()),
    onError: (error) => void this.errors.push(error),
  });

  async #begin(name: string, owner: string, signal: AbortSignal): Promise<void> {
    this.looked.push(`${this.clock.now() / 1000} ${name}`);
    this.payers.push(owner);
    await this.gate;
    signal.throwIfAborted();
  }

  async ips(wanted: WantedName): Promise<string> {
    const answer = await this.resolver.resolve(wanted, NEVER);
    return answer.kind === "known" ? answer.targets.map(({ ip }) => ip).join(" ") : `${answer.kind}: ${answer.why}`;
  }

  /** Seconds at which names were looked up, and forgets them. */
  take(): string[] {
    return this.looked.splice(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.resolver[Symbol.asyncDispose]();
  }
}

describe("resolver", () => {
  it("looks a name up once for all who ask, and again when its TTL is over, while somebody wants it", async () => {
    await using bench = new Bench();
    const { resolver, clock } = bench;
    bench.hosts.set("db", found(["192.0.2.2", "192.0.2.1"], 20));
    assertEquals(
      await Promise.all([bench.ips(host("db")), bench.ips(host("db"))]),
      Array(2).fill("192.0.2.1 192.0.2.2"),
    );
    resolver.setNames("acme", [host("db")]);
    resolver.setNames("bolt", [host("db")]);
    await clock.advance(45_000);
    assertEquals(bench.take(), ["0 db", "20 db", "40 db"]);
    assertEquals(bench.payers, ["db", "acme", "acme"]);
    assertEquals(resolver.states(), [{
      kind: "host",
      name: "db",
      owners: ["acme", "bolt"],
      answer: {
        kind: "known",
        targets: ["192.0.2.1", "192.0.2.2"].map((ip) => ({ ip, port: null, weight: null, tier: 0 })),
      },
      error: null,
      checkedMs: UNIX_MS + 40_000,
    }]);
    resolver.setNames("acme", []);
    await clock.advance(20_000);
    assertEquals(bench.take(), ["60 db"]);
    resolver.setNames("bolt", [host("other")]);
    await clock.advance(100_000);
    assert(bench.take().every((line) => line.endsWith("other")));
    assertEquals(resolver.size, 1);
    assertEquals(bench.told.filter((names) => names.includes("db")), []);
  });

  it("keeps TTLs within bounds, and what nobody wants for a minute at the most", async () => {
    await using bench = new Bench();
    const { resolver, clock } = bench;
    bench.hosts.set("zero", found(["192.0.2.1"], 0));
    bench.hosts.set("week", found(["192.0.2.1"], 604_800));
    resolver.setNames("acme", [host("zero")]);
    await clock.advance(11_000);
    assertEquals(bench.take(), ["0 zero", "5 zero", "10 zero"]);
    resolver.setNames("acme", [host("week")]);
    await clock.advance(3_600_001);
    assertEquals(bench.take(), ["11 week", "3611 week"]);
    resolver.setNames("acme", []);
    await clock.advance(3_600_001);
    assertEquals(resolver.size, 0);
    await bench.ips(host("week"));
    assertEquals(resolver.size, 1);
    await clock.advance(60_000);
    assertEquals(resolver.size, 0);
  });

  it("tells when a name stands for something else, not when the order is another", async () => {
    await using bench = new Bench();
    const { resolver, clock } = bench;
    bench.hosts.set("db", found(["192.0.2.1", "192.0.2.2"], 10));
    await bench.ips(host("db"));
    resolver.setNames("acme", [host("db")]);
    bench.hosts.set("db", found(["192.0.2.2", "192.0.2.1"], 10));
    await clock.advance(15_000);
    assertEquals(bench.told, []);
    bench.hosts.set("db", found(["192.0.2.3"], 10));
    await clock.advance(10_000);
    assertEquals(bench.told.splice(0), [["db"]]);
    assertEquals(await bench.ips(host("db")), "192.0.2.3");
  });

  for (const trouble of [FAILED, NONE]) {
    it(`keeps the last good answer (${trouble.why}), and looks again with pauses that grow`, async () => {
      await using bench = new Bench();
      const { resolver, clock } = bench;
      bench.hosts.set("db", found(["192.0.2.1"], 10));
      resolver.setNames("acme", [host("db")]);
      await clock.advance(9_000);
      bench.hosts.set("db", trouble);
      await clock.advance(200_000);
      assertEquals(bench.take(), [0, 10, 12, 16, 24, 40, 72, 132, 192].map((second) => `${second} db`));
      assertEquals(bench.told.splice(0), [["db"]]);
      assertEquals(await bench.ips(host("db")), "192.0.2.1");
      assertEquals(resolver.states()[0]!.error, trouble.why);
      bench.hosts.set("db", found(["192.0.2.2"], 10));
      await clock.advance(60_000);
      assertEquals(resolver.states()[0]!.error, null);
      assertEquals(bench.take(), ["252 db", "262 db"]);
      assertEquals(bench.told, [["db"]]);
    });
  }

  it("keeps one family when nobody can say, and lets it go when there is none", async () => {
    await using bench = new Bench();
    const { resolver, clock } = bench;
    const v4 = found(["192.0.2.1"], 10);
    bench.hosts.set("db", { ipv4: v4, ipv6: found(["2001:db8::1"], 10) });
    resolver.setNames("acme", [host("db")]);
    await clock.advance(1_000);
    bench.hosts.set("db", { ipv4: v4, ipv6: FAILED });
    await clock.advance(10_000);
    assertEquals(await bench.ips(host("db")), "192.0.2.1 2001:db8::1");
    assertEquals(resolver.states()[0]!.error, "SERVFAIL");
    bench.hosts.set("db", { ipv4: v4, ipv6: NONE });
    await clock.advance(10_000);
    assertEquals(await bench.ips(host("db")), "192.0.2.1");
    bench.hosts.set("db", { ipv4: NONE, ipv6: FAILED });
    await clock.advance(10_000);
    assertEquals(await bench.ips(host("db")), "192.0.2.1");
    assertEquals(bench.told, [["db"], ["db"]]);
  });

  it("answers what nobody knows without waiting again, goes on trying, and tells when it is found", async () => {
    await using bench = new Bench();
    const { resolver, clock } = bench;
    bench.hosts.set("db", FAILED);
    assertEquals(await bench.ips(host("db")), "failed: SERVFAIL");
    assertEquals(await bench.ips(host("nothing")), "none: no such name");
    assertEquals(await bench.ips(host("db")), "failed: SERVFAIL");
    assertEquals(bench.take(), ["0 db", "0 nothing"]);
    resolver.setNames("acme", [host("db")]);
    await clock.advance(1_000);
    bench.hosts.set("db", found(["192.0.2.1"]));
    await clock.advance(1_000);
    assertEquals(bench.told, [["db"]]);
    assertEquals(await bench.ips(host("db")), "192.0.2.1");
    assertEquals(bench.take(), ["2 db"]);
  });

  it("lets who waits go when he is told to, and the look-up go on", async () => {
    await using bench = new Bench();
    const gate = Promise.withResolvers<void>();
    bench.gate = gate.promise;
    bench.hosts.set("db", found(["192.0.2.1"]));
    const stop = new AbortController();
    const waiting = bench.resolver.resolve(host("db"), stop.signal);
    stop.abort(new Error("enough"));
    await assertRejects(() => waiting, Error, "enough");
    const other = bench.ips(host("db"));
    gate.resolve();
    assertEquals(await other, "192.0.2.1");
    assertEquals(bench.take(), ["0 db"]);
  });

  it("is what the configuration's own look-ups want", async () => {
    await using bench = new Bench();
    bench.hosts.set("db", found(["192.0.2.1"]));
    bench.hosts.set("lame", FAILED);
    const hosts = new Map(["db", "none", "lame"].map((name) => [name, "acme"]));
    const { names, failures } = await resolveNames({ hosts, services: new Map([[SRV, "acme"]]), zones: [] }, {
      ...lookupsOf(bench.resolver),
      interfaceIndex: () => undefined,
      lookupTimeoutMs: 10_000,
    });
    assertEquals([...names.hosts], [["db", ["192.0.2.1"]], ["none", []], ["lame", []]]);
    assertEquals([...names.services], [[SRV, []]]);
    assertEquals([...failures.hosts].map(([name]) => name), ["none", "lame"]);
    assertEquals(failures.hosts.get("none"), "no such name");
    assertEquals([...failures.services.keys()], [SRV]);
    assertEquals(new Set(bench.payers), new Set(["acme"]));
  });

  it("puts services together from their hosts: priorities are tiers, a weight of 0 is a small one", async () => {
    await using bench = new Bench();
    const { resolver, clock } = bench;
    bench.services.set(
      SRV,
      found([service("a.example", 1, 20, 7), service("b.example", 2, 10), service("c.example", 3, 10, 65535)], 30),
    );
    bench.hosts.set("a.example.", found(["192.0.2.1"], 10));
    bench.hosts.set("b.example.", found(["192.0.2.3", "192.0.2.2"], 100));
    const answer = await resolver.resolve({ kind: "srv", name: SRV }, NEVER, "acme");
    assertEquals(answer.kind === "known" && answer.targets, [
      { ip: "192.0.2.2", port: 2, weight: 1, tier: 0 },
      { ip: "192.0.2.3", port: 2, weight: 1, tier: 0 },
      { ip: "192.0.2.1", port: 1, weight: 7, tier: 1 },
    ]);
    assertEquals(bench.payers, Array(4).fill("acme"));
    resolver.setNames("acme", [{ kind: "srv", name: SRV }]);
    assertEquals(resolver.states().map(({ name, error }) => `${name}: ${error}`), [`${SRV}: c.example: no such name`]);
    bench.take();
    await clock.advance(30_500);
    assertEquals(
      bench.take().filter((line) => !line.endsWith("c.example.")).sort(),
      ["10 a.example.", "20 a.example.", `30 ${SRV}`, "30 a.example."],
    );
    // A host of it changes, and one that was missing appears.
    bench.hosts.set("a.example.", found(["192.0.2.9"], 10));
    bench.hosts.set("c.example.", found(["2001:db8::3"], 10));
    await clock.advance(40_000);
    assert(bench.told.length > 0);
    assert(bench.told.flat().every((name) => name === SRV));
    assertEquals(await bench.ips({ kind: "srv", name: SRV }), "192.0.2.2 192.0.2.3 2001:db8::3 192.0.2.9");
    assertEquals(resolver.states()[0]!.error, null);
  });

  it("keeps services through failures, also when a service says that it is not there", async () => {
    await using bench = new Bench();
    const { resolver, clock } = bench;
    const wanted = { kind: "srv", name: SRV } as const;
    bench.hosts.set("a.example.", found(["192.0.2.1"]));
    bench.services.set(SRV, found([service("a.example", 1)], 10));
    resolver.setNames("acme", [wanted]);
    await clock.advance(1_000);
    bench.told.length = 0;
    for (const trouble of [FAILED, NONE, found([service("", 0)], 10)]) {
      bench.services.set(SRV, trouble);
      await clock.advance(100_000);
      assertEquals(await bench.ips(wanted), "192.0.2.1");
      assert(resolver.states()[0]!.error !== null);
    }
    bench.services.set(SRV, found([service("b.example", 1)], 10));
    bench.hosts.set("b.example.", FAILED);
    await clock.advance(100_000);
    assertEquals(await bench.ips(wanted), "192.0.2.1");
    assertEquals(resolver.states()[0]!.error, "b.example: SERVFAIL");
    assertEquals(bench.told, []);
    resolver.setNames("acme", []);
    await clock.advance(200_000);
    assertEquals(resolver.size, 0);
  });

  it("looks at everything again when it is asked to", async () => {
    await using bench = new Bench();
    const { resolver, clock } = bench;
    bench.hosts.set("db", found(["192.0.2.1"], 600));
    resolver.setNames("acme", [host("db")]);
    await clock.advance(1_000);
    bench.take();
    bench.hosts.set("db", found(["192.0.2.2"], 600));
    resolver.refresh();
    await clock.advance(100);
    assertEquals(bench.take(), ["1 db"]);
    assertEquals(bench.told, [["db"], ["db"]]);
    await clock.advance(600_000);
    assertEquals(bench.take(), ["601 db"]);
  });

  it("goes on after a look-up that breaks, and after news that are not taken well", async () => {
    const clock = new ManualClock();
    const errors: unknown[] = [];
    let looks = 0;
    await using resolver = new Resolver({
      lookup: {
        host: () => {
          if (looks++ === 0) return Promise.reject(new TypeError("broken"));
          return Promise.resolve({ ipv4: found([`192.0.2.${looks}`], 10), ipv6: NONE });
        },
        services: () => Promise.resolve(NONE),
      },
      now: clock.now,
      sleep: clock.sleep,
      unixMs: clock.now,
      random: () => 0.5,
      onChange: () => {
        throw new Error("not now");
      },
      onError: (error) => void errors.push(error),
    });
    resolver.setNames("acme", [host("db")]);
    await clock.advance(1_000);
    assertEquals(errors.map(String), ["TypeError: broken"]);
    await clock.advance(12_000);
    assertEquals(looks, 3);
    assertEquals(errors.length, 3);
  });

  it("ends at once, and tells nothing more", async () => {
    const bench = new Bench();
    const { resolver, clock } = bench;
    const gate = Promise.withResolvers<void>();
    bench.gate = gate.promise;
    resolver.setNames("acme", [host("db"), { kind: "srv", name: SRV }]);
    const waiting = resolver.resolve(host("db"), NEVER);
    await settled();
    const ended = resolver[Symbol.asyncDispose]();
    gate.resolve();
    await assertRejects(() => waiting, DOMException, "stopped");
    await ended;
    assertEquals(clock.sleepers, 0);
    resolver.setNames("bolt", [host("other")]);
    await clock.advance(100_000);
    assertEquals(bench.take().length, 2);
    assertEquals(bench.told, []);
    assertEquals(bench.errors, []);
  });
});
