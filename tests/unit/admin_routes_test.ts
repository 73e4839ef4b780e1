/** Every route of the admin API and what it answers. */
import { assert, assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { ControlError } from "../../src/admin/control.ts";
import { REDACTED } from "../../src/admin/redact.ts";
import { AdminBench, problemOf } from "../helpers/admin_bench.ts";
import { tenantOf } from "../helpers/admin_control.ts";

const ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const OTHER_ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAW";

Deno.test("admin: live and ready answer without a token", async () => {
  const bench = new AdminBench();
  const live = await bench.ask("GET", "/v1/live", { who: "nobody" });
  assertEquals([live.status, await live.json()], [200, { status: "live" }]);
  assertEquals((await bench.ask("GET", "/v1/ready", { who: "nobody" })).status, 200);
  bench.control.ready = false;
  assertEquals((await bench.ask("GET", "/v1/ready", { who: "nobody" })).status, 503);
});

Deno.test("admin: status, stats, metrics, schema", async () => {
  const bench = new AdminBench();
  assertEquals((await (await bench.ask("GET", "/v1/status")).json()).generation, 7);
  assertEquals((await (await bench.ask("GET", "/v1/stats")).json()).of, "all");
  assertEquals((await (await bench.ask("GET", "/v1/stats?tenant=acme")).json()).of, "acme");
  assertEquals((await bench.ask("GET", "/v1/stats?tenant=nobody")).status, 404);
  const metrics = await bench.ask("GET", "/metrics?tenant=acme&name[]=a&name[]=b");
  assertMatch(metrics.headers.get("Content-Type")!, /^text\/plain; version=0\.0\.4/);
  assertStringIncludes(await metrics.text(), "# only acme a+b");
  assertStringIncludes(await (await bench.ask("GET", "/metrics")).text(), "# only all all");
  assertEquals((await bench.ask("GET", "/metrics?tenant=nobody")).status, 404);
  const schema = await (await bench.ask("GET", "/v1/config/schema")).json();
  assert("tenant" in schema.$defs);
});

Deno.test("admin: the configuration is read as JSON or YAML, and replaced with its ETag only", async () => {
  const bench = new AdminBench();
  const read = await bench.ask("GET", "/v1/config");
  const etag = read.headers.get("ETag")!;
  const config = await read.json();
  assertEquals(config.tenants.length, 2);
  const yaml = await bench.ask("GET", "/v1/config", {
    headers: { Accept: "application/yaml, application/json;q=0.5" },
  });
  assertEquals(yaml.headers.get("Content-Type"), "application/yaml");
  assertMatch(await yaml.text(), /^# a comment/);
  assertEquals((await bench.ask("GET", "/v1/config", { headers: { "If-None-Match": etag } })).status, 304);

  assertEquals((await bench.ask("PUT", "/v1/config", { json: config })).status, 428);
  assertEquals((await bench.ask("PUT", "/v1/config", { json: config, headers: { "If-Match": '"old"' } })).status, 412);
  const dry = await bench.ask("PUT", "/v1/config?dry_run=true", { json: config, headers: { "If-Match": etag } });
  assertEquals((await dry.json()).sessions, { kept: 1, drained: 0 });
  assertEquals(bench.control.generation, 7);
  const wrote = await bench.ask("PUT", "/v1/config", {
    json: { ...config, tenants: [] },
    headers: { "If-Match": etag },
  });
  assertEquals([wrote.status, wrote.headers.get("Sluice-Generation")], [200, "8"]);
  assertNotEquals(wrote.headers.get("ETag"), etag);
  const asYaml = await bench.ask("PUT", "/v1/config", {
    body: "version: 1\n",
    headers: { "If-Match": "*", "Content-Type": "application/yaml; charset=utf-8" },
  });
  assertEquals(asYaml.status, 200);
  assertEquals(bench.control.calls.at(-1)?.more, { yaml: "version: 1\n" });
});

Deno.test("admin: validate, reload, generations, rollback", async () => {
  const bench = new AdminBench();
  const good = await bench.ask("POST", "/v1/config/validate", { json: {} });
  assertEquals(await good.json(), { valid: true, errors: [] });
  bench.control.faults = [{ pointer: "/tenants/0", detail: "is wrong", line: 3, column: 5 }];
  const bad = await bench.ask("POST", "/v1/config/validate", {
    body: "tenants: [3]\n",
    headers: { "Content-Type": "text/yaml" },
  });
  assertEquals(await bad.json(), { valid: false, errors: bench.control.faults });

  assertEquals((await (await bench.ask("POST", "/v1/config/reload")).json()).ok, true);
  bench.control.reloadOk = false;
  const refused = await bench.ask("POST", "/v1/config/reload");
  assertEquals((await problemOf(refused)).errors, [{ pointer: "", detail: "sluice.yaml:3:1: wrong" }]);
  assertEquals(refused.status, 422);

  bench.control.generationList = [{
    generation: 1,
    at: "2026-01-01T00:00:00.000Z",
    actor: "ops",
    changes: [{ op: "add", path: "/admin/tokens/1", to: { name: "x", sha256: "0123" } }],
  }];
  const { items } = await (await bench.ask("GET", "/v1/config/generations")).json();
  assertEquals(items[0].changes[0].to, { name: "x", sha256: REDACTED });

  assertEquals((await bench.ask("POST", "/v1/config/rollback", { json: { generation: 1 } })).status, 200);
  assertEquals((await bench.ask("POST", "/v1/config/rollback", { json: { generation: 99 } })).status, 404);
  assertEquals((await bench.ask("POST", "/v1/config/rollback", { json: { generation: "1" } })).status, 422);
});

Deno.test("admin: tenants are listed by pages and labels", async () => {
  const bench = new AdminBench();
  for (let index = 0; index < 5; index++) {
    bench.control.tenants.set(`t${index}`, tenantOf(`t${index}`, { labels: { n: "1" } }));
  }
  const ids: string[] = [];
  let cursor = "";
  let pages = 0;
  do {
    const page = await (await bench.ask("GET", `/v1/tenants?limit=3${cursor}`)).json();
    ids.push(...page.items.map((item: { id: string }) => item.id));
    cursor = page.next_cursor === null ? "" : `&cursor=${encodeURIComponent(page.next_cursor)}`;
    pages++;
    bench.control.tenants.delete(ids.at(-1)!);
  } while (cursor !== "");
  assertEquals([ids, pages], [["acme", "other", "t0", "t1", "t2", "t3", "t4"], 3]);

  const listed = async (query: string) => {
    const page = await (await bench.ask("GET", `/v1/tenants?${query}`)).json();
    return page.items.map((item: { id: string }) => item.id);
  };
  assertEquals(await listed("label=plan=gold"), ["acme"]);
  assertEquals(await listed("label=plan:gold&label=plan"), ["acme"]);
  assertEquals(await listed("label=plan=gold&label=n=1"), []);
  assertEquals(await listed("label=n"), ["t1", "t2"]);
  for (const wrong of ["limit=0", "limit=1001", "limit=x", "cursor=bad", "cursor=", "limit=1&limit=2", "labels=x"]) {
    const response = await bench.ask("GET", `/v1/tenants?${wrong}`);
    assertEquals((await problemOf(response)).errors[0]?.parameter, wrong.split("=")[0]);
    assertEquals(response.status, 400);
  }
});

Deno.test("admin: a tenant's life", async () => {
  const bench = new AdminBench();
  const created = await bench.ask("POST", "/v1/tenants", { json: tenantOf("new") });
  assertEquals([created.status, created.headers.get("Location")], [201, "/v1/tenants/new"]);
  assertEquals(created.headers.get("Sluice-Generation"), "8");
  const etag = created.headers.get("ETag")!;
  assertEquals((await bench.ask("POST", "/v1/tenants", { json: tenantOf("new") })).status, 409);

  const read = await bench.ask("GET", "/v1/tenants/new");
  assertEquals([await read.json(), read.headers.get("ETag")], [tenantOf("new"), etag]);
  const same = await bench.ask("GET", "/v1/tenants/new", { headers: { "If-None-Match": `"x", W/${etag}` } });
  assertEquals([same.status, same.headers.get("ETag")], [304, etag]);

  const patched = await bench.ask("PATCH", "/v1/tenants/new", {
    body: '{"labels":{"a":"b"}}',
    headers: { "Content-Type": "application/merge-patch+json", "If-Match": `"other", ${etag}` },
  });
  assertEquals([patched.status, (await patched.json()).labels], [200, { a: "b" }]);
  assertEquals((await bench.ask("PATCH", "/v1/tenants/new", { json: {}, headers: { "If-Match": etag } })).status, 412);
  assertEquals((await bench.ask("PATCH", "/v1/tenants/none", { json: {} })).status, 404);

  const put = (headers: Record<string, string> = {}, id = "new") =>
    bench.ask("PUT", `/v1/tenants/${id}`, { json: tenantOf(id), headers });
  assertEquals((await put()).status, 200);
  assertEquals((await put({ "If-None-Match": "*" })).status, 412);
  assertEquals((await put({ "If-None-Match": "*" }, "newer")).status, 201);
  assertEquals((await put({ "If-None-Match": '"x"' })).status, 400);
  assertEquals((await put({ "If-Match": "no quotes" })).status, 400);

  const wrong = await bench.ask("PUT", "/v1/tenants/new", { json: { wrong: 1 } });
  assertEquals(wrong.status, 422);
  assertEquals((await problemOf(wrong)).errors, [{ pointer: "/wrong", detail: "is not known", line: 2 }] as never);

  const dry = await bench.ask("DELETE", "/v1/tenants/new?dry_run=true");
  assertEquals((await dry.json()).changes[0], {
    op: "replace",
    path: "/admin/tokens/0/sha256",
    from: REDACTED,
    to: REDACTED,
  });
  assert(bench.control.tenants.has("new"));
  bench.control.draining = 2;
  const drained = await bench.ask("DELETE", "/v1/tenants/new?drain=1.5s");
  assertEquals([drained.status, await drained.json()], [202, { sessions: { kept: 1, drained: 2 } }]);
  assertEquals(bench.control.calls.at(-1)?.more, { path: { tenant: "new" }, edit: { kind: "delete", drainMs: 1_500 } });
  bench.control.draining = 0;
  assertEquals((await bench.ask("DELETE", "/v1/tenants/newer")).status, 204);
  assertEquals((await bench.ask("DELETE", "/v1/tenants/newer")).status, 404);
  assertEquals((await bench.ask("DELETE", "/v1/tenants/acme?drain=30")).status, 400);
});

Deno.test("admin: a tenant's status and verbs; waiting ends with the last session or with the time", async () => {
  const bench = new AdminBench();
  bench.control.sessionList.push({ session: ULID, tenant: "acme", client: "192.0.2.9" });
  assertEquals((await (await bench.ask("GET", "/v1/tenants/acme/status")).json()).sessions, 1);
  assertEquals((await bench.ask("GET", "/v1/tenants/none/status")).status, 404);

  const disabled = await bench.ask("POST", "/v1/tenants/acme/disable");
  assertEquals((await disabled.json()).enabled, false);
  assertEquals(disabled.headers.get("Sluice-Sessions"), "1");
  assertEquals((await (await bench.ask("POST", "/v1/tenants/acme/enable")).json()).enabled, true);
  assertEquals((await bench.ask("POST", "/v1/tenants/none/enable")).status, 404);
  assertEquals((await bench.ask("POST", "/v1/tenants/acme/drain?dry_run=true&wait=1h")).status, 200);

  let waits = 0;
  const waiting = new AdminBench({
    sleep: (ms) => {
      waiting.nowMs += ms;
      if (++waits === 3) waiting.control.sessionList.length = 0;
      return Promise.resolve();
    },
  });
  waiting.control.sessionList.push({ session: ULID, tenant: "acme", client: "192.0.2.9" });
  const timedOut = await waiting.ask("POST", "/v1/tenants/acme/drain?drain=2s&wait=60ms");
  assertEquals([timedOut.headers.get("Sluice-Sessions"), waits], ["1", 2]);
  assertEquals(waiting.control.calls.at(-1)?.more, { tenant: "acme", drainMs: 2_000 });
  const gone = await waiting.ask("POST", "/v1/tenants/acme/drain?wait=30s");
  assertEquals([gone.headers.get("Sluice-Sessions"), waits], ["0", 3]);
});

for (
  const { path, item } of [
    { path: "/v1/tenants/acme/listeners", item: { id: "new", address: "127.0.0.1:1", backend: "out" } },
    { path: "/v1/tenants/acme/routes", item: { id: "new", listener: "edge", backend: "out" } },
    { path: "/v1/tenants/acme/backends", item: { id: "new", endpoints: [] } },
    { path: "/v1/tenants/acme/backends/out/endpoints", item: { id: "new", address: "127.0.0.1:1" } },
  ]
) {
  Deno.test(`admin: ${path} and its items`, async () => {
    const bench = new AdminBench();
    const created = await bench.ask("POST", path, { json: item });
    assertEquals([created.status, created.headers.get("Location")], [201, `${path}/new`]);
    assertEquals((await bench.ask("POST", path, { json: item })).status, 409);
    const { items } = await (await bench.ask("GET", path)).json();
    assertEquals(items.at(-1), item);
    const read = await bench.ask("GET", `${path}/new`);
    assertEquals([read.status, read.headers.get("ETag")], [200, created.headers.get("ETag")]);
    assertEquals((await bench.ask("GET", `${path}/none`)).status, 404);
    assertEquals((await bench.ask("GET", path.replace("acme", "none"))).status, 404);
    assertEquals((await bench.ask("PUT", `${path}/more`, { json: { ...item, id: "more" } })).status, 201);
    assertEquals((await bench.ask("PUT", `${path}/more`, { json: { ...item, id: "more" } })).status, 200);
    assertEquals((await bench.ask("PATCH", `${path}/more`, { json: {} })).status, 200);
    assertEquals((await bench.ask("PATCH", `${path}/none`, { json: {} })).status, 404);
    assertEquals((await bench.ask("DELETE", `${path}/more`, { headers: { "If-Match": '"x"' } })).status, 412);
    assertEquals((await bench.ask("DELETE", `${path}/more`)).status, 204);
    bench.control.draining = 1;
    assertEquals((await bench.ask("DELETE", `${path}/new`)).status, 202);
    assertEquals((await bench.ask("GET", `${path}/new`)).status, 404);
  });
}

Deno.test("admin: an endpoint's state is set by a patch", async () => {
  const bench = new AdminBench();
  const path = "/v1/tenants/acme/backends/out/endpoints/a";
  for (const state of ["drain", "maintenance", "ready"]) {
    const response = await bench.ask("POST", `${path}/${state}`);
    assertEquals([response.status, (await response.json()).state], [200, state]);
  }
  assertEquals((await bench.ask("POST", "/v1/tenants/acme/backends/out/endpoints/none/drain")).status, 404);
  assertEquals((await bench.ask("GET", "/v1/tenants/acme/backends/none/endpoints")).status, 404);
});

Deno.test("admin: sessions are listed and closed by filters", async () => {
  const bench = new AdminBench();
  const { control } = bench;
  control.sessionList.push(
    { session: ULID, tenant: "acme", client: "192.0.2.9" },
    { session: OTHER_ULID, tenant: "other", client: "192.0.2.8" },
  );
  const page = await (await bench.ask("GET", "/v1/sessions?limit=1")).json();
  assertEquals([page.items.length, page.next_cursor], [1, "1"]);
  await bench.ask("GET", "/v1/sessions?tenant=acme&backend=b&endpoint=e&source=10.0.0.0/8&older_than=2m");
  assertEquals(control.calls.at(-1)?.more, {
    tenant: "acme",
    backend: "b",
    endpoint: "e",
    source: "10.0.0.0/8",
    olderThanMs: 120_000,
  });
  for (const wrong of ["source=nowhere", "source=10.0.0.0/33", "older_than=5", "tenant=A", "backend=a/b"]) {
    assertEquals((await bench.ask("GET", `/v1/sessions?${wrong}`)).status, 400);
  }
  assertEquals((await (await bench.ask("GET", `/v1/sessions/${ULID}`)).json()).tenant, "acme");
  for (const none of ["01ARZ3NDEKTSV4RRFFQ69G5FAX", "short", "..%2fstatus"]) {
    assertEquals((await bench.ask("GET", `/v1/sessions/${none}`)).status, 404);
  }
  const dry = await bench.ask("DELETE", "/v1/sessions?tenant=acme&dry_run=true");
  assertEquals((await dry.json()).sessions, { kept: 0, drained: 1 });
  assertEquals((await bench.ask("DELETE", `/v1/sessions/${ULID}?dry_run=true`)).status, 200);
  assertEquals(control.killed, []);
  assertEquals(await (await bench.ask("DELETE", "/v1/sessions?tenant=acme")).json(), { closed: 1 });
  const closed = await bench.ask("DELETE", `/v1/sessions/${OTHER_ULID}`);
  assertEquals([closed.status, closed.headers.get("Sluice-Generation")], [204, "7"]);
  assertEquals((await bench.ask("DELETE", `/v1/sessions/${OTHER_ULID}`)).status, 404);
  assertEquals(control.killed, [ULID, OTHER_ULID]);
});

Deno.test("admin: events are streamed with id, kind and data, and go on after the last one", async () => {
  const bench = new AdminBench();
  const event = (id: number, tenant: string | null) =>
    ({ id, at: "t", kind: "config", tenant, data: { n: id } }) as const;
  bench.control.emit(event(1, null));
  bench.control.emit(event(2, "acme"));
  const response = await bench.app.request("/v1/events", {
    headers: { Host: "localhost", Authorization: "Bearer ops-token", "Last-Event-ID": "1" },
  }, {});
  assertEquals(response.headers.get("Content-Type"), "text/event-stream; charset=utf-8");
  assertEquals(bench.control.listeners.size, 0);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const until = async (pattern: RegExp) => {
    while (!pattern.test(text)) text += (await reader.read()).value;
  };
  await until(/id: 2\nevent: config\ndata: .*\n\n/);
  bench.control.emit(event(3, "other"));
  await until(/id: 3\nevent: config\ndata: .*"n":3.*\n\n/);
  assert(!text.includes("id: 1\n"));
  bench.stopping.abort();
  assertEquals((await reader.read()).done, true);
  assertEquals(bench.control.listeners.size, 0);
  assertEquals((await bench.ask("GET", "/v1/events", { headers: { "Last-Event-ID": "x" } })).status, 400);
  const head = await bench.ask("HEAD", "/v1/events");
  assertEquals([head.status, await head.text(), bench.control.listeners.size], [200, "", 0]);
});

Deno.test("admin: the audit hides hashes", async () => {
  const bench = new AdminBench();
  bench.control.record({
    actor: "ops",
    verb: "put",
    target: "/v1/config",
    tenant: null,
    changes: [{ op: "replace", path: "/admin/tokens/0/sha256", from: "aa", to: "bb" }],
    result: "ok",
  });
  const text = await (await bench.ask("GET", "/v1/audit")).text();
  assert(text.includes(REDACTED) && !text.includes('"bb"'));
});

Deno.test("admin: the page, the document, and the way to them", async () => {
  const bench = new AdminBench();
  const home = await bench.ask("GET", "/", { who: "nobody" });
  assertEquals([home.status, home.headers.get("Location")], [302, "/docs"]);
  for (const path of ["/docs", "/docs/docs.js", "/docs/docs.css"]) {
    const page = await bench.ask("GET", path, { who: "nobody" });
    assertEquals(page.status, 200);
    assertMatch(page.headers.get("Content-Security-Policy")!, /^default-src 'none'; script-src 'self'/);
  }
  assertEquals((await bench.ask("GET", "/openapi.json", { who: "nobody" })).status, 401);
  const document = await (await bench.ask("GET", "/openapi.json", { who: "acme" })).json();
  assertEquals(document.openapi, "3.1.0");
  assert("Tenant" in document.components.schemas);
  const ids = Object.values(document.paths as Record<string, Record<string, { operationId: string }>>)
    .flatMap((methods) => Object.values(methods).map(({ operationId }) => operationId));
  assertEquals(new Set(ids).size, ids.length);
});

Deno.test("admin: methods that a path has not are refused, and OPTIONS tells those it has", async () => {
  const bench = new AdminBench();
  const allow = "DELETE, GET, HEAD, OPTIONS, PATCH, PUT";
  const post = await bench.ask("POST", "/v1/tenants/acme");
  assertEquals([post.status, post.headers.get("Allow")], [405, allow]);
  const options = await bench.ask("OPTIONS", "/v1/tenants/acme");
  assertEquals([options.status, options.headers.get("Allow")], [204, allow]);
  assertEquals((await bench.ask("OPTIONS", "/v1/none")).status, 404);
  assertEquals((await bench.ask("GET", "/v1/none")).status, 404);
  assertEquals((await bench.ask("GET", "/v1/tenants/acme/")).status, 404);
  const head = await bench.ask("HEAD", "/v1/tenants/acme");
  assertEquals([head.status, await head.text()], [200, ""]);
  assert(head.headers.has("ETag"));
});

Deno.test("admin: GET and HEAD change nothing", async () => {
  const bench = new AdminBench();
  const { paths } = (await bench.contract()).document;
  for (const path of Object.keys(paths)) {
    const target = path.replace("{tenant}", "acme").replace("{session}", ULID).replace("{backend}", "out")
      .replace(/\{\w+\}/, "a");
    for (const method of ["GET", "HEAD"]) await (await bench.ask(method, target)).body?.cancel();
  }
  assertEquals(bench.control.calls.filter(({ verb }) => verb !== "sessions"), []);
});

Deno.test("admin: what the control plane refuses has its own status", async () => {
  const bench = new AdminBench();
  const kinds = {
    not_found: 404,
    exists: 409,
    conflict: 409,
    precondition_failed: 412,
    precondition_required: 428,
    forbidden: 403,
    invalid: 422,
    refused: 409,
    stopping: 503,
  } as const;
  for (const [kind, status] of Object.entries(kinds)) {
    bench.control.failure = new ControlError(kind as keyof typeof kinds, "no");
    const response = await bench.ask("PUT", "/v1/tenants/acme", { json: {} });
    assertEquals(response.status, status);
    await problemOf(response);
  }
  bench.control.failure = new Error("secret inside");
  const response = await bench.ask("PUT", "/v1/tenants/acme", { json: {} });
  assertEquals(response.status, 500);
  assert(!(await response.text()).includes("secret"));
  assertEquals(bench.log.messages("error").length, 1);
});
