/** Arguments of commands: what is accepted, and that every mistake names what was meant. */
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Command, helpOf, parseArguments, UsageError } from "../../src/cli/command.ts";

const command: Command = {
  name: "paint",
  summary: "paint something",
  description: "Paints something.",
  flags: [
    { name: "config", short: "c", value: "FILE", summary: "configuration file" },
    { name: "color", value: "NAME", choices: ["red", "green"], summary: "the colour" },
    { name: "json", summary: "as JSON" },
  ],
  operands: { usage: "THING", min: 0, max: 1 },
  needs: [],
  run: () => Promise.resolve(0),
};

function usageError(argv: readonly string[]): string {
  return assertThrows(() => parseArguments(command, argv), UsageError).message;
}

describe("parseArguments", () => {
  it("takes values with = and with a space, short flags, switches and operands", () => {
    const args = parseArguments(command, ["--config=a.yaml", "--color", "red", "--json", "wall"]);
    assertEquals([...args.values], [["config", "a.yaml"], ["color", "red"]]);
    assertEquals([...args.switches], ["json"]);
    assertEquals(args.operands, ["wall"]);
    assertEquals([...parseArguments(command, ["-c", "b.yaml"]).values], [["config", "b.yaml"]]);
  });

  it("keeps numbers as they were written, and takes - and what follows -- as operands", () => {
    assertEquals(parseArguments(command, ["007"]).operands, ["007"]);
    assertEquals(parseArguments(command, ["--config", "0x10"]).values.get("config"), "0x10");
    assertEquals(parseArguments(command, ["-"]).operands, ["-"]);
    assertEquals(parseArguments(command, ["--", "--json"]).operands, ["--json"]);
    assertEquals(parseArguments(command, ["--", "--json"]).switches.size, 0);
  });

  it("names the nearest known flag", () => {
    assertStringIncludes(usageError(["--confg", "x"]), "unknown flag --confg; did you mean --config?");
    assertStringIncludes(usageError(["--jsn"]), "did you mean --json?");
    assertStringIncludes(usageError(["--col=red"]), "unknown flag --col; did you mean --color?");
  });

  it("lists the known flags when none is near", () => {
    assertStringIncludes(usageError(["--zzzzzz"]), "known are --config, --color, --json, --help");
    assertStringIncludes(usageError(["-z"]), "unknown flag -z");
    assertStringIncludes(usageError(["--no-json"]), "unknown flag --no-json");
    assertStringIncludes(usageError(["--__proto__=1"]), "unknown flag --__proto__");
  });

  it("refuses missing, empty, repeated and wrong values", () => {
    assertStringIncludes(usageError(["--config"]), "--config needs a value: --config FILE");
    assertStringIncludes(usageError(["--config", "--json"]), "--config needs a value");
    assertStringIncludes(usageError(["--config="]), "--config needs a value");
    assertStringIncludes(usageError(["--config", "a", "-c", "b"]), "must be given once: it was given 2 times");
    assertStringIncludes(
      usageError(["--color", "grean"]),
      '--color must be one of red, green: current value is "grean"; did you mean green?',
    );
    assertStringIncludes(usageError(["--json=yes"]), "--json takes no value");
  });

  it("counts operands", () => {
    assertStringIncludes(usageError(["one", "two"]), 'unexpected argument "two"');
    const needy = { ...command, operands: { usage: "THING", min: 1, max: 1 } };
    assertThrows(() => parseArguments(needy, []), UsageError, "missing argument: THING");
    assertEquals(parseArguments(needy, ["--help"]).switches.has("help"), true);
  });
});

describe("helpOf", () => {
  it("shows usage, description and every flag with its choices", () => {
    const help = helpOf(command);
    assertStringIncludes(help, "Usage: sluice paint [options] THING\n\nPaints something.\n\nOptions:\n");
    assertStringIncludes(help, "  -c, --config FILE  configuration file\n");
    assertStringIncludes(help, "      --color NAME   the colour (red, green)\n");
    assertStringIncludes(help, "  -h, --help         show this help and exit\n");
  });
});
