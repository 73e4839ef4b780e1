/** Attempts to get in: without a token, with somebody else's, from a web page, with bodies and ids that are tricks. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { actorOf } from "../../src/admin/auth.ts";
import type { HostPolicy } from "../../src/admin/context.ts";
import { isAllowed } from "../../src/admin/origin.ts";
import { FAILURES, FailureThrottle } from "../../src/admin/throttle.ts";
import { MOST_IN_FLIGHT } from "../../src/admin/in_flight.ts";
import { AdminBench, type Ask, problemOf, TOKENS } from "../helpers/admin_bench.ts";
import { sha256, tenantOf } from "../helpers/admin_control.ts";

const ACME = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const OTHER = "01ARZ3NDEKTSV4RRFFQ69G5FAW";
const PUBLIC = ["/", "/docs", "/docs/docs.js", "/docs/docs.css", "/v1/live", "/v1/ready"];

/** Every documented method and path, with ids of this tenant filled in. */
async function everyRoute(bench: AdminBench, tenant: string, session: string) {
  const { paths } = (await bench.contract()).document;
  return Object.entries(paths).flatMap(([template, methods]) =>
    Object.keys(methods).map((method) => ({
      template,
      method: method.toUpperCase(),
      path: template.replace("{tenant}", tenant).replace("{session}", session).replace("{backend}", "out")
        .replace("{listener}", "in").replace(/\{\w+\}/, "a"),
    }))
  );
}

function bodyOf(method: string): Ask {
  return method === "PUT" || method === "POST" || method === "PATCH" ? { json: tenantOf("x") } : {};
}

Deno.test("admin security: without a token, with an unknown or a malformed one, nothing is told", async () => {
  const bench = new AdminBench();
  const wrong = [
    undefined,
    "Bearer nope",
    "Bearer",
    "Basic b3BzOm9wcw==",
    "ops-token",
    `Bearer ${sha256("ops-token")}`,
  ];
  for (const { method, path } of await everyRoute(bench, "acme", ACME)) {
    if (PUBLIC.includes(path)) continue;
    for (const [index, authorization] of wrong.entries()) {
      const headers = authorization === undefined ? {} : { Authorization: authorization };
      const source = `192.0.2.${index}`;
      bench.nowMs += 10_000;
      const response = await bench.ask(method, path, { ...bodyOf(method), who: "nobody", headers, source });
      assertEquals(response.status, 401, `${method} ${path} with ${authorization}`);
      assertStringIncludes(response.headers.get("WWW-Authenticate")!, "Bearer");
      await response.body?.cancel();
    }
  }
  assertEquals(bench.control.calls, []);
});

Deno.test("admin security: a viewer reads only, and sees no hashes", async () => {
  const bench = new AdminBench();
  bench.control.sessionList.push({ session: ACME, tenant: "acme", client: "192.0.2.1" });
  for (const { method, path } of await everyRoute(bench, "acme", ACME)) {
    if (PUBLIC.includes(path)) continue;
    const response = await bench.ask(method, path, { ...bodyOf(method), who: "eyes" });
    if (method === "GET") assert(response.status < 500 && response.status !== 403, `${path} ${response.status}`);
    else assertEquals(response.status, 403, `${method} ${path}`);
    if (!response.headers.get("Content-Type")?.startsWith("text/event-stream")) await response.text();
  }
  for (const accept of ["application/json", "application/yaml"]) {
    const text = await (await bench.ask("GET", "/v1/config", { who: "eyes", headers: { Accept: accept } })).text();
    assert(!text.includes(sha256("ops-token")), accept);
    assert(!text.includes("a comment"), accept);
  }
  assertEquals(bench.control.calls.filter(({ verb }) => verb !== "sessions"), []);
});

