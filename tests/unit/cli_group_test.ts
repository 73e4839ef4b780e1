/** Commands that lead to others: paths of words, flags ahead of them, help at every step. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Arguments, Command } from "../../src/cli/command.ts";
import type { CommandGroup } from "../../src/cli/group.ts";
import { main } from "../../src/cli/main.ts";

const URL_FLAG = { name: "url", short: "u", value: "URL", summary: "where" };
const JSON_FLAG = { name: "json", summary: "as JSON" };

function world() {
  const ran: Arguments[] = [];
  const list: Command = {
    name: "far things list",
    summary: "list things",
    description: "Lists things.",
    flags: [{ name: "deep", summary: "deeply" }, URL_FLAG, JSON_FLAG],
    operands: { usage: "[THING]", min: 0, max: 1 },
    needs: [],
    run: (args) => Promise.resolve(ran.push(args)),
  };
  const group = (name: string, commands: CommandGroup["commands"]): CommandGroup => ({
    name,
    summary: `about ${name}`,
    description: `All about ${name}.`,
    flags: [URL_FLAG, JSON_FLAG],
    commands,
  });
  const things = group("far things", { list: () => Promise.resolve(list) });
  const far = group("far", { things: () => Promise.resolve(things) });
  const call = async (...argv: string[]) => {
    let [out, err] = ["", ""];
    const io = { out: (text: string) => void (out += text), err: (text: string) => void (err += text), color: false };
    const code = await main(argv, io, {
      commands: { far: () => Promise.resolve(far) },
      revoke: () => Promise.resolve(),
    });
    return { code, out, err };
  };
  return { call, ran };
}

describe("groups of commands", () => {
  it("are walked to the command, with flags ahead of any word", async () => {
    for (
      const argv of [
        ["far", "things", "list", "one", "--url", "x", "--json"],
        ["far", "--url", "x", "--json", "things", "list", "one"],
        ["far", "--url=x", "things", "--json", "list", "one"],
        ["far", "-u", "x", "things", "list", "--json", "one"],
      ]
    ) {
      const { call, ran } = world();
      assertEquals((await call(...argv)).err, "");
      const [args] = ran;
      assertEquals([args!.values.get("url"), [...args!.switches], args!.operands], ["x", ["json"], ["one"]]);
    }
  });

  it("show their help when it is asked for, and with 2 when a word is missing", async () => {
    const { call } = world();
    for (const argv of [["far", "--help"], ["help", "far"], ["far", "-h", "things"], ["far", "--json", "--help"]]) {
      const asked = await call(...argv);
      assertEquals([asked.code, asked.err], [0, ""], argv.join(" "));
      assertStringIncludes(asked.out, "Usage: sluice far <command> [options]\n\nAll about far.");
      assertStringIncludes(asked.out, "  things  about far things\n");
      assertStringIncludes(asked.out, "  -u, --url URL  where\n");
    }
    const missing = await call("far", "things");
    assertEquals([missing.code, missing.out], [2, ""]);
    assertStringIncludes(missing.err, "Usage: sluice far things <command>");
    assertStringIncludes(
      (await call("help", "far", "things", "list")).out,
      "Usage: sluice far things list [options] [THING]",
    );
  });

  it("name the nearest word or flag, and where to look", async () => {
    const { call } = world();
    for (
      const [argv, message] of [
        [["far", "thing"], 'sluice: far: unknown command "thing"; did you mean things?\nTry: sluice far --help\n'],
        [
          ["far", "things", "lst"],
          'sluice: far things: unknown command "lst"; did you mean list?\nTry: sluice far things',
        ],
        [["far", "--ulr", "x", "things"], "sluice: far: unknown flag --ulr; did you mean --url?\n"],
        [["far", "things", "list", "--dep"], "sluice: far things list: unknown flag --dep; did you mean --deep?\n"],
        [["far", "toString"], 'unknown command "toString"; known commands are things'],
        [["help", "far", "things", "lst"], "did you mean list?"],
      ] as const
    ) {
      const ran = await call(...argv);
      assertEquals([ran.code, ran.out], [2, ""]);
      assertStringIncludes(ran.err, message);
    }
  });
});
