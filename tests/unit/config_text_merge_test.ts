/** A change of a file in one layout, carried over to another: the lines that it is about, and no others. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { parse } from "yaml";
import { editYaml } from "../../src/config/store_yaml.ts";
import { mergeText } from "../../src/config/text_merge.ts";
import { Random } from "../helpers/random.ts";

/** Laid out by hand as no program does it. */
const TEXT = `# The head.
version:   1
tenants_dir: tenants.d      # one a file
admin:
    listen: 127.0.0.1:9900  # for us
    tokens:   # who may come in
        - {"name":"ops","sha256":"00","role":"admin"}

tenants:
  # the first
  - id:     acme            # them
    labels: { plan: gold,   since: "2019" }   # what sales calls it


    listeners:
    - { id: in,  address: "127.0.0.1:1", backend: out }   # mind the port
    - { id: in2, address: "127.0.0.1:2", backend: out }
    backends: [ {id: out, endpoints: [{id: a, address: "127.0.0.1:3"}]} ]
  # the second
  - id: globex
    limits:
        max_connections:  10   # enough
# The end.
`;

function changedLines(before: string, after: string): [gone: string[], come: string[]] {
  const [one, other] = [before.split("\n"), after.split("\n")];
  let head = 0;
  while (head < one.length && one[head] === other[head]) head++;
  let tail = 0;
  while (tail < Math.min(one.length, other.length) - head && one.at(-1 - tail) === other.at(-1 - tail)) tail++;
  return [one.slice(head, one.length - tail), other.slice(head, other.length - tail)];
}

Deno.test("text merge: a scalar that changes costs its line and no other", () => {
  const edits: [path: (string | number)[], value: unknown, gone: RegExp][] = [
    [["version"], 2, /version/],
    [["admin", "listen"], "127.0.0.1:1", /listen/],
    [["tenants", 0, "id"], "acme2", /acme/],
    [["tenants", 0, "labels", "plan"], "silver", /labels/],
    [["tenants", 0, "listeners", 1, "address"], "127.0.0.1:4", /in2/],
    [["tenants", 1, "limits", "max_connections"], 20, /max_connections/],
  ];
  for (const [path, value, line] of edits) {
    const after = editYaml(TEXT, [{ path, value }]);
    const [gone, come] = changedLines(TEXT, after);
    assertEquals([gone.length, come.length], [1, 1], `${path}: ${JSON.stringify([gone, come])}`);
    assert(line.test(gone[0] ?? ""), gone[0]);
    const comment = gone[0]?.match(/#.*$/)?.[0] ?? "";
    assertStringIncludes(come[0] ?? "", comment);
    const blanks = (text = "") => text.replace(/[^ ]+/g, "x");
    assertEquals(blanks(come[0]), blanks(gone[0]), "blanks stay as they are");
  }
});

Deno.test("text merge: what comes and goes leaves the rest as it is, comments included", () => {
  const more = editYaml(TEXT, [{ path: ["tenants", 1, "labels"], value: { plan: "free" } }]);
  const [gone, come] = changedLines(TEXT, more);
  assertEquals([gone, come.filter((line) => line !== "")], [[], ["    labels:", "      plan: free"]]);
  const listener = { id: "in3", address: "127.0.0.1:9", backend: "out" };
  const longer = editYaml(TEXT, [{ path: ["tenants", 0, "listeners", 2], value: listener }]);
  assertEquals(parse(longer).tenants[0].listeners[2], listener);
  assertEquals(changedLines(TEXT, longer)[0], []);
  const less = editYaml(TEXT, [{ path: ["tenants", 0], value: undefined }]);
  assertEquals(parse(less).tenants.length, 1);
  assertEquals(changedLines(TEXT, less)[1].filter((line) => !line.includes("#")), []);
  assertStringIncludes(less, "max_connections:  10   # enough\n# The end.\n");
});

Deno.test("text merge: a change that is none gives the text itself; a text in the layout gives the changed one", () => {
  assertEquals(editYaml(TEXT, [{ path: ["version"], value: 1 }]), TEXT);
  assertEquals(mergeText("a\nb\n", "a\nb\n", "a\nc\n"), "a\nc\n");
  assertEquals(mergeText("a   # x\nb\n", "a # x\nb\n", "a # x\nb\nc\n"), "a   # x\nb\nc\n");
  assertEquals(mergeText("", "", "a\n"), "a\n");
});

Deno.test("text merge: texts that are too different are left to the layout", () => {
  const lines = (letter: string) => Array.from({ length: 600 }, (_, index) => `${letter}${index}`).join("\n");
  assertEquals(mergeText(lines("a"), lines("b"), lines("b")), null);
});

Deno.test("text merge: 2,000 changes at random, as the layout would have them", () => {
  const random = new Random(20_261);
  const someLines = (): string[] => Array.from({ length: random.below(12) }, () => random.pick(["a", "b", "c", "d"]));
  for (let turn = 0; turn < 2000; turn++) {
    const base = someLines();
    const changed = base.flatMap((line) => random.below(4) > 0 ? [line] : someLines().slice(0, 2));
    // Written in the same lines with other blanks: only these may differ from what was changed.
    const written = base.map((line) => `${" ".repeat(random.below(3))}${line}`);
    const merged = mergeText(written.join("\n"), base.join("\n"), changed.join("\n"));
    assertEquals(merged?.replaceAll(" ", ""), changed.join("\n"), `turn ${turn}`);
    assertEquals(mergeText(written.join("\n"), base.join("\n"), base.join("\n")), written.join("\n"), `turn ${turn}`);
    // Written with lines of its own: with no change it stays, with one the changed lines are all there.
    const own = base.flatMap((line) => random.below(4) > 0 ? [line] : [line, "# own"]);
    assertEquals(mergeText(own.join("\n"), base.join("\n"), base.join("\n")), own.join("\n"), `turn ${turn}`);
    const both = mergeText(own.join("\n"), base.join("\n"), changed.join("\n"));
    assertEquals(both?.split("\n").filter((line) => line !== "# own").join("\n"), changed.join("\n"), `turn ${turn}`);
  }
});
