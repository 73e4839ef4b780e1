/** The admin API of a running proxy: real objects, real sessions, real files; every answer as the document declares. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { adminAddress, AdminClient, adminConfig, adminUrl, TOKEN } from "../helpers/admin_process.ts";
import { formatAddress, freePort, ownLoopback } from "../helpers/address.ts";
import { echo } from "../helpers/behaviours.ts";
import { tenantWith } from "../helpers/config.ts";
import { eventually } from "../helpers/eventually.ts";
import { runProgram } from "../helpers/sluice.ts";
import { e2e } from "../helpers/world.ts";

const tenantJson = (id: string, endpoint: string) => ({
  id,
  listeners: [{ id: "in", address: "127.0.0.1:0", backend: "out" }],
  backends: [{ id: "out", endpoints: [{ id: "a", address: endpoint }] }],
});

e2e(
  "admin: a tenant that is created by the API forwards, is on disk, and is gone when it is deleted",
  async (world) => {
    const backend = await world.backend(echo);
    const sluice = await world.sluice(adminConfig());
    const admin = await AdminClient.of(sluice);
    const created = await admin.ask("PUT", "/v1/tenants/acme", { json: tenantJson("acme", backend.address) });
    assertEquals(created.status, 201);
    assertStringIncludes(await Deno.readTextFile(sluice.configPath), backend.address);
    await sluice.waitForLine(/tenant.*acme.*listener/);
    const address = await eventually(() => sluice.address());
    await (await world.connect(address)).roundTrip();

    const again = await admin.ask("PUT", "/v1/tenants/acme", {
      json: tenantJson("acme", backend.address),
      headers: { "If-None-Match": "*" },
    });
    assertEquals(again.status, 412);
    const wrong = await admin.ask("PATCH", "/v1/tenants/acme", { json: { timeouts: { idle: "soon", nonsense: 1 } } });
    assertEquals(wrong.status, 422);
    const pointers = (await wrong.json()).errors.map((error: { pointer: string }) => error.pointer).sort();
    assertEquals(pointers, ["/timeouts/idle", "/timeouts/nonsense"]);
    await (await world.connect(address)).roundTrip();

    const dry = await admin.ask("DELETE", "/v1/tenants/acme?dry_run=true");
    assertEquals((await dry.json()).changes[0].op, "remove");
    assertEquals((await admin.ask("DELETE", "/v1/tenants/acme?drain=0s")).status < 300, true);
    assertEquals((await admin.ask("GET", "/v1/tenants/acme")).status, 404);
    await eventually(async () => !(await world.accepts(address)), { what: "the end of the listener" });
  },
);

e2e("admin: live sessions are listed, found, and closed; a tenant token sees its own only", async (world) => {
  const backend = await world.backend(echo);
  const tenants = [tenantWith([backend.address]), tenantWith([backend.address], { id: "other" })];
  const sluice = await world.sluice(adminConfig(tenants));
  const admin = await AdminClient.of(sluice);
  const mine = await world.connect(sluice.address("acme"));
  const theirs = await world.connect(sluice.address("other"));
  await mine.roundTrip();
  await theirs.roundTrip();
  const list = async (query: string, token = TOKEN) =>
    (await (await admin.ask("GET", `/v1/sessions${query}`, { token })).json()).items as {
      session: string;
      tenant: string;
    }[];
  const all = await eventually(async () => {
    const found = await list("");
    return found.length === 2 ? found : undefined;
  }, { what: "two sessions" });
  assertEquals(all.map(({ tenant }) => tenant).sort(), ["acme", "other"]);
  assertEquals((await list("?tenant=acme&backend=out&endpoint=a&source=127.0.0.0/8")).length, 1);
  assertEquals((await list("?source=192.0.2.0/24")).length, 0);
  assertEquals((await list("?older_than=1h")).length, 0);
  const own = await list("", "acme-token");
  assertEquals(own.map(({ tenant }) => tenant), ["acme"]);
  const other = all.find(({ tenant }) => tenant === "other")!.session;
  for (const method of ["GET", "DELETE"]) {
    assertEquals((await admin.ask(method, `/v1/sessions/${other}`, { token: "acme-token" })).status, 404);
  }
  const stats = await (await admin.ask("GET", "/v1/stats", { token: "acme-token" })).text();
  const metrics = await (await admin.ask("GET", "/metrics", { token: "acme-token" })).text();
  for (const text of [stats, metrics]) assert(!text.includes("other"), text);
  assertStringIncludes(metrics, 'sluice_sessions_active{tenant="acme"} 1');

  assertEquals((await admin.ask("DELETE", `/v1/sessions/${own[0]!.session}`)).status, 204);
  const record = await sluice.waitForRecord({ tenant: "acme" });
  assertEquals([record.code, record.reason], ["KD", "killed"]);
  await theirs.roundTrip();
  assertEquals(await (await admin.ask("DELETE", "/v1/sessions?tenant=other")).json(), { closed: 1 });
});

e2e("admin: enable, disable and drain with wait; an endpoint out of use", async (world) => {
  const backend = await world.backend(echo);
  const second = await world.backend(echo);
  const sluice = await world.sluice(adminConfig([tenantWith([backend.address, second.address])]));
  const admin = await AdminClient.of(sluice);
  const endpoint = "/v1/tenants/acme/backends/out/endpoints/a";
  assertEquals((await (await admin.ask("POST", `${endpoint}/drain`)).json()).state, "drain");
  const status = await (await admin.ask("GET", "/v1/tenants/acme/status")).json();
  assertEquals(status.backends[0].endpoints.map((one: { state: string }) => one.state), ["drain", "ready"]);
  const before = backend.accepted;
  for (let turn = 0; turn < 4; turn++) await (await world.connect(sluice.address())).roundTrip();
  assertEquals(backend.accepted, before);
  assertEquals((await admin.ask("POST", `${endpoint}/ready`)).status, 200);

  const live = await world.connect(sluice.address());
  await live.roundTrip();
  const drained = await admin.ask("POST", "/v1/tenants/acme/drain?drain=100ms&wait=10s");
  assertEquals([drained.status, drained.headers.get("Sluice-Sessions")], [200, "0"]);
  assertEquals((await (await admin.ask("POST", "/v1/tenants/acme/disable")).json()).enabled, false);
  await world.connect(sluice.address());
  await sluice.waitForRecord({ reason: "tenant_disabled" });
  assertEquals((await admin.ask("POST", "/v1/tenants/acme/enable")).status, 200);
  await eventually(async () => await (await world.connect(sluice.address())).roundTrip().then(() => true));
});

e2e("admin: the whole configuration, its generations, and the way back", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice(adminConfig([tenantWith([backend.address])]));
  const admin = await AdminClient.of(sluice);
  const read = await admin.ask("GET", "/v1/config");
  const config = await read.json();
  assertEquals((await admin.ask("PUT", "/v1/config", { json: config })).status, 428);
  const headers = { "If-Match": read.headers.get("ETag")! };
  const changed = { ...config, tenants: [{ ...config.tenants[0], labels: { a: "b" } }] };
  const wrote = await admin.ask("PUT", "/v1/config", { json: changed, headers });
  assertEquals([wrote.status, wrote.headers.get("Sluice-Generation")], [200, "2"]);
  assertEquals((await admin.ask("PUT", "/v1/config", { json: changed, headers })).status, 412);
  assertEquals(
    (await admin.ask("PUT", "/v1/config", { json: { tenants: 3 }, headers: { "If-Match": "*" } })).status,
    422,
  );
  const { items } = await (await admin.ask("GET", "/v1/config/generations")).json();
  assertEquals(items.map((one: { generation: number }) => one.generation).sort(), [1, 2]);
  const back = (more: Record<string, string>) =>
    admin.ask("POST", "/v1/config/rollback", { json: { generation: 1 }, headers: more });
  assertEquals((await back({})).status, 428);
  assertEquals((await back({ "If-Match": wrote.headers.get("ETag")! })).status, 200);
  assertEquals((await (await admin.ask("GET", "/v1/tenants/acme")).json()).labels, undefined);
  const invalid = await admin.ask("POST", "/v1/config/validate", {
    body: "version: 1\nworkers: -3\n",
    headers: { "Content-Type": "application/yaml" },
  });
  const { valid, errors } = await invalid.json();
  assertEquals([valid, errors[0].pointer, errors[0].line], [false, "/workers", 2]);
  const audit = await (await admin.ask("GET", "/v1/audit")).json();
  assert(audit.items.some((entry: { actor: string }) => entry.actor === "ops"));
  const yaml = await admin.ask("GET", "/v1/config", { token: "viewer-token", headers: { Accept: "application/yaml" } });
  assert(!/[1-9a-f]{32}/.test(await yaml.text()));
});

e2e("admin: roles on a running process", async (world) => {
  const backend = await world.backend(echo);
  const tenants = [
    tenantWith([backend.address], { limits: { max_connections: 5 } }),
    tenantWith([backend.address], { id: "other" }),
  ];
  const sluice = await world.sluice(adminConfig(tenants));
  const admin = await AdminClient.of(sluice);
  const acme = (method: string, path: string, json?: unknown) =>
    admin.ask(method, path, { token: "acme-token", ...(json === undefined ? {} : { json }) }).then(({ status }) =>
      status
    );
  assertEquals(await acme("GET", "/v1/tenants/acme"), 200);
  assertEquals(await acme("PATCH", "/v1/tenants/acme", { labels: { mine: "yes" } }), 200);
  assertEquals(await acme("PATCH", "/v1/tenants/acme", { limits: { max_connections: 6 } }), 403);
  assertEquals(await acme("PATCH", "/v1/tenants/acme", { limits: null }), 403);
  assertEquals(await acme("PATCH", "/v1/tenants/acme", { limits: { max_connections: 4 } }), 200);
  const listener = { id: "more", address: "127.0.0.1:1", backend: "out" };
  assertEquals(await acme("POST", "/v1/tenants/acme/listeners", listener), 403);
  for (const id of ["other", "never"]) {
    assertEquals(await acme("GET", `/v1/tenants/${id}`), 404);
    assertEquals(await acme("PUT", `/v1/tenants/${id}`, tenantJson(id, "127.0.0.1:9")), 404);
    assertEquals(await acme("DELETE", `/v1/tenants/${id}`), 404);
  }
  assertEquals(await acme("GET", "/v1/config"), 403);
  assertEquals(await acme("POST", "/v1/tenants", tenantJson("new", "127.0.0.1:9")), 403);
  assertEquals((await admin.ask("PATCH", "/v1/tenants/acme", { token: "viewer-token", json: {} })).status, 403);
  assertEquals((await admin.ask("GET", "/v1/status", { token: "" })).status, 401);
});

e2e("admin: events of a running process, and those that were missed", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice(adminConfig([tenantWith([backend.address])]));
  const admin = await AdminClient.of(sluice);
  await admin.ask("PATCH", "/v1/tenants/acme", { json: { labels: { a: "b" } } });
  const response = await fetch(`${adminUrl(sluice)}/v1/events`, {
    headers: { Authorization: `Bearer ${TOKEN}`, "Last-Event-ID": "0" },
  });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!/event: config\ndata: \{.*\}\n\n/.test(text)) text += (await reader.read()).value ?? "";
  const { id, kind } = JSON.parse(/data: (.*)/.exec(text)![1]!);
  assertMatch(text, new RegExp(`id: ${id}\nevent: ${kind}\n`));
  await reader.cancel();
});

e2e("admin: names of admin.hosts lead here, and a reload moves the port", async (world) => {
  const sluice = await world.sluice(adminConfig([], { hosts: ["proxy.example"] }));
  const first = adminAddress(sluice);
  const ask = async (address: string, host: string) => {
    const [hostname = "", port] = address.split(":");
    using connection = await Deno.connect({ hostname, port: Number(port) });
    const text = `GET /v1/live HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
    await connection.write(new TextEncoder().encode(text));
    return (await new Response(connection.readable).text()).split("\r\n")[0];
  };
  assertEquals(await ask(first, "proxy.example:80"), "HTTP/1.1 200 OK");
  assertEquals(await ask(first, "evil.example"), "HTTP/1.1 421 Misdirected Request");
  const host = ownLoopback();
  const second = formatAddress(host, freePort(host));
  await sluice.reload(adminConfig([], { listen: second }));
  assertEquals(await ask(second, second), "HTTP/1.1 200 OK");
  await eventually(async () => !(await world.accepts(first)), { what: "the end of the old port" });
  const holder = await world.backend(echo);
  await sluice.reloadRefused(adminConfig([], { listen: holder.address }));
  assertEquals(await ask(second, second), "HTTP/1.1 200 OK");
});

e2e("admin: on a unix socket nobody needs a token but the owner has the file", async (world) => {
  const path = `${await world.tempDir()}/admin.sock`;
  const sluice = await world.sluice(adminConfig([], { listen: `unix:${path}`, tokens: [] }));
  assertEquals(adminAddress(sluice), `unix:${path}`);
  assertEquals(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
  const args = ["-sS", "--unix-socket", path, "http://sluice/v1/status"];
  const { stdout } = await new Deno.Command("curl", { args }).output();
  assertEquals(JSON.parse(new TextDecoder().decode(stdout)).generation, 1);
  await sluice.stop();
  assertEquals(await Deno.stat(path).then(() => true, () => false), false);
});

e2e("admin: a port that is taken, and a port that would be open to everybody, end the start", async (world) => {
  const holder = await world.backend(echo);
  const path = `${await world.tempDir()}/sluice.yaml`;
  const start = async (admin: Record<string, unknown>) => {
    await Deno.writeTextFile(path, JSON.stringify(adminConfig([], admin)));
    return await runProgram("serve", "--config", path);
  };
  const taken = await start({ listen: holder.address });
  assertEquals(taken.code, 1);
  assertStringIncludes(taken.stderr, `Cannot start the admin API at ${holder.address}`);
  const open = await start({ listen: "127.0.0.1:0", tokens: [] });
  assertEquals(open.code, 1);
  assertStringIncludes(open.stderr, "admin.tokens");
});