Deno.test("admin security: another tenant answers as what does not exist, on every route", async () => {
  const bench = new AdminBench();
  bench.control.sessionList.push({ session: OTHER, tenant: "other", client: "192.0.2.1" });
  for (const { method, path, template } of await everyRoute(bench, "other", OTHER)) {
    if (!template.includes("{tenant}") && !template.includes("{session}")) continue;
    const missing = path.replace("other", "never").replace(OTHER, "01ARZ3NDEKTSV4RRFFQ69G5FAX");
    const there = await bench.ask(method, path, { ...bodyOf(method), who: "acme" });
    const none = await bench.ask(method, missing, { ...bodyOf(method), who: "acme" });
    assertEquals(there.status, 404, `${method} ${path}`);
    assertEquals([...there.headers], [...none.headers], `${method} ${path}`);
    assertEquals(await there.text(), await none.text(), `${method} ${path}`);
  }
  for (const path of ["/v1/sessions", "/v1/stats", "/metrics", "/v1/events"]) {
    const there = await bench.ask("GET", `${path}?tenant=other`, { who: "acme" });
    const none = await bench.ask("GET", `${path}?tenant=never`, { who: "acme" });
    assertEquals([there.status, none.status], [404, 404]);
    assertEquals(await there.text(), await none.text());
  }
  assertEquals((await bench.ask("DELETE", "/v1/sessions?tenant=other", { who: "acme" })).status, 404);
  assertEquals(bench.control.calls, []);
  assertEquals(bench.control.killed, []);
});

Deno.test("admin security: a tenant token sees and closes its own only", async () => {
  const bench = new AdminBench();
  const { control } = bench;
  control.sessionList.push(
    { session: ACME, tenant: "acme", client: "192.0.2.1" },
    { session: OTHER, tenant: "other", client: "192.0.2.1" },
  );
  for (const tenant of ["acme", "other", null]) {
    control.record({ actor: "ops", verb: "put", target: "x", tenant, changes: [], result: "ok" });
  }
  const items = async (path: string) => (await (await bench.ask("GET", path, { who: "acme" })).json()).items;
  assertEquals((await items("/v1/tenants")).map((one: { id: string }) => one.id), ["acme"]);
  assertEquals((await items("/v1/sessions")).map((one: { session: string }) => one.session), [ACME]);
  assertEquals((await items("/v1/audit")).map((one: { tenant: string }) => one.tenant), ["acme"]);
  assertEquals((await (await bench.ask("GET", "/v1/stats", { who: "acme" })).json()).of, "acme");
  assertStringIncludes(await (await bench.ask("GET", "/metrics", { who: "acme" })).text(), "only acme");
  assertEquals((await bench.ask("GET", "/v1/tenants/acme", { who: "acme" })).status, 200);
  assertEquals(await (await bench.ask("DELETE", "/v1/sessions", { who: "acme" })).json(), { closed: 1 });
  assertEquals(control.killed, [ACME]);
  for (const { method, path } of await everyRoute(bench, "acme", ACME)) {
    if (!/^\/v1\/(config|status)/.test(path) && !(method === "POST" && path === "/v1/tenants")) continue;
    assertEquals((await bench.ask(method, path, { ...bodyOf(method), who: "acme" })).status, 403, `${method} ${path}`);
  }
});

Deno.test("admin security: a tenant's events carry nothing of others", async () => {
  const bench = new AdminBench();
  const response = await bench.app.request("/v1/events", {
    headers: { Host: "localhost", Authorization: "Bearer acme-token", "Last-Event-ID": "0" },
  }, {});
  const owners = ["other", null, "acme"];
  for (const [index, tenant] of owners.entries()) {
    bench.control.emit({ id: index + 1, at: "t", kind: "drain", tenant, data: { secret: `of ${tenant}` } });
  }
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("of acme")) text += (await reader.read()).value;
  assert(!text.includes("of other") && !text.includes("of null"));
  await reader.cancel();
  assertEquals(bench.control.listeners.size, 0);
});

Deno.test("admin security: events hide hashes of tokens", async () => {
  const bench = new AdminBench();
  const hash = sha256("ops-token");
  const changes = [
    { op: "replace", path: "/admin/tokens/0/sha256", from: hash, to: hash },
    { op: "add", path: "/admin/tokens/1", to: { name: "x", sha256: hash } },
  ];
  bench.control.emit({ id: 1, at: "t", kind: "config", tenant: null, data: { changes } });
  const response = await bench.app.request("/v1/events", {
    headers: { Host: "localhost", Authorization: "Bearer eyes-token", "Last-Event-ID": "0" },
  }, {});
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("event: config")) text += (await reader.read()).value;
  await reader.cancel();
  assert(!text.includes(hash) && text.includes("/admin/tokens/1"), text);
});

