/** Changing YAML in place: the value is what was asked for, and comments, order and layout of the rest stay. */
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { parse } from "yaml";
import { editYaml } from "../../src/config/store_yaml.ts";

const TEXT = `# top
version: 1   # the format
tenants:
  # the first
  - id: acme # who
    listeners: [{ id: pg, address: "127.0.0.1:1" }, { id: my, address: "127.0.0.1:2" }] # two
    labels:
      plan: gold # since 2019
      team: "7"
  - id: globex
    ports: [1, 2]
# the end
`;

Deno.test("store yaml: a value changes where it stands, its comment stays", () => {
  const edited = editYaml(TEXT, [{ path: ["tenants", 0, "labels", "plan"], value: "silver" }]);
  assertEquals(edited, TEXT.replace("gold", "silver"));
});

Deno.test("store yaml: a whole map in place of another changes only what differs", () => {
  const acme = parse(TEXT).tenants[0];
  const value = { ...acme, labels: { plan: "gold" }, enabled: false };
  const edited = editYaml(TEXT, [{ path: ["tenants", 0], value }]);
  assertEquals(parse(edited).tenants[0], value);
  for (const comment of ["# top", "# the first", "# who", "# two", "# since 2019", "# the end"]) {
    assertStringIncludes(edited, comment);
  }
  assertStringIncludes(edited, "    ports: [1, 2]\n");
});

Deno.test("store yaml: lists of things with ids keep what stays, in any layout", () => {
  const path = ["tenants", 0, "listeners"];
  const [pg, my] = parse(TEXT).tenants[0].listeners;
  const cases = [
    [my],
    [pg],
    [],
    [pg, my, { id: "x", address: "127.0.0.1:3" }],
    [{ ...pg, address: "[::1]:1" }, my],
    [my, pg],
    [{ id: "x", address: "127.0.0.1:3" }, pg],
  ];
  for (const value of cases) {
    const edited = editYaml(TEXT, [{ path, value }]);
    assertEquals(parse(edited).tenants[0].listeners, value);
    assertStringIncludes(edited, "# two");
    assertEquals(parse(edited).tenants[1], parse(TEXT).tenants[1]);
  }
});

Deno.test("store yaml: lists of things without ids keep their layout, and change by place", () => {
  const text = "backends:\n  - id: web\n    split: [{ backend: a, weight: 9 }, { backend: b, weight: 1 }] # parts\n";
  const [web] = parse(text).backends;
  const path = ["backends", 0];
  const more = editYaml(text, [{ path, value: { ...web, canary: { steps: [100] } } }]);
  assertStringIncludes(more, "    split: [{ backend: a, weight: 9 }, { backend: b, weight: 1 }] # parts\n");
  const split = [web.split[0], { backend: "c", weight: 1 }];
  assertEquals(editYaml(text, [{ path, value: { ...web, split } }]), text.replace("backend: b", "backend: c"));
});

Deno.test("store yaml: entries are added to lists and taken out, also where there is none yet", () => {
  const more = editYaml(TEXT, [{ path: ["tenants", 2], value: { id: "new" } }]);
  assertEquals(parse(more).tenants.map(({ id }: { id: string }) => id), ["acme", "globex", "new"]);
  const less = editYaml(TEXT, [{ path: ["tenants", 0], value: undefined }]);
  assertEquals(parse(less).tenants.map(({ id }: { id: string }) => id), ["globex"]);
  for (const text of ["version: 1\n", "version: 1\ntenants:\n", "version: 1\ntenants: []\n"]) {
    assertEquals(parse(editYaml(text, [{ path: ["tenants", 0], value: { id: "a" } }])), {
      version: 1,
      tenants: [{ id: "a" }],
    });
  }
});

Deno.test("store yaml: lists keep the indent that the file has", () => {
  assertEquals(editYaml("a: 1\nlist:\n- x\n", [{ path: ["a"], value: 2 }]), "a: 2\nlist:\n- x\n");
  assertEquals(editYaml("a: 1\nlist:\n  - x\n", [{ path: ["a"], value: 2 }]), "a: 2\nlist:\n  - x\n");
});

