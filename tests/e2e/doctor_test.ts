/** The doctor on this very machine: it reads the real /proc with the permissions that it has, against a real file. */
import { assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { oneTenant } from "../helpers/config.ts";
import { runProgram } from "../helpers/sluice.ts";
import { e2e } from "../helpers/world.ts";

interface Report {
  readonly ok: boolean;
  readonly max_connections: number | null;
  readonly findings: readonly { readonly id: string; readonly verdict: string; readonly found: string }[];
}

e2e("doctor: reads this machine, and opens the library", async (world) => {
  const path = `${await world.tempDir()}/sluice.yaml`;
  const config = oneTenant(["127.0.0.1:9"]);
  await Deno.writeTextFile(path, JSON.stringify({ ...config, limits: { max_connections: 10 } }));
  const { code, stdout, stderr } = await runProgram("doctor", "--config", path, "--json");
  assertEquals([code, stderr], [0, ""]);
  const report: Report = JSON.parse(stdout);
  assertEquals([report.ok, report.max_connections], [true, 10]);
  for (const id of ["kernel", "library", "nofile", "somaxconn", "port_range", "congestion_control"]) {
    const finding = report.findings.find((one) => one.id === id);
    assertNotEquals(finding?.found ?? "unknown", "unknown", id);
    assertNotEquals(finding?.verdict, "will-fail", id);
  }
});

e2e("doctor: a limit that this machine cannot hold will fail, with exit code 1", async (world) => {
  const path = `${await world.tempDir()}/sluice.yaml`;
  const config = oneTenant(["127.0.0.1:9"]);
  await Deno.writeTextFile(path, JSON.stringify({ ...config, limits: { max_connections: 4_000_000_000 } }));
  const { code, stdout } = await runProgram("doctor", "--config", path);
  assertEquals(code, 1);
  assertStringIncludes(stdout, "will-fail  nofile");
});
