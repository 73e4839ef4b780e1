/** Routes: what they take, who may take the same, and what of a listener has to be there for it. */
import { assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { inTenantsWords } from "../../src/config/mod.ts";
import { parseServerName } from "../../src/config/server_name.ts";
import { problemsOf, unmark } from "./config_fixture.ts";

const EDGE = 'listeners:\n  - { id: edge, address: "[::]:8443", detect: tls }\n  - { id: raw, address: "[::]:9000" }\n';
const BACKENDS = 'backends: [{ id: b, endpoints: [{ id: e, address: "10.0.0.1:1" }] }]';

/** A tenant with routes: `[id, what it takes]`, on `edge` unless that says otherwise. */
function tenant(id: string, ...routes: readonly string[]): string {
  const list = routes.map((takes, index) => {
    const listener = takes.includes("listener:") ? "" : "listener: edge, ";
    return `      - { id: r${index}, ${listener}${takes}, backend: b }\n`;
  });
  return `  - id: ${id}\n    ${BACKENDS}\n    routes:\n${list.join("")}`;
}

/** Messages of a configuration with these tenants; each problem must be where the text is marked. */
async function wrongOf(...tenants: readonly string[]): Promise<{ message: string; remedy: string; tenants: string }[]> {
  const { text, spots } = unmark(`${EDGE}tenants:\n${tenants.join("")}`);
  const problems = await problemsOf(text);
  assertEquals(problems.map(({ line, column }) => ({ line, column })), spots);
  return problems.map((problem) => ({
    message: problem.message,
    remedy: problem.remedy,
    tenants: inTenantsWords(problem).message,
  }));
}

describe("what a route takes", () => {
  it("is said by names, protocols, sources or default", async () => {
    const ways = ['sni: ["a.example"]', "alpn: [h2]", 'sources: ["10.0.0.0/8"]', "default: true"];
    assertEquals(await wrongOf(tenant("a", ...ways)), []);
    for (const nothing of ["^^default: false", "^^sni: [], alpn: [], sources: []"]) {
      const { text } = unmark(`${EDGE}tenants:\n${tenant("a", nothing)}`);
      const [problem] = await problemsOf(text);
      assertEquals([problem?.path, problem?.message], ["tenants[0].routes[0]", "must say what it takes"]);
      assertMatch(problem!.remedy, /sni, alpn or sources, or default: true/);
    }
  });

  it("is a name or a protocol only where the listener reads them", async () => {
    const found = await wrongOf(tenant("a", 'listener: raw, ^^sni: ["a.example"], ^^alpn: [h2]'));
    assertEquals(found.map(({ message, remedy }) => [message, remedy]), [
      [
        "must not be set: listener raw has detect: none, and reads no SNI",
        "set detect: tls on the listener, or remove sni",
      ],
      [
        "must not be set: listener raw has detect: none, and reads no ALPN",
        "set detect: tls on the listener, or remove alpn",
      ],
    ]);
    assertEquals(
      await wrongOf(tenant("a", 'listener: raw, sources: ["10.0.0.0/8"]', "listener: raw, default: true")),
      [],
    );
  });
});

describe("two routes", () => {
  const rows: readonly (readonly [name: string, first: string, second: string])[] = [
    ["one name", 'sni: ["a.example"]', 'sni: ["b.example", ^^"a.example"]'],
    ["one name in other letters", 'sni: ["a.example"]', 'sni: [^^"A.Example."]'],
    ["one wildcard", 'sni: ["*.a.example"]', 'sni: [^^"*.A.example"]'],
    ["one source", 'sources: ["10.0.0.0/8"]', 'sources: ["10.1.0.0/16", ^^10.0.0.0/8]'],
    ["one source, mapped", 'sources: ["10.0.0.0/8"]', 'sources: [^^"::ffff:10.0.0.0/104"]'],
    ["one protocol without a name", "alpn: [h2, http/1.1]", "alpn: [spdy, ^^h2]"],
    ["the default", "default: true", "default: ^^true"],
    ["a name, the default with it", 'sni: ["a.example"], default: true', "default: ^^true"],
  ];
  for (const [name, first, second] of rows) {
    it(`of two tenants may not take ${name}: the later one has the error, and does not learn who holds it`, async () => {
      const [found, ...more] = await wrongOf(tenant("acme", first), tenant("globex", second));
      assertEquals(more, []);
      assertMatch(
        found!.message,
        /^must be free on listener edge: .* is taken, by route r0 of tenant acme at \/etc\/sluice/,
      );
      assertMatch(found!.remedy, /^(use|add) /);
      assertEquals(/acme/.test(found!.tenants), false, found!.tenants);
    });

    it(`of one tenant may not take ${name} in the same way`, async () => {
      const [found, ...more] = await wrongOf(tenant("acme", first, second));
      assertEquals(more, []);
      assertMatch(found!.message, /^must be told apart from route r0: both take /);
    });
  }

  it("of one tenant may share a name when their protocols or sources differ", async () => {
    const name = 'sni: ["a.example"]';
    const good: readonly (readonly string[])[] = [
      [name, `${name}, alpn: [h2]`],
      [`${name}, alpn: [h2]`, `${name}, alpn: [http/1.1]`],
      [name, `${name}, sources: ["10.0.0.0/8"]`],
      [`${name}, sources: ["10.0.0.0/8"]`, `${name}, sources: ["10.0.0.0/16", "192.0.2.1"]`],
      [`${name}, sources: ["10.0.0.0/8"], alpn: [h2]`, `${name}, sources: ["10.0.0.0/8"]`],
      ["default: true", "alpn: [h2]", 'sources: ["0.0.0.0/0"]'],
      ['sources: ["10.0.0.0/8"], default: true', 'sources: ["10.0.0.0/8"], alpn: [h2]', "default: true"],
    ];
    for (const routes of good) assertEquals(await wrongOf(tenant("a", ...routes)), [], routes.join(" | "));
    const alike = await wrongOf(
      tenant("a", `${name}, alpn: [h2, spdy]`, 'sni: [^^"a.example"], alpn: [http/1.1, spdy]'),
    );
    assertEquals(alike.length, 1);
  });

  it("of two tenants may take what is not the same", async () => {
    assertEquals(
      await wrongOf(
        tenant("acme", 'sni: ["a.example", "*.a.example"]', 'sources: ["10.0.0.0/8"]', "alpn: [h2]", "default: true"),
        tenant("globex", 'sni: ["x.a.example", "*.x.a.example"]', 'sources: ["10.0.0.0/16"]', "alpn: [http/1.1]"),
        tenant("third", "listener: raw, default: true"),
      ),
      [],
    );
  });

  it("of which one names a key twice is no problem", async () => {
    assertEquals(await wrongOf(tenant("a", 'sni: ["a.example", "A.example"], alpn: [h2, h2]')), []);
  });

  it("one error for a route that meets two others, one for each of them", async () => {
    const routes = ['sni: ["a.example"]', 'sni: ["b.example"]', 'sni: [^^"a.example", ^^"b.example"]'];
    assertEquals((await wrongOf(tenant("a", ...routes))).length, 2);
    assertEquals(
      (await wrongOf(tenant("a", 'sni: ["a.example", "b.example"]', 'sni: [^^"a.example", "b.example"]'))).length,
      1,
    );
  });
});

describe("a listener that is not there", () => {
  it("is told with the names of others, but not to a tenant", async () => {
    const { text } = unmark(`${EDGE}tenants:\n${tenant("a", "listener: egde, default: true")}`);
    const [problem] = await problemsOf(text);
    assertMatch(problem!.remedy, /did you mean edge/);
    assertEquals(inTenantsWords(problem!).remedy, "use one that the tenant's grants name");
  });
});

describe("parseServerName", () => {
  it("folds case and drops one last dot", () => {
    const rows = [
      ["acme.example", "acme.example"],
      ["WWW.Acme.Example.", "www.acme.example"],
      ["*.Acme.example", "*.acme.example"],
      ["xn--bcher-kva.example", "xn--bcher-kva.example"],
      ["_service._tcp.example", "_service._tcp.example"],
      ["localhost", "localhost"],
      ["*.example", "*.example"],
      ["a.1e", "a.1e"],
    ] as const;
    for (const [written, read] of rows) assertEquals(parseServerName(written), read);
  });

  it("refuses what no client sends, with a remedy", () => {
    const rows: readonly (readonly [string, RegExp])[] = [
      ["", /name/],
      ["*", /default: true/],
      ["a.*.example", /first label/],
      ["www*.example", /first label/],
      ["*.*.example", /first label/],
      ["a..example", /without scheme/],
      ["example..", /without scheme/],
      ["https://a.example", /without scheme/],
      ["a.example:443", /without scheme/],
      ["-a.example", /without scheme/],
      ["192.0.2.1", /sources/],
      ["[::1]", /without scheme/],
      ["bücher.example", /xn--/],
      ["a b.example", /xn--/],
      [`${"a".repeat(64)}.example`, /without scheme/],
      [`${"a.".repeat(127)}example`, /shorten/],
    ];
    for (const [text, remedy] of rows) {
      let found = "accepted";
      try {
        parseServerName(text);
      } catch (error) {
        found = (error as { remedy: string }).remedy;
      }
      assertMatch(found, remedy, text);
    }
  });
});
