/** `ctl status`, `reload`, `stats`, `sessions`, `endpoints` and `config`: what is asked for, and how it is told. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ctl, FakeApi, json, problem } from "./ctl_fixture.ts";

const ULID = "01KAJ3Y8M6Q2V7T4R9W5X1Z0BC";

describe("ctl status", () => {
  it("is 0 when all is well, 1 with what is wrong when it is not", async () => {
    const status = {
      version: "0.1.0",
      generation: 4,
      uptime_s: 7500,
      workers: 2,
      last_reload: { at: "2026-11-21T08:00:00Z", ok: true, errors: [] as string[] },
      tenants_in_error: [] as unknown[],
    };
    await using api = new FakeApi(() => json(status));
    const well = await ctl(["status", "--admin", api.url]);
    assertEquals(well.code, 0);
    assertMatch(well.out, /up for +2h 05m\n/);
    assertMatch(well.out, /last reload +ok, 2026-11-21T08:00:00Z\n/);
    status.last_reload = { ...status.last_reload, ok: false, errors: ["sluice.yaml:1:1: no"] };
    status.tenants_in_error = [{ tenant: "acme", errors: ["acme.yaml:2:2: bad\n    remedy: \x1b[2Jgood"] }];
    const wrong = await ctl(["status", "--admin", api.url]);
    assertEquals(wrong.code, 1);
    assertStringIncludes(
      wrong.out,
      "last reload: sluice.yaml:1:1: no\nacme: acme.yaml:2:2: bad\n    remedy: \\u001b[2Jgood\n",
    );
    const asJson = await ctl(["status", "--json", "--admin", api.url]);
    assertEquals([asJson.code, JSON.parse(asJson.out).generation], [1, 4]);
  });
});

describe("ctl reload", () => {
  it("says what came of it", async () => {
    await using api = new FakeApi(() => json({ ok: true, changed: true, generation: 5, errors: [] }));
    assertEquals(await ctl(["reload", "--admin", api.url]), { code: 0, out: "reloaded (generation 5)\n", err: "" });
    assertEquals(api.lines, ["POST /v1/config/reload"]);
  });

  it("tells what is wrong of tenants' files, each with its remedy in a line of its own", async () => {
    const errors = ["acme.yaml:2:2: bad\n    remedy: good"];
    await using api = new FakeApi(() => json({ ok: true, changed: false, generation: 5, errors }));
    assertEquals(await ctl(["reload", "--admin", api.url]), {
      code: 1,
      out: "nothing has changed (generation 5)\n",
      err: "acme.yaml:2:2: bad\n    remedy: good\n",
    });
  });

  it("is 1 with everything that is wrong", async () => {
    await using api = new FakeApi(() =>
      problem(422, "Unprocessable content", "the old configuration goes on", [{
        pointer: "",
        detail: "s.yaml:1:1: no\n    remedy: \x1byes",
      }])
    );
    const ran = await ctl(["reload", "--admin", api.url]);
    assertEquals(ran.code, 1);
    assertStringIncludes(ran.err, "the old configuration goes on (422)\n  s.yaml:1:1: no\n      remedy: \\u001byes\n");
  });
});

describe("ctl stats", () => {
  it("draws a row a tenant, with sizes that can be read", async () => {
    const tenant = {
      tenant: "acme",
      sessions: {
        total: 9,
        active: 2,
        queued: 1,
        refused: { tenant_connections: 3, no_endpoint: 0 },
        dry_run_refused: { tenant_connections: 2 },
        closed: { "--": 6 },
      },
      throttled: { up_ms: 0, down_ms: 65_000.5 },
      bytes: { up: 1536, down: 3 * 2 ** 30 },
      retries: 1,
      connect: { p50_ms: 0.25, p99_ms: null },
      backends: [
        { id: "pg", circuit: "half_open", connects: 7, connect_failures: 1, connect: { p50_ms: 0.25, p99_ms: null } },
      ],
      endpoints: [
        { backend: "pg", id: "a", health: "up", ejected: true, state: "ready", sessions: 2, preconnect_idle: 4 },
      ],
    };
    const shared = { active: 1, refused: { no_route: 6 }, closed: {}, listeners: [{ id: "edge", sessions: 8 }] };
    await using api = new FakeApi(() =>
      json({ at: "", process: { fds_in_use: 12, buffer_bytes: 0 }, shared, tenants: [tenant] })
    );
    const all = await ctl(["stats", "--admin", api.url]);
    assertMatch(all.out, /acme +2 +1 +9 +3 +1\.5 KiB +3\.0 GiB +1 +0\.3ms +-\n/);
    assertMatch(all.out, /fds in use +12\n/);
    assertMatch(all.out, /SHARED LISTENER +SESSIONS\nedge +8\n/);
    assertMatch(all.out, /REFUSED WITHOUT A ROUTE BY +SESSIONS\nno_route +6\n/);
    const one = await ctl(["stats", "--tenant", "acme", "--admin", api.url]);
    assertMatch(
      one.out,
      /REFUSED BY +SESSIONS\ntenant_connections +3\n\nOF THEM LET PASS +SESSIONS\ntenant_connections +2\n\nCLOSED WITH/,
    );
    assertMatch(one.out, /HELD BACK +TIME\ndown +1m 05s\n/);
    assertMatch(one.out, /pg +half_open +7 +1 +0\.3ms +-\n/);
    assertMatch(one.out, /pg +a +up +yes +ready +2 +- +4 +-\n/);
    assertEquals(api.lines[1], "GET /v1/stats?tenant=acme");
  });
});

describe("ctl sessions", () => {
  it("lists with filters, and says when there are more", async () => {
    const session = {
      session: ULID,
      tenant: "acme",
      listener: "pg",
      backend: "pg",
      endpoint: "a",
      client: "2001:db8::1",
      client_port: 4711,
      total_ms: 65_000,
      bytes_up: 100,
      bytes_down: 2048,
      connect_ms: 1.25,
      attempts: 1,
    };
    await using api = new FakeApi(() => json({ items: [session], next_cursor: "more" }));
    const argv = ["--source", "2001:db8::/32", "--older-than", "1m", "--tenant", "acme", "--limit", "1"];
    const ran = await ctl(["sessions", "list", ...argv, "--admin", api.url]);
    assertMatch(ran.out, /acme +pg +pg\/a +\[2001:db8::1\]:4711 +1m 05s +100 B +2\.0 KiB +1\.3ms +1\n/);
    assertEquals(ran.err, "these are the first 1; there are more\n");
    assertEquals(api.lines, ["GET /v1/sessions?tenant=acme&source=2001%3Adb8%3A%3A%2F32&older_than=1m&limit=1"]);
  });

  it("kills one, or all that match, and never all by mistake", async () => {
    await using api = new FakeApi(({ line }) => {
      if (line.includes(ULID)) return new Response(null, { status: 204 });
      return line.includes("dry_run") ? json({ changes: [], sessions: { kept: 0, drained: 4 } }) : json({ closed: 3 });
    });
    const kill = (...argv: string[]) => ctl(["sessions", "kill", ...argv, "--admin", api.url]);
    assertEquals((await kill(ULID.toLowerCase())).out, "1 session killed\n");
    assertEquals((await kill("--tenant", "acme")).out, "3 sessions killed\n");
    assertEquals((await kill("--all", "--dry-run")).out, "4 sessions would be killed\n");
    assertEquals(api.lines, [
      `DELETE /v1/sessions/${ULID}`,
      "DELETE /v1/sessions?tenant=acme",
      "DELETE /v1/sessions?dry_run=true",
    ]);
    for (const argv of [[], [ULID, "--all"], ["--all", "--tenant", "acme"], ["12"], ["--tenant", "NO"]]) {
      assertEquals((await kill(...argv)).code, 2, argv.join(" "));
    }
    assertEquals(api.lines.length, 3);
  });
});

describe("ctl endpoints", () => {
  it("names the endpoint by its three ids", async () => {
    await using api = new FakeApi(() => json({ id: "a" }, { "sluice-generation": "8" }));
    const ran = await ctl(["endpoints", "maintenance", "acme/pg/a", "--admin", api.url]);
    assertEquals(ran.out, "acme/pg/a: in maintenance (generation 8)\n");
    assertEquals(api.lines, ["POST /v1/tenants/acme/backends/pg/endpoints/a/maintenance"]);
    for (const operand of ["acme/pg", "acme/pg/a/b", "acme//a", "a/../b"]) {
      assertEquals((await ctl(["endpoints", "drain", operand, "--admin", api.url])).code, 2, operand);
    }
  });
});

describe("ctl audit", () => {
  it("draws a row an entry, the first ones with --limit", async () => {
    const entry = { at: "t1", actor: "ops", verb: "put", target: "/v1/tenants/acme", generation: 7, result: "ok" };
    const refused = { ...entry, actor: "\x1b[1mme", result: "forbidden", changes: [{}, {}] };
    await using api = new FakeApi(() => json({ items: [entry, refused], next_cursor: "more" }));
    const ran = await ctl(["audit", "--limit", "2", "--admin", api.url]);
    assertMatch(ran.out, /t1 +ops +put +\/v1\/tenants\/acme +7 +0 +ok\n/);
    assertMatch(ran.out, /t1 +\\u001b\[1mme +put +\/v1\/tenants\/acme +7 +2 +forbidden\n/);
    assertEquals(api.lines, ["GET /v1/audit?limit=2"]);
  });
});

describe("ctl config", () => {
  const files = { "s.yaml": "version: 1\n" };

  it("gets YAML with its ETag beside it, or JSON", async () => {
    await using api = new FakeApi(({ headers }) =>
      headers.get("accept") === "application/yaml"
        ? new Response("# mine\nversion: 1\n", { headers: { etag: '"c1"' } })
        : json({ version: 1 })
    );
    const yaml = await ctl(["config", "get", "--admin", api.url]);
    assertEquals(yaml, { code: 0, out: "# mine\nversion: 1\n", err: 'ETag: "c1"\n' });
    assertEquals(JSON.parse((await ctl(["config", "get", "--json", "--admin", api.url])).out), { version: 1 });
  });

  it("puts a file as it is written, only on a named state", async () => {
    await using api = new FakeApi(() => json({}, { "sluice-generation": "3" }));
    const ran = await ctl(["config", "put", "-f", "s.yaml", "--if-match", "c1", "--admin", api.url], { files });
    assertEquals(ran.out, "replaced (generation 3)\n");
    const [put] = api.seen;
    assertEquals([put!.headers.get("if-match"), put!.headers.get("content-type"), put!.body], [
      '"c1"',
      "application/yaml",
      "version: 1\n",
    ]);
    assertEquals((await ctl(["config", "put", "-f", "s.yaml", "--admin", api.url], { files })).code, 2);
    assertEquals(api.lines.length, 1);
  });

  it("tells what is wrong with a file, with its lines", async () => {
    const errors = [{ pointer: "/workers", detail: "must be auto or a number", line: 2, column: 10 }];
    await using api = new FakeApi(({ line }) =>
      line.includes("validate")
        ? json({ valid: false, errors })
        : problem(422, "Unprocessable content", "wrong", errors)
    );
    const validated = await ctl(["config", "validate", "-f", "s.yaml", "--admin", api.url], { files });
    assertEquals(validated.code, 1);
    assertEquals(validated.out, "  s.yaml:2:10: /workers: must be auto or a number\ns.yaml: 1 problem\n");
    const put = await ctl(["config", "put", "-f", "s.yaml", "--if-match", "*", "--admin", api.url], { files });
    assertStringIncludes(put.err, "  s.yaml:2:10: /workers: must be auto or a number\n");
  });

  it("says ok", async () => {
    await using api = new FakeApi(() => json({ valid: true, errors: [] }));
    const ran = await ctl(["config", "validate", "-f", "s.yaml", "--admin", api.url], { files });
    assertEquals(ran, { code: 0, out: "s.yaml: ok\n", err: "" });
  });

  it("lists generations and goes back to one", async () => {
    const change = { op: "add", path: "/tenants/acme/labels", to: {} };
    await using api = new FakeApi(({ line }) =>
      line.startsWith("GET")
        ? json({
          items: [
            { generation: 1, at: "t1", actor: "start", changes: [] },
            { generation: 2, at: "t2", actor: "ops", changes: [change, change] },
          ],
          next_cursor: null,
        })
        : json({}, { "sluice-generation": "3" })
    );
    const ran = await ctl(["config", "generations", "--admin", api.url]);
    assertMatch(ran.out, /1 +t1 +start +-\n +2 +t2 +ops +\+ \/tenants\/acme\/labels: \{\}\n +\+ \/tenants/);
    assertEquals(
      (await ctl(["config", "generations", "--limit", "1", "--admin", api.url])).out.includes("start"),
      false,
    );
    const back = await ctl(["config", "rollback", "1", "--admin", api.url]);
    assertEquals(back.out, "back to what generation 1 was (generation 3)\n");
    assertEquals(api.seen.at(-1)!.body, '{"generation":1}');
    assertEquals((await ctl(["config", "rollback", "last", "--admin", api.url])).code, 2);
  });
});
