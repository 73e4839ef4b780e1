/** Completion scripts say every command, flag and choice that there is. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { COMMANDS } from "../../src/cli/commands.ts";
import { completionsGroup } from "../../src/cli/completions.ts";
import { type Commands, isGroup } from "../../src/cli/group.ts";

const TABLE: Commands = {
  ctl: COMMANDS["ctl"]!,
  token: COMMANDS["token"]!,
  completions: () => Promise.resolve(completionsGroup(() => TABLE)),
};

async function scriptFor(shell: string): Promise<string> {
  const command = await completionsGroup(() => TABLE).commands[shell]!();
  if (isGroup(command)) throw new Error("it is a command");
  let out = "";
  const io = { out: (text: string) => void (out += text), err: () => {}, color: false };
  assertEquals(await command.run({ values: new Map(), switches: new Set(), operands: [] }, io), 0);
  return out;
}

async function walk(commands: Commands, visit: (path: string, flags: readonly string[]) => void, path = "") {
  for (const [name, load] of Object.entries(commands)) {
    const entry = await load();
    const at = `${path} ${name}`.trim();
    visit(at, entry.flags.map((flag) => flag.name));
    if (isGroup(entry)) await walk(entry.commands, visit, at);
  }
}

describe("completions", () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    it(`for ${shell} know every command and flag`, async () => {
      const script = await scriptFor(shell);
      await walk(TABLE, (path, flags) => {
        assertStringIncludes(script, `"${path}"`);
        for (const flag of flags) assertStringIncludes(script, shell === "fish" ? `-l ${flag}` : `--${flag}`);
      });
      assertStringIncludes(script, "admin viewer tenant");
    });
  }

  it("complete names of commands that say their own path", async () => {
    for (const [path, load] of Object.entries(TABLE)) assertEquals((await load()).name, path);
    const ctl = await TABLE["ctl"]!();
    if (!isGroup(ctl)) throw new Error("it is a group");
    for (const [name, load] of Object.entries(ctl.commands)) {
      const entry = await load();
      assertEquals(entry.name, `ctl ${name}`);
      if (!isGroup(entry)) continue;
      for (const [below, inner] of Object.entries(entry.commands)) {
        assertEquals((await inner()).name, `ctl ${name} ${below}`);
      }
    }
  });
});
