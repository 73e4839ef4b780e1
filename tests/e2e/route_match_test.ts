/** Which route of a shared listener a client takes: by name, protocol, address, or none of these; what the log has of it. */
import { assertEquals } from "@std/assert";
import { sayAndClose } from "../helpers/behaviours.ts";
import type { RouteConfig, TenantConfig } from "../helpers/config.ts";
import { type HelloOptions, makeHello } from "../helpers/hello.ts";
import { edgeConfig, edgeOf } from "../helpers/routing.ts";
import type { Sluice } from "../helpers/sluice.ts";
import { e2e, type World } from "../helpers/world.ts";

type Rule = Omit<RouteConfig, "id" | "listener" | "backend">;

/** A tenant whose every route has a backend of its own that says `tenant/route`. */
async function tenantOf(world: World, id: string, rules: Readonly<Record<string, Rule>>): Promise<TenantConfig> {
  const backends = await Promise.all(
    Object.keys(rules).map(async (route) => {
      const { address } = await world.backend(sayAndClose(`${id}/${route}`));
      return { id: `to-${route}`, endpoints: [{ id: "a", address }] };
    }),
  );
  const routes = Object.entries(rules).map(([route, rule]) => ({
    id: route,
    listener: "edge",
    backend: `to-${route}`,
    ...rule,
  }));
  return { id, listeners: [], routes, backends };
}

interface Row {
  readonly says: HelloOptions | string;
  readonly from?: string;
  readonly takes: string;
}

/** Sends each row's bytes from its address, and holds the answer and the record against what it should take. */
async function holdRows(world: World, sluice: Sluice, rows: readonly Row[]): Promise<void> {
  for (const [index, { says, from = "127.0.0.5", takes }] of rows.entries()) {
    const what = JSON.stringify({ says, from });
    const client = await world.connectResettable(edgeOf(sluice), from);
    const bytes = typeof says === "string" ? new TextEncoder().encode(says) : makeHello(says);
    await client.write(bytes);
    const { text } = await client.readToEnd();
    assertEquals(text, takes, what);
    client.close();
    const records = await sluice.waitForRecords(index + 1);
    const record = records[index]!;
    const [tenant, route] = takes.split("/");
    assertEquals([record.tenant, record.route, record.listener], [tenant, route, "edge"], what);
    assertEquals([record.backend, record.client, record.code], [`to-${route}`, from, "--"], what);
    assertEquals(record.bytes_up, bytes.length, what);
  }
}