Deno.test("admin security: guessing is slowed by source, and the others are let in", async () => {
  const bench = new AdminBench();
  const guess = (source: string, token: string) =>
    bench.ask("GET", "/v1/status", { who: "nobody", headers: { Authorization: `Bearer ${token}` }, source });
  for (let turn = 0; turn < FAILURES; turn++) assertEquals((await guess("192.0.2.7", `g${turn}`)).status, 401);
  const refused = await guess("192.0.2.7", "ops-token");
  assertEquals([refused.status, refused.headers.get("Retry-After")], [429, "1"]);
  assertEquals((await guess("192.0.2.8", "ops-token")).status, 200);
  bench.nowMs += 1_000;
  assertEquals((await guess("192.0.2.7", "ops-token")).status, 200);
  assertEquals((await guess("192.0.2.7", "again")).status, 401);
  assertEquals((await guess("192.0.2.7", "again")).status, 429);
  assert(!JSON.stringify(bench.log.lines).includes("again"));
});

Deno.test("admin security: refusals are in the audit, one a second for each actor", async () => {
  const bench = new AdminBench();
  const { control } = bench;
  for (let turn = 0; turn < 3; turn++) {
    await bench.ask("PUT", "/v1/tenants/other", { who: "acme", json: {} });
    await bench.ask("DELETE", "/v1/tenants/acme", { who: "eyes" });
    await bench.ask("GET", "/v1/status", { who: "nobody", headers: { Authorization: "Bearer guess" } });
    await bench.ask("GET", "/v1/status", { who: "nobody" });
    await bench.ask("GET", "/v1/tenants/none");
  }
  assertEquals(control.auditList.map(({ actor, verb, target, tenant }) => [actor, verb, target, tenant]), [
    ["acme-ci", "put", "/v1/tenants/other", "acme"],
    ["eyes", "delete", "/v1/tenants/acme", null],
    ["unknown", "get", "/v1/status", null],
  ]);
  bench.nowMs += 1_000;
  await bench.ask("DELETE", "/v1/tenants/acme", { who: "eyes" });
  assertEquals(control.auditList.length, 4);
});

Deno.test("admin security: the table of failures is bounded, and one IPv6 host is one source", () => {
  let nowMs = 0;
  const throttle = new FailureThrottle(() => nowMs);
  for (let index = 0; index < 10_000; index++) throttle.fail(`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`);
  assert(throttle.size <= 4_096);
  for (let index = 0; index < FAILURES; index++) throttle.fail(`2001:db8::${index.toString(16)}`);
  assertEquals(throttle.waitSeconds("2001:db8:0:0:1:2:3:4"), 1);
  assertEquals(throttle.waitSeconds("2001:db8:0:1::1"), 0);
  nowMs += 1_000;
  assertEquals(throttle.waitSeconds("2001:db8::1"), 0);
});

Deno.test("admin security: the token that matches is found wherever it stands; the empty one never", () => {
  for (const [who, name] of [["ops", "ops"], ["eyes", "eyes"], ["acme", "acme-ci"]]) {
    assertEquals(actorOf(`Bearer ${who}-token`, TOKENS)?.name, name);
    assertEquals(actorOf(`bearer  ${who}-token`, TOKENS)?.name, name);
  }
  const empty = [{ name: "x", sha256: sha256(""), role: "admin" as const }];
  for (const header of ["Bearer", "Bearer ", "", `Bearer ${"x".repeat(2_000)}`]) {
    assertEquals(actorOf(header, empty), null);
  }
});

