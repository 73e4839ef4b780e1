/** A tenant's limits as its status tells them: what is used, what is left, and who uses most. */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { TenantStatusView } from "../../src/admin/control.ts";
import type { SourceStats } from "../../src/ffi/mod.ts";
import { tenantText } from "./control_fixture.ts";
import { tenantStats } from "./metrics_fixture.ts";
import { VerbsBench } from "./verbs_fixture.ts";

const unlimited = { limit: null, left: null } as const;
const noBucket = { ...unlimited, used: null, rate: null } as const;

async function statusOf(
  limits: string,
  counters: Parameters<typeof tenantStats>[1] = {},
  sources: SourceStats[] = [],
): Promise<TenantStatusView> {
  const text = `version: 1\ntenants_dir: t\n`;
  const { bench, verbs } = await VerbsBench.started(text, {
    acme: tenantText("127.0.0.1:1001", `limits: ${limits}\n`),
    other: tenantText("127.0.0.1:1002"),
  });
  bench.dataPlane.stats = [tenantStats("other", { sessionsActive: 99 }), tenantStats("acme", counters)];
  bench.dataPlane.sources = sources;
  const status = verbs.tenantStatus("acme");
  if (status === null) throw new Error("no status");
  return status;
}

describe("tenantStatus", () => {
  it("has every limit, and says where there is none", async () => {
    const { sessions, limits, sources } = await statusOf("{}", { sessionsActive: 3 });
    assertEquals(sessions, 3);
    assertEquals(limits, {
      "max_connections": { ...unlimited, used: 3 },
      "connection_rate": noBucket,
      "bandwidth.up": noBucket,
      "bandwidth.down": noBucket,
      "queue.size": { limit: 0, used: 0, left: 0 },
      "per_source.max_connections": { ...unlimited, used: null },
    });
    assertEquals(sources, []);
  });

  it("tells what is used and left of each, a bucket as far as it is not full", async () => {
    const written = `{
  max_connections: 10, connection_rate: { rate: 0.5/s, burst: 4 },
  bandwidth: { up: { rate: 1MiB/s, burst: 1MiB }, down: { rate: 2KB/s } },
  per_source: { max_connections: 5, ipv4_prefix: 24, ipv6_prefix: 48 }, on_limit: queue, queue: { size: 8 } }`;
    const counters = { sessionsActive: 9, sessionTokens: 1, upTokens: 2 ** 19, downTokens: 65_536, queueLength: 3 };
    const found = [
      { family: "ipv4", ip: "203.0.113.0", sessions: 5 },
      { family: "ipv6", ip: "2001:db8::", sessions: 1 },
    ] as const;
    const { limits, sources } = await statusOf(written, counters, [...found]);
    assertEquals(limits, {
      "max_connections": { limit: 10, used: 9, left: 1 },
      "connection_rate": { limit: 4, used: 3, left: 1, rate: 0.5 },
      "bandwidth.up": { limit: 1_048_576, used: 524_288, left: 524_288, rate: 1_048_576 },
      "bandwidth.down": { limit: 65_536, used: 0, left: 65_536, rate: 2_000 },
      "queue.size": { limit: 8, used: 3, left: 5 },
      "per_source.max_connections": { limit: 5, used: 5, left: 0 },
    });
    assertEquals(sources, [
      { source: "203.0.113.0/24", sessions: 5 },
      { source: "2001:db8::/48", sessions: 1 },
    ]);
  });

  it("never has less than nothing left, and no more than the burst", async () => {
    const written = "{ max_connections: 2, connection_rate: { rate: 1/s }, queue: { size: 1 } }";
    const { limits } = await statusOf(written, { sessionsActive: 5, sessionTokens: 7, queueLength: 2 });
    assertEquals(limits["max_connections"], { limit: 2, used: 5, left: 0 });
    assertEquals(limits["connection_rate"], { limit: 1, used: 0, left: 1, rate: 1 });
    assertEquals(limits["queue.size"], { limit: 0, used: 2, left: 0 });
  });

  it("counts sources for a rate of each, too, and tells the ten busiest", async () => {
    const found = Array.from({ length: 12 }, (_, index): SourceStats => ({
      family: "ipv4",
      ip: `10.0.0.${index}`,
      sessions: 12 - index,
    }));
    const { limits, sources } = await statusOf("{ per_source: { connection_rate: { rate: 1/s } } }", {}, found);
    assertEquals(limits["per_source.max_connections"], { ...unlimited, used: 12 });
    assertEquals([sources.length, sources[0]], [10, { source: "10.0.0.0/32", sessions: 12 }]);
    assertEquals((await statusOf("{}", {}, found)).sources, []);
  });

  it("is there for a tenant that the data plane does not know", async () => {
    const { bench, verbs } = await VerbsBench.started("version: 1\ntenants_dir: t\n", { acme: "id: [}\n" });
    assertEquals(bench.control.units.get("acme")?.running, null);
    const status = verbs.tenantStatus("acme");
    assertEquals([status?.sessions, status?.sources], [0, []]);
    assertEquals(status?.limits["max_connections"], { ...unlimited, used: 0 });
  });
});
