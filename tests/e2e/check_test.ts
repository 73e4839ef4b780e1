/** `check`: all errors at once, each with place, path and remedy; for people and for programs. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runProgram } from "../helpers/sluice.ts";
import { e2e, type World } from "../helpers/world.ts";

const GOOD = `version: 1
tenants:
  - id: acme
    listeners:
      - { id: in, address: "127.0.0.1:0", backend: out }
    backends:
      - id: out
        endpoints:
          - { id: a, address: "127.0.0.1:9" }
`;

const WRONG = `version: 1
workers: many
tenants:
  - id: acme
    timeuots: { idle: 5s }
    timeouts: { connect: 5 parsecs }
    listeners:
      - { id: in, address: "127.0.0.1:99999", backend: nowhere }
    backends:
      - id: out
        endpoints:
          - { id: a, address: "127.0.0.1:9", weight: -1 }
        circuit_breaker: { requests: 0 }
`;

async function check(world: World, text: string, ...flags: string[]): ReturnType<typeof runProgram> {
  const path = `${await world.tempDir()}/sluice.yaml`;
  await Deno.writeTextFile(path, text);
  return await runProgram("check", "--config", path, ...flags);
}

e2e("check: a good file is good", async (world) => {
  const { code, stdout, stderr } = await check(world, GOOD);
  assertEquals([code, stderr], [0, ""]);
  assert(stdout.trim() !== "", "it says so");
});

e2e("check: a wrong file has all its errors told at once, each with line and remedy", async (world) => {
  const { code, stdout, stderr } = await check(world, WRONG);
  const text = stdout + stderr;
  assertEquals(code, 1);
  for (const line of [2, 5, 6, 8, 12, 13]) assertMatch(text, new RegExp(`sluice\\.yaml:${line}:\\d+`));
  for (const word of ["workers", "timeuots", "timeouts", "nowhere", "weight", "circuit_breaker"]) {
    assertStringIncludes(text, word);
  }
});

e2e("check: --json tells the same to a program", async (world) => {
  const { code, stdout } = await check(world, WRONG, "--json");
  assertEquals(code, 1);
  const told = JSON.parse(stdout) as { problems: { line: number; column: number; path: string; remedy?: string }[] };
  const lines = new Set(told.problems.map((problem) => problem.line));
  for (const line of [2, 5, 6, 8, 12, 13]) assert(lines.has(line), `line ${line} is told: ${stdout}`);
  assertEquals((await check(world, GOOD, "--json")).code, 0);
});

e2e("check: broken YAML, and a file that is absent", async (world) => {
  const broken = await check(world, "version: 1\ntenants: [}\n");
  assertEquals(broken.code, 1);
  assertMatch(broken.stdout + broken.stderr, /sluice\.yaml:2:\d+/);
  const absent = await runProgram("check", "--config", `${await world.tempDir()}/absent.yaml`);
  assertEquals(absent.code, 1);
  assertStringIncludes(absent.stdout + absent.stderr, "absent.yaml");
});

e2e("usage: wrong flags and commands end with 2 and name the nearest one", async () => {
  const flag = await runProgram("check", "--confg", "x.yaml");
  assertEquals(flag.code, 2);
  assertStringIncludes(flag.stderr, "--config");
  const command = await runProgram("serv");
  assertEquals(command.code, 2);
  assertStringIncludes(command.stderr, "serve");
  for (const name of ["serve", "check"]) {
    const help = await runProgram(name, "--help");
    assertEquals(help.code, 0);
    assertStringIncludes(help.stdout, "--config");
  }
});