Deno.test("store yaml: what is spread by merge keys and aliases is written out where it has to differ", () => {
  const text = "base: &b { x: 1, y: 2 }\none: { <<: *b, y: 3 }\ntwo: *b\n";
  const one = editYaml(text, [{ path: ["one"], value: { x: 5, y: 3 } }]);
  assertEquals(parse(one, { merge: true }).one, { x: 5, y: 3 });
  assertEquals(parse(one, { merge: true }).base, { x: 1, y: 2 });
  const two = editYaml(text, [{ path: ["two"], value: { x: 1 } }]);
  assertEquals(parse(two, { merge: true }).two, { x: 1 });
  assertEquals(parse(two, { merge: true }).base, { x: 1, y: 2 });
  // Without y, the merge key brings it back: the map is written out.
  assertEquals(parse(editYaml(text, [{ path: ["one"], value: { x: 1 } }]), { merge: true }).one, { x: 1 });
});

Deno.test("store yaml: an anchor that others need is not taken away", () => {
  const text = "one: &a { x: 1 }\ntwo: *a\n";
  assertThrows(() => editYaml(text, [{ path: ["one"], value: undefined }]), RangeError);
  assertThrows(() => editYaml("a: [}", [{ path: ["a"], value: 1 }]), RangeError);
});

Deno.test("store yaml: JSON stays JSON", () => {
  assertEquals(
    editYaml('{"id": "a", "list": [1]}', [{ path: ["list"], value: [1, 2] }]),
    '{\n  "id": "a",\n  "list": [\n    1,\n    2\n  ]\n}\n',
  );
});

Deno.test("store yaml: texts that YAML would read as something else are quoted", () => {
  for (const value of ["true", "1", "null", "a: b", "- x", "#", "", "yes\nno", "ü"]) {
    assertEquals(parse(editYaml("a: plain\n", [{ path: ["a"], value }])), { a: value });
    assertEquals(parse(editYaml("a: plain\n", [{ path: ["b"], value }])), { a: "plain", b: value });
  }
});

Deno.test("store yaml: lines that say the same stay as they are, blanks and all", () => {
  const text = `# top
version:   1     # the format

tenants:

   - id:   acme   # who
     labels: {plan: gold,   team: "7"}     # two

     listeners:
        - {id: a,  address: "127.0.0.1:1"}

        # the second
        - {id: b,  address: "127.0.0.1:2"}   # spare
   - id: globex


# the end`;
  const [acme] = parse(text).tenants;
  const cases: [unknown, string][] = [
    [{ ...acme, labels: { plan: "gold", team: "8" } }, text.replace('"7"', '"8"')],
    [
      { ...acme, listeners: [acme.listeners[0], { id: "b", address: "127.0.0.1:3" }] },
      text.replace("127.0.0.1:2", "127.0.0.1:3"),
    ],
  ];
  for (const [value, expected] of cases) assertEquals(editYaml(text, [{ path: ["tenants", 0], value }]), expected);
});

Deno.test("store yaml: entries are added and taken out without a touch of the others", () => {
  const text = "a:   1 # one\nlist:\n  - id: x\n    n:  1\n  - id: y   # why\nz: { q: 1,  r: 2 }";
  const value = parse(text);
  assertEquals(
    editYaml(text, [{ path: [], value: { ...value, more: { b: true, c: [] } } }]).trimEnd(),
    `${text}\nmore:\n  b: true\n  c: []`,
  );
  assertEquals(editYaml(text, [{ path: ["list", 2], value: { id: "w" } }]), text.replace("why\n", "why\n  - id: w\n"));
  assertEquals(editYaml(text, [{ path: ["list", 0], value: undefined }]), text.replace("  - id: x\n    n:  1\n", ""));
  assertEquals(editYaml(text, [{ path: ["a"], value: undefined }]), text.replace("a:   1 # one\n", ""));
  assertEquals(editYaml(text, [{ path: ["a"], value: { b: 1 } }]).endsWith(text.slice(text.indexOf("list:"))), true);
});
