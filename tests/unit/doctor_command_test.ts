/** `sluice doctor`: its text, its JSON and its exit codes. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { doctorCommand, type DoctorDeps, runDoctor } from "../../src/cli/doctor.ts";
import { parseArguments } from "../../src/cli/command.ts";
import { defaultDemand } from "../../src/doctor/mod.ts";

function run(argv: string[], overrides: Partial<DoctorDeps> = {}) {
  const output = { out: "", err: "" };
  const deps: DoctorDeps = {
    read: () => Promise.resolve(new Map([["/proc/sys/kernel/osrelease", "6.1.0\n"]])),
    pid: 1,
    cores: 2,
    library: () => ({ usable: true, detail: "there" }),
    demand: (_flag, cores) => Promise.resolve({ ...defaultDemand(cores), file: "sluice.yaml" }),
    ...overrides,
  };
  const io = {
    out: (text: string) => void (output.out += text),
    err: (text: string) => void (output.err += text),
    color: false,
  };
  return runDoctor(parseArguments(doctorCommand, argv), io, deps).then((code) => ({ code, ...output }));
}

describe("doctor", () => {
  it("answers 0 when nothing will fail, and one line a check that is ok", async () => {
    const { code, out, err } = await run([]);
    assertEquals([code, err], [0, ""]);
    assertStringIncludes(out, "Checked against sluice.yaml\n");
    assertMatch(out, /^ok {9}kernel +6\.1\.0$/m);
    assertMatch(out, /\n\d+ ok, \d+ advice, 0 will fail\n$/);
  });

  it("answers 1 when something will fail, with what mends it", async () => {
    const { code, out } = await run([], { library: () => ({ usable: false, detail: "gone" }) });
    assertEquals(code, 1);
    assertMatch(out, /^will-fail {2}library +gone\n +wanted: .+\n +why: .+\n +mend: deno task build$/m);
    assertStringIncludes(out, "1 will fail\n");
  });

  it("writes JSON with every finding", async () => {
    const { code, out } = await run(["--json"], { library: () => ({ usable: false, detail: "gone" }) });
    const report = JSON.parse(out);
    assertEquals([code, report.ok, report.config, report.workers, report.max_connections], [
      1,
      false,
      "sluice.yaml",
      2,
      null,
    ]);
    for (const finding of report.findings) {
      assertEquals(Object.keys(finding).sort(), ["found", "id", "mend", "verdict", "wanted", "why"]);
    }
  });

  it("hands on --config, and answers 1 with the problems of a wrong configuration", async () => {
    const asked: (string | undefined)[] = [];
    const { code, out, err } = await run(["--config", "mine.yaml"], {
      demand: (flag) => {
        asked.push(flag);
        return Promise.resolve({ problems: ["mine.yaml:1:1: wrong", "mine.yaml:2:1: wrong too"] });
      },
    });
    assertEquals(asked, ["mine.yaml"]);
    assertEquals([code, out, err], [1, "", "mine.yaml:1:1: wrong\nmine.yaml:2:1: wrong too\n"]);
  });
});
