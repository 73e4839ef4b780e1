/** The demo's backends: they echo, they say who they are, they end; and the ports that the demo talks about are its own. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { compilePlan, loadConfig } from "../../src/config/mod.ts";
import { DEMO_PORTS, type DemoPorts, startBackends } from "../../src/demo/backends.ts";
import { hintsFor } from "../../src/demo/hints.ts";
import { fakeDeps } from "./config_fixture.ts";

const ANY: DemoPorts = {
  echo: [{ name: "echo", port: 0 }],
  web: [{ name: "first", port: 0 }, { name: "second", port: 0 }],
};

async function readAll(conn: Deno.Conn): Promise<string> {
  return await new Response(conn.readable).text();
}

async function demoPlan() {
  const path = "config/demo.yaml";
  const text = await Deno.readTextFile(new URL(`../../${path}`, import.meta.url));
  const { config, names, problems } = await loadConfig(path, fakeDeps({ files: { [path]: text } }));
  assert(config !== null, JSON.stringify(problems));
  return [...compilePlan(config, names).tenants.values()];
}

describe("startBackends", () => {
  it("echoes every byte and passes the end on", async () => {
    await using backends = startBackends(ANY);
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: backends.echo[0]! });
    const text = "hello\n".repeat(50_000);
    const writer = conn.writable.getWriter();
    const [back] = await Promise.all([
      readAll(conn),
      writer.write(new TextEncoder().encode(text)).then(() => conn.closeWrite()),
    ]);
    assertEquals(back.length, text.length);
    assertEquals(back, text);
  });

  it("answers HTTP with its name", async () => {
    await using backends = startBackends(ANY);
    for (const [index, name] of ["first", "second"].entries()) {
      const response = await fetch(`http://127.0.0.1:${backends.web[index]}/a?b=c`);
      assertEquals([response.status, response.headers.get("x-endpoint")], [200, name]);
      assertEquals(await response.text(), `Hello from ${name}: GET /a\n`);
    }
  });

  it("answers with as many MiB as it is asked for", async () => {
    await using backends = startBackends(ANY);
    const response = await fetch(`http://127.0.0.1:${backends.web[0]}/2MiB`);
    assertEquals([(await response.bytes()).length, response.headers.get("x-endpoint")], [2 ** 21, "first"]);
  });

  it("ends at once although clients are there, and lets go of its ports", async () => {
    const backends = startBackends(ANY);
    const [port] = backends.echo;
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: port! });
    await conn.write(new Uint8Array([1]));
    await conn.read(new Uint8Array(1));
    await backends[Symbol.asyncDispose]();
    // The end of the connection, as an end or as a reset.
    assertEquals(await conn.read(new Uint8Array(1)).catch(() => null), null);
    conn.close();
    await assertRejects(() => Deno.connect({ hostname: "127.0.0.1", port: port! }), Deno.errors.ConnectionRefused);
  });

  it("names the port that is taken, and leaves nothing running", () => {
    using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const web = [{ name: "free", port: 0 }, { name: "web-2 of acme", port: taken.addr.port }];
    const error = assertThrows(() => startBackends({ echo: [], web }), Error);
    assert(error.message.startsWith(`Cannot start the demo's backend web-2 of acme on 127.0.0.1:${taken.addr.port}`));
    assert(error.message.includes("see who holds it"), error.message);
  });
});

describe("the demo", () => {
  it("has a backend for every endpoint of its configuration, by name, and no others", async () => {
    const wanted = (await demoPlan()).flatMap((tenant) =>
      tenant.backends.flatMap((backend) =>
        backend.endpoints.map(({ id, address }) => {
          assert(address.family === "ipv4" && address.ip === "127.0.0.1");
          return `${id} of ${tenant.id}: ${address.port}`;
        })
      )
    );
    const started = [...DEMO_PORTS.echo, ...DEMO_PORTS.web].map(({ name, port }) => `${name}: ${port}`);
    assertEquals(started.toSorted(), wanted.toSorted());
  });

  it("talks about the ports and the limit of its configuration", async () => {
    const tenants = await demoPlan();
    const listened = tenants.flatMap((tenant) =>
      tenant.listeners.map(({ address }) => address.family === "unix" ? 0 : address.port)
    );
    const hints = hintsFor(4711);
    const named = [...hints.matchAll(/127\.0\.0\.1[: ](\d+)/g)].map(([, port]) => Number(port));
    assertEquals(new Set(named), new Set(listened));
    assert(hints.includes("kill -HUP 4711\n"));
    const limits = tenants.find((tenant) => tenant.id === "globex")?.limits;
    assertEquals(limits?.maxConnections, 5);
    assert(hints.includes("five connections") && hints.includes("for i in 1 2 3 4 5 6; do"));
    assertEquals(limits?.connectionRate, { ratePer1000s: 2_000, burst: 20 });
    assert(hints.includes("seq 30") && hints.includes("twenty answers, then two a second"));
    assertEquals(limits?.bandwidth, { up: null, down: { ratePer1000s: 262_144_000, burst: 65_536 } });
    assert(hints.includes("/1MiB") && hints.includes("256KiB/s"));
  });
});
