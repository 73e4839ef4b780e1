/** Metrics of an engine that has forwarded, killed and refused: what is scraped is what happened. */
import { assert, assertEquals } from "@std/assert";
import { Engine } from "../../src/ffi/mod.ts";
import { collectMetrics, formatPrometheus, type MetricSources, statsView } from "../../src/metrics/mod.ts";
import { eventually } from "../helpers/eventually.ts";
import { backendPlan, endpoint, ipv4, NO_LIMITS, PROCESS, tenant } from "../unit/ffi_fixture.ts";

function sourcesOf(engine: Engine): MetricSources {
  return {
    tenants: engine.tenantStats(),
    listeners: engine.listenerStats(),
    backends: engine.backendStats(),
    endpoints: engine.endpointStats(),
    workers: engine.workerStats(),
    generation: engine.status().generation,
    lastReload: { ok: true, atMs: 0 },
    tenantsInError: 0,
    accessLogDropped: 0,
    version: "0.0.0",
    perTenant: true,
  };
}

async function visit(port: number): Promise<string> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const buffer = new Uint8Array(16);
  const got = await conn.read(buffer);
  return got === null ? "" : new TextDecoder().decode(buffer.subarray(0, got));
}

Deno.test("metrics of an engine are what happened", async () => {
  using backend = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const greeting = (async () => {
    for await (const conn of backend) {
      await conn.write(new TextEncoder().encode("hello"));
      conn.close();
    }
  })();
  greeting.catch(() => {});
  const towards = (id: string, maxConnections: number | null) =>
    tenant(id, {
      limits: { ...NO_LIMITS, maxConnections },
      backends: [
        backendPlan("pool", { attempts: 1, endpoints: [endpoint("a", ipv4("127.0.0.1", backend.addr.port))] }),
      ],
    });
  await using engine = Engine.create({ workers: 2 });
  engine.start();
  engine.apply({ process: PROCESS, upserts: [towards("open", null), towards("shut", 0)], removals: [] }, 7);
  const portOf = (name: string) => {
    const bound = engine.listenerStats().find((one) => one.tenant === name)?.bound;
    assert(bound?.family === "ipv4");
    return bound.port;
  };
  for (let visits = 0; visits < 3; visits++) assertEquals(await visit(portOf("open")), "hello");
  assertEquals(await visit(portOf("shut")), "");
  await eventually(() => engine.status().sessionsActive === 0);

  const lines = new Set(formatPrometheus(collectMetrics(sourcesOf(engine))).split("\n"));
  for (
    const line of [
      'sluice_sessions_total{tenant="open",listener="in"} 3',
      'sluice_sessions_total{tenant="shut",listener="in"} 1',
      'sluice_sessions_active{tenant="open"} 0',
      'sluice_sessions_refused_total{tenant="shut",reason="tenant_connections"} 1',
      'sluice_sessions_closed_total{tenant="shut",code="PR"} 1',
      'sluice_sessions_closed_total{tenant="open",code="--"} 3',
      'sluice_bytes_total{tenant="open",direction="down"} 15',
      'sluice_connect_duration_seconds_count{tenant="open"} 3',
      'sluice_connect_duration_seconds_bucket{tenant="open",le="+Inf"} 3',
      'sluice_session_duration_seconds_count{tenant="shut"} 1',
      'sluice_endpoint_up{tenant="open",backend="pool",endpoint="a"} 1',
      "sluice_config_generation 7",
      'sluice_worker_sessions_active{worker="1"} 0',
    ]
  ) assert(lines.has(line), `${line} is not in:\n${[...lines].join("\n")}`);
  const [open] = statsView(sourcesOf(engine), 0, "open").tenants;
  assertEquals([open?.sessions.total, open?.bytes.down, open?.connect.count], [3, 15, 3]);
  assertEquals(open?.endpoints.map(({ id, sessions_total }) => [id, sessions_total]), [["a", 3]]);
});