Deno.test("admin security: names that lead here by DNS rebinding are refused", async () => {
  const bench = new AdminBench();
  for (const host of ["evil.example", "localhost.evil.example:9900", "127.0.0.1.evil.example", "10.0.0.1", "[::2]"]) {
    const response = await bench.ask("GET", "/v1/status", { headers: { Host: host } });
    assertEquals(response.status, 421, host);
    await response.body?.cancel();
  }
  for (const host of ["localhost", "LOCALHOST:1", "127.0.0.1:9900"]) {
    assertEquals((await bench.ask("GET", "/v1/status", { headers: { Host: host } })).status, 200, host);
  }
  const policy: HostPolicy = { names: ["localhost", "::1", "*.proxy.example"], isAnyAddress: true };
  for (const good of ["10.1.2.3:80", "[::1]", "[2001:db8::1]:443", "a.proxy.example", "localhost."]) {
    assert(isAllowed(good, policy), good);
  }
  for (
    const bad of [
      undefined,
      "",
      "proxy.example",
      "a.b.proxy.example",
      "a@localhost",
      "localhost:x",
      "::1",
      "[localhost]",
    ]
  ) {
    assert(!isAllowed(bad, policy), bad);
  }
});

Deno.test("admin security: pages of other origins are refused, and get no CORS headers", async () => {
  const bench = new AdminBench();
  bench.access = { ...bench.access, anonymous: { name: "insecure", role: "admin" } };
  const cross = [
    { Origin: "https://evil.example" },
    { Origin: "null" },
    { Origin: "http://localhost:9901" },
    { Origin: "https://localhost:9900" },
    { "Sec-Fetch-Site": "cross-site" },
    { "Sec-Fetch-Site": "same-site" },
  ];
  for (const headers of cross) {
    for (
      const [method, path] of [["POST", "/v1/tenants/acme/drain"], ["GET", "/v1/status"], ["OPTIONS", "/v1/tenants"]]
    ) {
      const response = await bench.ask(method!, path!, { who: "nobody", headers: headers as Record<string, string> });
      assertEquals(response.status, 403, JSON.stringify(headers));
      assertEquals([...response.headers.keys()].filter((name) => name.startsWith("access-control")), []);
      await response.body?.cancel();
    }
  }
  assertEquals(bench.control.calls, []);
  const own = { Origin: "http://localhost:9900", "Sec-Fetch-Site": "same-origin" };
  assertEquals((await bench.ask("GET", "/v1/status", { headers: own })).status, 200);
  const secure = { Host: "localhost", Origin: "https://localhost" };
  assertEquals((await bench.ask("GET", "/v1/status", { headers: secure, isTls: true })).status, 200);
  const link = { "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate" };
  assertEquals((await bench.ask("GET", "/docs", { who: "nobody", headers: link })).status, 200);
});

Deno.test("admin security: bodies are bounded, of a known type, in UTF-8, JSON, and not too deep", async () => {
  const bench = new AdminBench();
  const put = (body: BodyInit, headers: Record<string, string> = { "Content-Type": "application/json" }) =>
    bench.ask("PUT", "/v1/tenants/acme", { body, headers });
  let pulled = 0;
  const endless = new ReadableStream({
    pull: (controller) => (pulled++, controller.enqueue(new Uint8Array(65_536).fill(32))),
  });
  assertEquals((await put(endless)).status, 413);
  assert(pulled < 40, `${pulled} pieces were read`);
  assertEquals((await put("{}", { "Content-Type": "application/json", "Content-Length": "1048577" })).status, 413);
  assertEquals((await put(`{"id":"acme"${" ".repeat(1_000_000)}}`)).status, 200);
  for (
    const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "application/json; charset=latin1",
      "application/yaml",
    ]
  ) {
    assertEquals((await put("{}", { "Content-Type": type })).status, 415, type);
  }
  assertEquals((await put("{}", { "Content-Type": "application/json", "Content-Encoding": "gzip" })).status, 415);
  assertEquals((await put(new Uint8Array([0x7b, 0xff, 0x7d]))).status, 400);
  const broken = await put('{\n  "a": 1,\n  b\n}');
  assertEquals(broken.status, 400);
  assertEquals((await problemOf(broken)).errors.length, 1);
  assertEquals((await put("[".repeat(500_000))).status, 400);
  assertEquals((await put(`${'{"a":'.repeat(100)}1${"}".repeat(100)}`)).status, 400);
  for (const text of ["[]", "null", "3", '"x"']) assertEquals((await put(text)).status, 422);
  assertEquals((await put('{"wrong":1,"__proto__":{"polluted":true}}')).status, 422);
  assertEquals((Object.prototype as Record<string, unknown>)["polluted"], undefined);
});

