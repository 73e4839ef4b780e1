/** Bytes as they are written, and which keys of an active check go together. */
import { assertEquals, assertMatch } from "@std/assert";
import { parseBytes } from "../../src/config/bytes_text.ts";
import { formatProblem, loadConfig } from "../../src/config/mod.ts";
import { fakeDeps } from "./config_fixture.ts";

Deno.test("config bytes: text, escapes, UTF-8 and hex", () => {
  const cases: [string, string | undefined][] = [
    ["", ""],
    ["PING", "50494e47"],
    ["a\r\nb", "610d0a62"],
    ["a\\r\\n\\t\\0\\\\", "610d0a09005c"],
    ["\\x00\\xfF", "00ff"],
    ["é", "c3a9"],
    ["hex:", ""],
    ["hex:0d0A", "0d0a"],
    ["hex:0d 0a", "0d0a"],
    ["\\x68ex:0d", "6865783a3064"],
    ["hex:0", undefined],
    ["hex:0g", undefined],
    ["\\q", undefined],
    ["\\x0", undefined],
    ["end\\", undefined],
  ];
  for (const [text, bytes] of cases) assertEquals(parseBytes(text), bytes, JSON.stringify(text));
});

/** What is wrong with an active check, but for that this version has none. */
async function wrongWith(active: string): Promise<string[]> {
  const text = `version: 1
tenants:
  - id: acme
    listeners: [{ id: in, address: "127.0.0.1:7000", backend: pool }]
    backends:
      - id: pool
        endpoints: [{ id: a, address: "127.0.0.1:9" }]
        health: { active: ${active} }
`;
  const { problems } = await loadConfig("/etc/sluice.yaml", fakeDeps({ files: { "/etc/sluice.yaml": text } }));
  return problems.map(formatProblem).filter((problem) => !problem.includes("not available"));
}

Deno.test("config bytes: keys of an active check go with its type", async () => {
  for (
    const good of [
      "{ type: tcp }",
      '{ type: expect, expect: "+PONG" }',
      '{ type: expect, send: "PING\\r\\n", expect: "hex:2b" }',
      "{ type: http, path: /health?full=1, host: acme.example:8080, status: 204 }",
      "{ type: tls, host: acme.example, verify: true }",
    ]
  ) assertEquals(await wrongWith(good), [], good);

  const bad: [string, RegExp][] = [
    ["{ type: tcp, path: /health }", /path: must go with type http: current type is tcp/],
    ["{ type: http, verify: true }", /verify: must go with type tls: current type is http/],
    ["{ type: tcp, host: a }", /host: must go with type http or tls/],
    ["{ type: expect, send: x }", /expect: must say what the answer contains/],
    ['{ type: expect, expect: "" }', /expect: must be at least 1 byte long/],
    ['{ type: expect, expect: "\\\\q" }', /expect: must be text, with \\r \\n/],
    ['{ type: http, path: "/a b" }', /path: must be a path/],
    ['{ type: http, path: "/a\\u0001" }', /path: must be a path/],
    ['{ type: http, host: "a b" }', /host: must be a name/],
    ["{ type: tcp, timeout: 61s }", /timeout: must be at most 1m/],
  ];
  for (const [active, pattern] of bad) {
    const problems = await wrongWith(active);
    assertEquals(problems.length, 1, problems.join("\n"));
    assertMatch(problems[0]!, pattern);
  }
});
