/** One line for one session: every field in both formats, what is absent, and what must not reach a reader's terminal. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { formatAccess } from "../../src/access_log/mod.ts";
import { ACCESS_FIELDS, parseTextLine } from "../helpers/access_log.ts";
import { session } from "./access_log_fixture.ts";

function json(parts: Parameters<typeof session>[0]): Record<string, unknown> {
  return JSON.parse(formatAccess(session(parts), "json"));
}

describe("formatAccess", () => {
  it("has every field, in the same order in both formats", () => {
    const line = formatAccess(session(), "json");
    assert(line.endsWith("}\n"));
    assertEquals(Object.keys(JSON.parse(line)), [...ACCESS_FIELDS]);
    const text = formatAccess(session(), "text");
    assert(text.endsWith("\n"));
    assertEquals([...parseTextLine(text.trimEnd()).keys()], [...ACCESS_FIELDS]);
  });

  it("writes JSON with numbers as numbers and null for what is not there", () => {
    assertEquals(json({}), {
      ts: "2026-01-31T12:00:00.250Z",
      session: "01ARZ3NDEKTSV4RRFFQ69G5FAV",
      tenant: "acme",
      listener: "in",
      route: null,
      backend: "pool",
      endpoint: "a",
      client: "192.0.2.7",
      client_port: 5555,
      server_name: null,
      alpn: null,
      bytes_up: 10,
      bytes_down: 20,
      queue_ms: null,
      connect_ms: 0.125,
      first_byte_ms: 1.5,
      total_ms: 250,
      attempts: 1,
      code: "--",
      reason: "ok",
      rtt_client_us: 35,
      rtt_server_us: null,
    });
  });

  it("writes text with a dash for what is not there", () => {
    assertEquals(
      formatAccess(session(), "text"),
      "ts=2026-01-31T12:00:00.250Z session=01ARZ3NDEKTSV4RRFFQ69G5FAV tenant=acme listener=in route=- backend=pool " +
        "endpoint=a client=192.0.2.7 client_port=5555 server_name=- alpn=- bytes_up=10 bytes_down=20 queue_ms=- " +
        "connect_ms=0.125 first_byte_ms=1.5 total_ms=250 attempts=1 code=-- reason=ok rtt_client_us=35 " +
        "rtt_server_us=-\n",
    );
  });

  it("keeps microseconds, and never writes an exponent", () => {
    const fields = json({ connectUs: 1, firstByteUs: 999_999, totalUs: 86_400_000_001 });
    assertEquals([fields["connect_ms"], fields["first_byte_ms"], fields["total_ms"]], [0.001, 999.999, 86_400_000.001]);
    assertStringIncludes(formatAccess(session({ connectUs: 1 }), "text"), " connect_ms=0.001 ");
  });

  it("marks a session that goes on, and only that", () => {
    const parts = { progress: true, code: null, reason: null };
    assertEquals([json(parts)["progress"], json(parts)["code"]], [true, null]);
    assert(formatAccess(session(parts), "text").endsWith(" progress=true\n"));
    assertEquals("progress" in json({}), false);
  });

  it("calls the client of a unix socket unix", () => {
    const fields = json({ client: null, clientPort: null });
    assertEquals([fields["client"], fields["client_port"]], ["unix", null]);
  });

  it("writes names in lower case, and escapes what ends a line, moves a cursor or turns text around", () => {
    const serverName = "WWW.acme\n\u001b[2J\u202e\u2028x";
    const line = formatAccess(session({ serverName, alpn: 'h2 "x"' }), "json");
    // deno-lint-ignore no-control-regex
    assertEquals(/[\u0000-\u0009\u000b-\u001f\u202e\u2028]/.test(line), false);
    assertEquals(line.split("\n").length, 2);
    assertEquals(JSON.parse(line).server_name, serverName.toLowerCase());
    const text = formatAccess(session({ serverName, alpn: 'h2 "x"' }), "text");
    // deno-lint-ignore no-control-regex
    assertEquals(/[\u0000-\u0009\u000b-\u001f\u202e\u2028]/.test(text), false);
    assertEquals(text.split("\n").length, 2);
    const read = parseTextLine(text.trimEnd());
    assertEquals([read.get("server_name"), read.get("alpn")], [serverName.toLowerCase(), 'h2 "x"']);
  });

  it("has a session of a shared listener as nobody's until it has a route", () => {
    const none = { tenant: null, listener: "edge", route: null, backend: null, endpoint: null, code: "PR" } as const;
    const refused = session({ ...none, reason: "no_route", serverName: "nobody.example", alpn: "h2" });
    assertEquals(JSON.parse(formatAccess(refused, "json")).tenant, null);
    assertStringIncludes(formatAccess(refused, "text"), " tenant=- listener=edge route=- backend=- endpoint=- ");
    const routed = formatAccess(session({ listener: "edge", route: "web", serverName: "acme.example" }), "text");
    assertStringIncludes(routed, " tenant=acme listener=edge route=web ");
    assertStringIncludes(routed, " server_name=acme.example alpn=- ");
  });

  it("tells a name that is a dash, or empty, from one that is not there", () => {
    const text = formatAccess(session({ serverName: "-", alpn: "" }), "text");
    assertStringIncludes(text, ' server_name="-" alpn="" ');
  });

  it("cannot be made to write a field that is not one", () => {
    const text = formatAccess(session({ serverName: "x code=PR" }), "text");
    assertStringIncludes(text, ' server_name="x code=pr" ');
  });
});
