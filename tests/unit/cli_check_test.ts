/** `sluice check`: what it prints, in both forms, and its exit codes. */
import { assertEquals } from "@std/assert";
import { checkCommand, runCheck } from "../../src/cli/check.ts";
import { type Io, parseArguments } from "../../src/cli/command.ts";
import { defaultConfigPath, type PathDeps } from "../../src/config/mod.ts";
import { fakeDeps, GOOD_TENANT, type World } from "./config_fixture.ts";

const NO_PATHS: PathDeps = { env: () => undefined, exists: () => Promise.resolve(false) };

async function check(argv: readonly string[], world: World): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ["", ""];
  const io: Io = { out: (text) => out += text, err: (text) => err += text, color: false };
  const code = await runCheck(parseArguments(checkCommand, argv), io, { load: fakeDeps(world), path: NO_PATHS });
  return { code, out, err };
}

const WRONG: World = { files: { "/a.yaml": "version: 1\nworkers: many\nlog: { level: loud }\n" } };

Deno.test("check: a configuration that is right says what is in it, and exits 0", async () => {
  const result = await check(["--config", "/a.yaml"], { files: { "/a.yaml": `tenants: ${GOOD_TENANT}` } });
  assertEquals(result, { code: 0, out: "/a.yaml: ok: 1 tenant, 1 listener, 1 backend, 1 endpoint\n", err: "" });
});

Deno.test("check: shared listeners and routes are counted, too", async () => {
  const text = `listeners: [{ id: edge, address: "[::]:8443", detect: tls }]\ntenants: ${GOOD_TENANT}` +
    '    routes: [{ id: r, listener: edge, sni: ["a.example"], backend: pg }]\n';
  const result = await check(["--config", "/a.yaml"], { files: { "/a.yaml": text } });
  assertEquals(result.out, "/a.yaml: ok: 1 tenant, 2 listeners, 1 route, 1 backend, 1 endpoint\n");
});

Deno.test("check: one that is wrong prints every problem with place and remedy, and exits 1", async () => {
  const result = await check(["--config", "/a.yaml"], WRONG);
  assertEquals(result, {
    code: 1,
    out: `/a.yaml:2:10: workers: must be auto or a whole number from 1 to 64: current value is "many"
    remedy: write auto for one worker a usable CPU core
/a.yaml:3:15: log.level: must be one of debug | info | warn | error: current value is "loud"
    remedy: write debug | info | warn | error
/a.yaml: 2 problems
`,
    err: "",
  });
});

Deno.test("check: --json", async () => {
  const wrong = await check(["--config", "/a.yaml", "--json"], WRONG);
  assertEquals(wrong.code, 1);
  const { ok, file, problems } = JSON.parse(wrong.out);
  assertEquals({ ok, file, problems: problems.length }, { ok: false, file: "/a.yaml", problems: 2 });
  assertEquals(problems[0], {
    file: "/a.yaml",
    line: 2,
    column: 10,
    path: "workers",
    message: 'must be auto or a whole number from 1 to 64: current value is "many"',
    remedy: "write auto for one worker a usable CPU core",
  });
  const right = await check(["--config", "/a.yaml", "--json"], { files: { "/a.yaml": "version: 1" } });
  assertEquals([right.code, JSON.parse(right.out)], [0, { ok: true, file: "/a.yaml", problems: [], advice: [] }]);
});

Deno.test("check: problems in several files are counted over them", async () => {
  const { code, out } = await check(["--config", "/a.yaml"], {
    files: { "/a.yaml": "tenants_dir: t\nworkers: 0\n", "/t/x.yaml": "colour: red\n" },
    folders: { "/t": ["x.yaml"] },
  });
  assertEquals(code, 1);
  assertEquals(out.split("\n").at(-2), "/a.yaml: 2 problems in 2 files");
});

Deno.test("check: a file that is not there", async () => {
  const { code, out } = await check([], {});
  assertEquals(code, 1);
  assertEquals(
    out,
    "config/sluice.yaml: cannot be read: it does not exist\n    remedy: create it, or name another\n" +
      "config/sluice.yaml: 1 problem\n",
  );
});

Deno.test("config path: the flag, the environment, the working directory, the example", async () => {
  const deps = (env: string | undefined, there: boolean): PathDeps => ({
    env: (name) => name === "SLUICE_CONFIG" ? env : undefined,
    exists: (path) => Promise.resolve(there && path === "sluice.yaml"),
  });
  assertEquals(await defaultConfigPath("flag.yaml", deps("env.yaml", true)), "flag.yaml");
  assertEquals(await defaultConfigPath(undefined, deps("env.yaml", true)), "env.yaml");
  assertEquals(await defaultConfigPath(undefined, deps("", true)), "sluice.yaml");
  assertEquals(await defaultConfigPath(undefined, deps(undefined, true)), "sluice.yaml");
  assertEquals(await defaultConfigPath(undefined, deps(undefined, false)), "config/sluice.yaml");
});

Deno.test("check: a name that cannot be resolved now is advice", async () => {
  const text = `tenants: ${GOOD_TENANT.replace("10.0.0.5:5432", "db.example:5432")}`;
  const world = { files: { "/a.yaml": text } };
  const result = await check(["--config", "/a.yaml"], world);
  assertEquals(result, {
    code: 0,
    out: `advice: /a.yaml:4:56: tenants[0].backends[0].endpoints[0].address: cannot be resolved now: db.example: \
no such name
    remedy: mend the name or the name service; it is looked for on and on
/a.yaml: ok: 1 tenant, 1 listener, 1 backend, 1 endpoint
`,
    err: "",
  });
  const { ok, advice } = JSON.parse((await check(["--config", "/a.yaml", "--json"], world)).out);
  assertEquals([ok, advice.length], [true, 1]);
});
