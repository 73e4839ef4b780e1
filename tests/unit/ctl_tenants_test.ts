/** `ctl tenants`: lists, overviews, applied files, drains and their waits. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { yellow } from "@std/fmt/colors";
import { describe, it } from "@std/testing/bdd";
import { parse } from "yaml";
import { ctl, FakeApi, json, problem, type Seen } from "./ctl_fixture.ts";

const ACME = {
  id: "acme",
  labels: { plan: "gold" },
  limits: { max_connections: 1000 },
  listeners: [{ id: "pg", address: "0.0.0.0:5432", backend: "pg" }],
  backends: [{ id: "pg", endpoints: [{ id: "a", address: "10.0.0.5:5432", weight: 50 }] }],
};
const ROUTES = ["edge", "lb", "edge"].map((listener, index) => ({ id: `r${index}`, listener, backend: "pg" }));
const YAML = `# tenants
- id: acme
  labels: { plan: gold }
  listeners:
    - { id: pg, address: "0.0.0.0:99999", backend: pg }
- id: globex
`;

describe("ctl tenants list", () => {
  it("draws a row a tenant, page after page", async () => {
    await using api = new FakeApi(({ line }) =>
      line.includes("cursor=c1")
        ? json({ items: [{ id: "globex", enabled: false, routes: ROUTES }], next_cursor: null })
        : json({ items: [ACME], next_cursor: "c1" })
    );
    const ran = await ctl(["tenants", "list", "--admin", api.url, "--label", "plan=gold,region"]);
    assertEquals(ran, {
      code: 0,
      out: "TENANT  ENABLED  MAX SESSIONS  BACKENDS  ENDPOINTS  LABELS     ADDRESSES     SHARED LISTENERS\n" +
        "acme    yes              1000         1          1  plan=gold  0.0.0.0:5432  -\n" +
        "globex  no                  -         0          0  -          -             edge lb\n",
      err: "",
    });
    assertEquals(api.lines, [
      "GET /v1/tenants?label=plan%3Dgold&label=region&limit=1000",
      "GET /v1/tenants?label=plan%3Dgold&label=region&limit=1000&cursor=c1",
    ]);
  });

  it("stops at --limit, keeps the cursor in JSON", async () => {
    await using api = new FakeApi(() => json({ items: [ACME], next_cursor: "c1" }));
    const ran = await ctl(["tenants", "list", "--admin", api.url, "--limit", "1", "--json"]);
    assertEquals(JSON.parse(ran.out), { items: [ACME], next_cursor: "c1" });
    assertEquals(api.lines, ["GET /v1/tenants?limit=1"]);
  });

  it("does not turn forever when a cursor stands still", async () => {
    await using api = new FakeApi(() => json({ items: [], next_cursor: "c1" }));
    const ran = await ctl(["tenants", "list", "--admin", api.url]);
    assertEquals(ran.code, 1);
    assertStringIncludes(ran.err, "its cursor must move on");
  });

  it("lets nothing in a cell steer the terminal, and colours only where they show", async () => {
    const items = [{ id: "acme", enabled: false, labels: { a: "\x1b[2Jx" } }];
    await using api = new FakeApi(() => json({ items, next_cursor: null }));
    const plain = await ctl(["tenants", "list", "--admin", api.url]);
    assertEquals(plain.out.includes("\x1b"), false);
    assertStringIncludes(plain.out, "\\u001b[2Jx");
    const colored = await ctl(["tenants", "list", "--admin", api.url], { color: true });
    assertStringIncludes(colored.out, yellow("no"));
    assertEquals(colored.out.includes("\x1b[2J"), false);
  });

  it("says no tenants", async () => {
    await using api = new FakeApi(() => json({ items: [], next_cursor: null }));
    assertEquals((await ctl(["tenants", "list", "--admin", api.url])).out, "no tenants\n");
  });
});

describe("ctl tenants get", () => {
  it("shows an overview, YAML that can be applied, or the API's JSON", async () => {
    await using api = new FakeApi(() => json(ACME, { etag: '"e1"' }));
    const overview = (await ctl(["tenants", "get", "acme", "--admin", api.url])).out;
    assertMatch(overview, /limits.max_connections +1000\n/);
    assertMatch(overview, /etag +"e1"\n/);
    assertMatch(overview, /pg +- +a +10\.0\.0\.5:5432 +50 +-\n/);
    assertEquals(parse((await ctl(["tenants", "get", "acme", "--yaml", "--admin", api.url])).out), ACME);
    assertEquals(JSON.parse((await ctl(["tenants", "get", "acme", "--json", "--admin", api.url])).out), ACME);
  });

  it("refuses what is no id before anything is sent", async () => {
    await using api = new FakeApi(() => json(ACME));
    for (const id of ["..", "a/b", "Acme", "-a".slice(1) + "_"]) {
      assertEquals((await ctl(["tenants", "get", id, "--admin", api.url])).code, 2, id);
    }
    assertEquals(api.lines, []);
  });
});

describe("ctl tenants apply", () => {
  const files = { "t.yaml": YAML, "one.json": JSON.stringify(ACME) };

  it("creates what is new and replaces what is as it was read", async () => {
    await using api = new FakeApi(({ line, body }: Seen) => {
      if (line === "GET /v1/tenants/acme") return json(ACME, { etag: '"e1"' });
      if (line.startsWith("GET")) return problem(404, "Not found", "no such tenant");
      return json(JSON.parse(body), { etag: '"e2"', "sluice-generation": "7" }, line.includes("globex") ? 201 : 200);
    });
    const ran = await ctl(["tenants", "apply", "-f", "t.yaml", "--admin", api.url], { files });
    assertEquals(ran.err, "");
    assertEquals(ran.out, "acme: changed (generation 7)\nglobex: created (generation 7)\n2 of 2 applied\n");
    const [put, create] = api.seen.filter(({ line }) => line.startsWith("PUT"));
    assertEquals(put!.headers.get("if-match"), '"e1"');
    assertEquals(JSON.parse(put!.body).listeners[0].address, "0.0.0.0:99999");
    assertEquals([create!.headers.get("if-none-match"), create!.headers.get("if-match")], ["*", null]);
  });

  it("says unchanged when it was so already", async () => {
    await using api = new FakeApi(() => json(ACME, { etag: '"e1"', "sluice-generation": "7" }));
    const ran = await ctl(["tenants", "apply", "-f", "one.json", "--admin", api.url], { files });
    assertEquals(ran.out, "acme: unchanged\n");
  });

  it("with --dry-run, shows what would change", async () => {
    await using api = new FakeApi(({ line }) =>
      line.startsWith("GET") ? json(ACME, { etag: '"e1"' }) : json({
        changes: [
          { op: "replace", path: "/tenants/acme/enabled", from: true, to: false },
          { op: "add", path: "/tenants/acme/labels/plan", to: "gold" },
          { op: "remove", path: "/tenants/acme/limits", from: { max_connections: 5 } },
        ],
        sessions: { kept: 4, drained: 1 },
      })
    );
    const ran = await ctl(["tenants", "apply", "-f", "one.json", "--dry-run", "--admin", api.url], { files });
    assertEquals(
      ran.out,
      "acme: would become\n" +
        "  ~ /tenants/acme/enabled: true -> false\n" +
        '  + /tenants/acme/labels/plan: "gold"\n' +
        '  - /tenants/acme/limits: {"max_connections":5}\n' +
        "  4 sessions would go on, 1 would be drained\n",
    );
    assertEquals(api.lines[1], "PUT /v1/tenants/acme?dry_run=true");
  });

  it("tells a conflict, goes on with the others, and ends with 1", async () => {
    await using api = new FakeApi(({ line }) => {
      if (line.startsWith("GET")) return json(ACME, { etag: '"e1"' });
      return line.includes("acme") ? problem(412, "Precondition failed", "it has changed") : json({}, { etag: '"e2"' });
    });
    const ran = await ctl(["tenants", "apply", "-f", "t.yaml", "--admin", api.url], { files });
    assertEquals(ran.code, 1);
    assertStringIncludes(
      ran.err,
      "acme: conflict: somebody else has changed it at this moment, nothing of it was written",
    );
    assertEquals(ran.out, "globex: changed\n1 of 2 applied\n");
  });

  it("tells what the API refuses with its place in the file", async () => {
    await using api = new FakeApi(({ line }) => {
      if (line.startsWith("GET")) return problem(404, "Not found", "no such tenant");
      return problem(422, "Unprocessable content", "the tenant is wrong", [
        { pointer: "/listeners/0/address", detail: "must be an address" },
        { pointer: "/backends", detail: "must be there" },
      ]);
    });
    const ran = await ctl(["tenants", "apply", "-f", "t.yaml", "--admin", api.url], { files });
    assertEquals(ran.code, 1);
    assertStringIncludes(ran.err, "  t.yaml:5:26: /listeners/0/address: must be an address\n");
    assertStringIncludes(ran.err, "  t.yaml:2:3: /backends: must be there\n");
  });

  it("refuses files that hold no tenants, all at once, before anything is sent", async () => {
    await using api = new FakeApi(() => json({}));
    for (
      const [text, message] of [
        ["", "t: it must hold a tenant: it is empty"],
        ["- 1\n- { labels: {} }\n- { id: a }\n- { id: a }\n", "t:1:3: a tenant must be a map with an id"],
        ["- { id: a }\n- { id: a }\n", "t:2:3: tenant a must be there once"],
        ["id: [", "t:1:6: "],
        ["id: a\nid: b\n", "t:2:1: "],
      ] as const
    ) {
      const ran = await ctl(["tenants", "apply", "-f", "t", "--admin", api.url], { files: { t: text } });
      assertEquals(ran.code, 1, text);
      assertStringIncludes(ran.err, message);
    }
    assertEquals((await ctl(["tenants", "apply", "--admin", api.url])).code, 2);
    assertEquals((await ctl(["tenants", "apply", "-f", "gone", "--admin", api.url])).code, 1);
    assertEquals(api.lines, []);
  });

  it("takes several documents, and a list under tenants", async () => {
    await using api = new FakeApi(({ body }) => json(body === "" ? {} : JSON.parse(body), { etag: '"e"' }));
    const text = "tenants:\n  - id: a\n---\nid: b\n---\n- id: c\n";
    const ran = await ctl(["tenants", "apply", "-f", "-", "--admin", api.url], { files: { "-": text } });
    assertEquals(ran.out, "a: unchanged\nb: unchanged\nc: unchanged\n3 of 3 applied\n");
  });
});

describe("ctl tenants drain, disable, delete", () => {
  it("waits until no session is left, and shows how many are", async () => {
    const left = [3, 2, 0];
    await using api = new FakeApi(({ line }) =>
      line.startsWith("POST") ? json({ id: "acme" }, { "sluice-generation": "9" }) : json({ sessions: left.shift() })
    );
    const ran = await ctl(["drain", "acme", "--drain", "30s", "--wait", "--admin", api.url]);
    assertEquals(ran, {
      code: 0,
      out: "acme: draining (generation 9)\nacme: no sessions left\n",
      err: "acme: 3 sessions left after 0ms\nacme: 0 sessions left after 300ms\n",
    });
    assertEquals(api.lines[0], "POST /v1/tenants/acme/drain?drain=30s");
  });

  it("draws a bar on a terminal and takes it away", async () => {
    const left = [4, 1, 0];
    await using api = new FakeApi(({ line }) => json(line.startsWith("POST") ? {} : { sessions: left.shift() }));
    const ran = await ctl(["tenants", "drain", "acme", "--wait", "--admin", api.url], { columns: 60 });
    assertStringIncludes(ran.err, "\racme [------------------] 4 sessions left of 4, 0ms\x1b[K");
    assertMatch(ran.err, /acme \[#{14}-{4}\] 1 session left of 4, 100ms/);
    assertEquals(ran.err.endsWith("\r\x1b[K"), true);
  });

  it("gives up the wait at --timeout, with 1", async () => {
    await using api = new FakeApi(({ line }) => json(line.startsWith("POST") ? {} : { sessions: 1 }));
    const ran = await ctl(["drain", "acme", "--wait", "--timeout", "2s", "--admin", api.url]);
    assertEquals(ran.code, 1);
    assertStringIncludes(ran.err, "Cannot wait longer than 2.0s: sessions left must be 0: current value is 1");
  });

  it("after a delete, counts the sessions that are still listed", async () => {
    const left = [[{}, {}], []];
    await using api = new FakeApi(({ line }) => {
      if (line.startsWith("DELETE")) return json({ sessions: { kept: 0, drained: 2 } }, {}, 202);
      if (line.includes("/status")) return problem(404, "Not found", "no such tenant");
      return json({ items: left.shift(), next_cursor: null });
    });
    const argv = ["tenants", "delete", "acme", "--wait", "--if-match", "e1", "--admin", api.url];
    const ran = await ctl(argv);
    assertEquals([ran.code, ran.out], [0, "acme: deleted\nacme: no sessions left\n"]);
    assertEquals(api.seen[0]!.headers.get("if-match"), '"e1"');
  });

  it("takes 204 and 202 without a wait", async () => {
    let status = 204;
    await using api = new FakeApi(() => new Response(null, { status }));
    assertEquals((await ctl(["tenants", "delete", "acme", "--admin", api.url])).out, "acme: deleted\n");
    status = 202;
    const ran = await ctl(["tenants", "delete", "acme", "--admin", api.url]);
    assertEquals(ran.out, "acme: deleted, its sessions drain\n");
  });

  it("refuses times that are none, and waits without an end", async () => {
    for (
      const argv of [["--drain", "30"], ["--timeout", "1m"], ["--wait", "--dry-run"], ["--wait", "--timeout", "soon"]]
    ) assertEquals((await ctl(["drain", "acme", ...argv])).code, 2, argv.join(" "));
  });
});

describe("ctl tenants status", () => {
  it("shows limits in use and endpoints, and ends with 1 when the tenant is in error", async () => {
    const status = {
      sessions: 12,
      limits: {
        "max_connections": { limit: 12, used: 12, left: 0 },
        "connection_rate": { limit: 4, used: 1, left: 3, rate: 0.5 },
        "bandwidth.up": { limit: 1_048_576, used: 524_288, left: 524_288, rate: 2_097_152 },
        "bandwidth.down": { limit: null, used: null, left: null, rate: null },
        "queue.size": { limit: 0, used: 0, left: 0 },
        "per_source.max_connections": { limit: null, used: 3, left: null },
      },
      sources: [{ source: "203.0.113.7/32", sessions: 3 }],
      backends: [{
        id: "pg",
        circuit: "closed",
        endpoints: [{
          id: "a",
          address: "h:1",
          health: "down",
          state: "drain",
          sessions: 2,
          ejected: true,
          name_error: "no answer from 192.0.2.53",
          addresses: [
            { address: "10.0.0.1:1", health: "down", sessions: 2, ejected: true },
            { address: "10.0.0.2:1", health: "up", sessions: 0, ejected: false },
          ],
        }],
      }, {
        id: "split",
        circuit: "closed",
        endpoints: [],
        canary: { step: 2, weight: 30, state: "progressing", since: "2026-11-24T12:00:00.000Z", reason: null },
      }],
      errors: [] as string[],
    };
    await using api = new FakeApi(() => json(status));
    const ran = await ctl(["tenants", "status", "acme", "--admin", api.url]);
    assertEquals(ran.code, 0);
    assertMatch(ran.out, /LIMIT +USED +OF +LEFT +SHARE +RATE\nmax_connections +12 +12 +0 +100% +-\n/);
    assertMatch(ran.out, /connection_rate +1 +4 +3 +25% +0\.5\/s\n/);
    assertMatch(ran.out, /bandwidth\.up +512\.0 KiB +1\.0 MiB +512\.0 KiB +50% +2\.0 MiB\/s\n/);
    assertMatch(ran.out, /bandwidth\.down +- +unlimited +- +- +-\n/);
    assertMatch(ran.out, /queue\.size +0 +0 +0 +- +-\n/);
    assertMatch(ran.out, /per_source\.max_connections +3 +unlimited +- +- +-\n/);
    assertMatch(ran.out, /SOURCE +SESSIONS\n203\.0\.113\.7\/32 +3\n/);
    assertMatch(ran.out, /pg +closed +a +h:1 +down +drain +2 +yes\n/);
    assertMatch(
      ran.out,
      /yes\n +10\.0\.0\.1:1 +down +2 +yes\n +10\.0\.0\.2:1 +up +0 +no\n +no answer from 192\.0\.2\.53\n/,
    );
    assertMatch(ran.out, /SPLIT +CANARY +STEP +SHARE +SINCE +REASON\nsplit +progressing +2 +30% +2026-\S+ +-\n$/);
    status.errors = ["tenants.d/acme.yaml:3:1: unknown key\n    remedy: remove it"];
    const wrong = await ctl(["tenants", "status", "acme", "--admin", api.url]);
    assertEquals(wrong.code, 1);
    assertStringIncludes(wrong.out, "error: tenants.d/acme.yaml:3:1: unknown key\n    remedy: remove it\n");
  });
});