e2e("routes: the most specific wins, over tenants", async (world) => {
  const tenants = await Promise.all([
    tenantOf(world, "acme", {
      web: { sni: ["acme.example", "*.acme.example"] },
      h2: { sni: ["acme.example"], alpn: ["h2", "h3-29"] },
      api: { sni: ["*.API.acme.example"] },
    }),
    tenantOf(world, "globex", {
      deep: { sni: ["*.example"] },
      near: { sni: ["globex.example"], sources: ["127.2.0.0/16"] },
      office: { sources: ["127.1.0.0/16"] },
      desk: { sources: ["127.1.2.0/24", "127.1.3.0/24"] },
      mail: { alpn: ["imap"] },
    }),
    tenantOf(world, "initech", { rest: { default: true } }),
  ]);
  const sluice = await world.sluice(edgeConfig(tenants));
  const named = (serverName: string, ...alpn: string[]): HelloOptions => ({ serverName, alpn });
  const longest = `${"a".repeat(63)}.${"b".repeat(63)}.${"c".repeat(63)}.${"d".repeat(47)}.acme.example`;
  await holdRows(world, sluice, [
    { says: named("acme.example"), takes: "acme/web" },
    { says: named("ACME.Example"), takes: "acme/web" },
    { says: named("acme.example."), takes: "acme/web" },
    { says: named("acme.example", "http/1.1"), takes: "acme/web" },
    { says: named("acme.example", "http/1.1", "h2"), takes: "acme/h2" },
    { says: named("acme.example", "h3-29"), takes: "acme/h2" },
    { says: named("acme.example", "H2"), takes: "acme/web" },
    { says: named("a.b.acme.example", "h2"), takes: "acme/web" },
    { says: named("api.acme.example"), takes: "acme/web" },
    { says: named("x.api.acme.example"), takes: "acme/api" },
    { says: named(longest), takes: "acme/web" },
    { says: named("xacme.example"), takes: "globex/deep" },
    { says: named("globex.example"), from: "127.2.3.4", takes: "globex/near" },
    { says: named("globex.example"), takes: "globex/deep" },
    { says: named("example"), takes: "initech/rest" },
    { says: named("nobody.test"), takes: "initech/rest" },
    { says: named("nobody.test"), from: "127.1.9.9", takes: "globex/office" },
    { says: named("nobody.test"), from: "127.1.2.3", takes: "globex/desk" },
    { says: named("nobody.test", "imap"), takes: "globex/mail" },
    { says: named("nobody.test", "imap"), from: "127.1.3.3", takes: "globex/desk" },
    { says: named("acme.example", "imap"), from: "127.1.3.3", takes: "acme/web" },
    { says: {}, takes: "initech/rest" },
    { says: { alpn: ["imap"] }, takes: "globex/mail" },
    // No names that a route could have (RFC 6066 section 3): they are as none.
    { says: named("127.0.0.1"), takes: "initech/rest" },
    { says: named("*.acme.example"), takes: "initech/rest" },
    { says: named(".acme.example"), takes: "initech/rest" },
  ]);
  const last = sluice.records();
  assertEquals(last.slice(0, 3).map((record) => record.server_name), Array(3).fill("acme.example"));
  assertEquals(last.slice(3, 7).map(({ alpn }) => alpn), ["http/1.1", "http/1.1,h2", "h3-29", "H2"]);
  assertEquals(last[10]?.server_name, longest);
  assertEquals(last.slice(21).map((record) => record.server_name), [null, null, null, null, null]);
});

e2e("routes: what is no TLS takes a route without names at once, from its first byte on", async (world) => {
  const tenants = await Promise.all([
    tenantOf(world, "acme", { web: { sni: ["acme.example"] }, desk: { sources: ["127.1.2.0/24"] } }),
    tenantOf(world, "initech", { rest: { default: true } }),
  ]);
  const sluice = await world.sluice(edgeConfig(tenants));
  // One byte is enough: without its route the client would be held for the rest of a hello.
  await holdRows(world, sluice, [
    { says: "S", takes: "initech/rest" },
    { says: "S", from: "127.1.2.3", takes: "acme/desk" },
    { says: "GET / HTTP/1.1\r\nHost: acme.example\r\n\r\n", takes: "initech/rest" },
    { says: "\x16G", takes: "initech/rest" },
    { says: "\x00\x00\x00\x08\x04\xd2\x16\x2f", takes: "initech/rest" },
    { says: "\x16\x03\x01\x00\x05\x02hello", takes: "initech/rest" },
  ]);
  assertEquals(sluice.matching(({ server_name, alpn }) => server_name !== null || alpn !== null), []);
});

e2e("routes: a listener with detect: none reads nothing, so that a backend may speak first", async (world) => {
  const tenants = await Promise.all([
    tenantOf(world, "acme", { desk: { sources: ["127.1.2.0/24"] } }),
    tenantOf(world, "initech", { rest: { default: true } }),
  ]);
  const listeners = [{ id: "edge", address: "127.0.0.1:0", detect: "none" as const }];
  const sluice = await world.sluice(edgeConfig(tenants, { listeners }));
  await holdRows(world, sluice, [
    { says: "", takes: "initech/rest" },
    { says: "", from: "127.1.2.3", takes: "acme/desk" },
    { says: { serverName: "acme.example" }, takes: "initech/rest" },
  ]);
  assertEquals(sluice.matching(({ server_name }) => server_name !== null), []);
});