Deno.test("admin security: a whole configuration may be larger, and is bounded as well", async () => {
  const bench = new AdminBench();
  let left = 65 * 16;
  const large = new ReadableStream({
    pull(controller) {
      if (left-- === 0) controller.close();
      else controller.enqueue(new Uint8Array(65_536).fill(32));
    },
  });
  const headers = { "Content-Type": "application/yaml", "If-Match": "*" };
  assertEquals((await bench.ask("PUT", "/v1/config", { body: large, headers })).status, 413);
  assertEquals((await bench.ask("PUT", "/v1/config", { body: `# ${"x".repeat(2_000_000)}`, headers })).status, 200);
});

Deno.test("admin security: tricks in paths reach nothing", async () => {
  const bench = new AdminBench();
  const tricks = [
    "/v1/tenants/..%2f..%2fstatus",
    "/v1/tenants/%2e%2e%2fstatus",
    "/v1/tenants/acme%00",
    "/v1/tenants/ACME",
    "/v1/tenants/acme%2fstatus",
    "/v1/tenants/-x",
    `/v1/tenants/${"a".repeat(64)}`,
    "/v1/tenants/__proto__",
    "/v1/tenants/constructor/listeners/toString",
    "/v1/tenants/acme/backends/out/endpoints/..%5c..",
    "//v1/status",
    "/v1//status",
    "/V1/status",
    "/docs/../../etc/passwd",
    "/docs/%2e%2e/%2e%2e/deno.json",
    "/docs/index.html",
    "/v1/tenants/%zz",
  ];
  for (const path of tricks) {
    const response = await bench.app.request(`http://localhost${path}`, {
      headers: { Host: "localhost", Authorization: "Bearer ops-token" },
    }, {});
    assertEquals(response.status, 404, path);
    await response.body?.cancel();
  }
});

Deno.test("admin security: every answer has the headers that keep it where it belongs", async () => {
  const bench = new AdminBench();
  for (
    const [path, who] of [["/v1/status", "ops"], ["/v1/status", "nobody"], ["/v1/none", "ops"], ["/docs", "nobody"]]
  ) {
    const { headers } = await bench.ask("GET", path!, { who: who as "ops" });
    assertEquals(headers.get("Cache-Control"), "no-store");
    assertEquals(headers.get("X-Content-Type-Options"), "nosniff");
    assertStringIncludes(headers.get("Content-Security-Policy")!, "frame-ancestors 'none'");
  }
});

Deno.test("admin security: a tenant's token does not take all connections by streams that stay open", async () => {
  const bench = new AdminBench();
  const open = async (token: string) => {
    const gone = new AbortController();
    const headers = { Host: "localhost", Authorization: `Bearer ${token}` };
    const { status, body } = await bench.app.request("/v1/events", { headers, signal: gone.signal }, {});
    return { status, end: async () => await body?.cancel().finally(() => gone.abort()) };
  };
  const streams = await Promise.all(Array.from({ length: MOST_IN_FLIGHT }, () => open("acme-token")));
  assertEquals(new Set(streams.map(({ status }) => status)), new Set([200]));
  const refused = await bench.ask("GET", "/v1/tenants/acme", { who: "acme" });
  assertEquals([refused.status, refused.headers.get("Retry-After")], [429, "1"]);
  assertEquals((await bench.ask("GET", "/v1/status")).status, 200);
  await streams.pop()?.end();
  for (let index = 0; index < 2; index++) {
    assertEquals((await bench.ask("GET", "/v1/tenants/acme", { who: "acme" })).status, 200);
  }
  for (const { end } of streams) await end();
  bench.stopping.abort();
});
