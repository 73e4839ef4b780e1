/** The machine's own files, names and interfaces, as loading sees them. */
import { assertEquals, assertRejects } from "@std/assert";
import { indexOf } from "../../src/config/load_deps.ts";
import { allProblems, loadConfig, systemLoadDeps } from "../../src/config/mod.ts";
import { fakeDeps } from "./config_fixture.ts";

Deno.test("config deps: a folder's files, but not its folders", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/a.yaml`, "enabled: true\n");
    await Deno.writeTextFile(`${folder}/b.yaml`, "enabled: false\n");
    await Deno.mkdir(`${folder}/c.yaml`);
    const deps = { ...fakeDeps({}), ...systemLoadDeps() };
    assertEquals([...await deps.listFiles(folder)].sort(), ["a.yaml", "b.yaml"]);
    await assertRejects(() => deps.listFiles(`${folder}/a.yaml`), Deno.errors.NotADirectory);
    await assertRejects(() => deps.readTextFile(`${folder}/none`), Deno.errors.NotFound);

    await Deno.writeTextFile(`${folder}/main`, "tenants_dir: .\n");
    const result = await loadConfig(`${folder}/main`, deps);
    assertEquals(allProblems(result), []);
    assertEquals(result.config?.tenants.map(({ id }) => id), ["a", "b"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("config deps: an interface's index is that of its link-local address", () => {
  const entry = (name: string, family: "IPv4" | "IPv6", scopeid: number | null): Deno.NetworkInterfaceInfo =>
    ({ name, family, scopeid, address: "", netmask: "", cidr: "", mac: "" }) as Deno.NetworkInterfaceInfo;
  const interfaces = [
    entry("lo", "IPv6", 0),
    entry("eth0", "IPv4", null),
    entry("eth0", "IPv6", 0),
    entry("eth0", "IPv6", 3),
    entry("eth1", "IPv6", 4),
  ];
  assertEquals(["lo", "eth0", "eth1", "eth2"].map((name) => indexOf(name, interfaces)), [undefined, 3, 4, undefined]);
});
