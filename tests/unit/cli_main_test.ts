/** From argv to an exit code: commands, help, version, and which permissions a command keeps. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { assertSpyCalls, spy } from "@std/testing/mock";
import type { Arguments, Command, Io, Need } from "../../src/cli/command.ts";
import { main } from "../../src/cli/main.ts";
import manifest from "../../deno.json" with { type: "json" };

function world(exitCode: number | Error = 0) {
  const output = { out: "", err: "" };
  const io: Io = {
    out: (text) => void (output.out += text),
    err: (text) => void (output.err += text),
    color: false,
  };
  const revoked: Need[] = [];
  const run = spy((_args: Arguments, _io: Io): Promise<number> =>
    exitCode instanceof Error ? Promise.reject(exitCode) : Promise.resolve(exitCode)
  );
  const serve: Command = {
    name: "serve",
    summary: "run it",
    description: "Runs it.",
    flags: [{ name: "json", summary: "as JSON" }],
    needs: ["ffi", "net"],
    run,
  };
  const check: Command = { ...serve, name: "check", summary: "check it" };
  const deps = {
    commands: { serve: () => Promise.resolve(serve), check: () => Promise.resolve(check) },
    revoke: (names: readonly Need[]) => {
      revoked.push(...names);
      return Promise.resolve();
    },
  };
  return { output, revoked, run, call: (...argv: string[]) => main(argv, io, deps) };
}

describe("main", () => {
  it("runs the command with its arguments and answers its exit code", async () => {
    const { call, run, output } = world(1);
    assertEquals(await call("serve", "--json"), 1);
    assertSpyCalls(run, 1);
    assertEquals([...run.calls[0]!.args[0].switches], ["json"]);
    assertEquals(output, { out: "", err: "" });
  });

  it("gives up what the command does not need, before it runs", async () => {
    const { call, revoked } = world();
    await call("serve");
    assertEquals(revoked, ["run", "write"]);
  });

  it("shows the overview for --help, -h and help, on standard output", async () => {
    for (const word of ["--help", "-h", "help"]) {
      const { call, output, run } = world();
      assertEquals(await call(word), 0);
      assertStringIncludes(output.out, "Usage: sluice <command> [options]");
      assertStringIncludes(output.out, "  serve  run it\n  check  check it\n");
      assertSpyCalls(run, 0);
    }
  });

  it("shows a command's own help, also beside other arguments", async () => {
    for (const argv of [["serve", "--help"], ["serve", "-h", "--json"], ["help", "serve"]]) {
      const { call, output, run } = world();
      assertEquals(await call(...argv), 0);
      assertStringIncludes(output.out, "Usage: sluice serve [options]");
      assertSpyCalls(run, 0);
    }
  });

  it("shows the version of deno.json", async () => {
    const { call, output } = world();
    assertEquals(await call("--version"), 0);
    assertEquals(output.out, `sluice ${manifest.version}\n`);
  });

  it("answers 2 and the overview on standard error without a command", async () => {
    const { call, output } = world();
    assertEquals(await call(), 2);
    assertEquals(output.out, "");
    assertStringIncludes(output.err, "Usage: sluice <command>");
  });

  it("answers 2 and the nearest command or flag for a wrong one", async () => {
    for (
      const [argv, message] of [
        [["serv"], 'unknown command "serv"; did you mean serve?'],
        [["chek"], 'unknown command "chek"; did you mean check?'],
        [["--hepl"], 'unknown flag "--hepl"; did you mean --help?'],
        [["xyzzyxyzzy"], 'unknown command "xyzzyxyzzy"; known commands are serve, check'],
        [["help", "serv"], "did you mean serve?"],
        [["constructor"], 'unknown command "constructor"'],
        [["serve", "--jsn"], "sluice: serve: unknown flag --jsn; did you mean --json?\nTry: sluice serve --help\n"],
      ] as const
    ) {
      const { call, output, run } = world();
      assertEquals(await call(...argv), 2, argv.join(" "));
      assertEquals(output.out, "");
      assertStringIncludes(output.err, message);
      assertSpyCalls(run, 0);
    }
  });

  it("does not hide an unexpected error", async () => {
    const { call } = world(new TypeError("a bug"));
    await assertRejects(() => call("serve"), TypeError, "a bug");
  });
});
