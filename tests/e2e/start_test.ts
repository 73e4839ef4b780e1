/** What cannot start says why, with exit 1; a wrong command line with exit 2. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { formatAddress, freePort, ownLoopback } from "../helpers/address.ts";
import { echo } from "../helpers/behaviours.ts";
import { type Config, oneTenant } from "../helpers/config.ts";
import { runProgram } from "../helpers/sluice.ts";
import { e2e, type World } from "../helpers/world.ts";

async function fileOf(world: World, config: Config | string): Promise<string> {
  const path = `${await world.tempDir()}/sluice.yaml`;
  await Deno.writeTextFile(path, typeof config === "string" ? config : JSON.stringify(config, null, 2));
  return path;
}

e2e("start: an address that a second Sluice has is refused", async (world) => {
  const backend = await world.backend(echo);
  const host = ownLoopback();
  const listen = formatAddress(host, freePort(host));
  const config = oneTenant([backend.address], { listen });
  const first = await world.sluice(config);
  const second = await runProgram("serve", "--config", await fileOf(world, config));
  assertEquals(second.code, 1);
  assertStringIncludes(second.stderr, listen);
  assertMatch(second.stderr, /in use/i);
  for (let turn = 0; turn < 10; turn++) await (await world.connect(listen)).roundTrip();
  assertEquals(first.exited, undefined);
});

e2e("start: a unix socket that a second Sluice has is refused, and left alone", async (world) => {
  const backend = await world.backend(echo);
  const listen = `unix:${await world.tempDir()}/sluice.sock`;
  const config = oneTenant([backend.address], { listen });
  await world.sluice(config);
  const second = await runProgram("serve", "--config", await fileOf(world, config));
  assertEquals(second.code, 1);
  assertStringIncludes(second.stderr, listen);
  await (await world.connect(listen)).roundTrip();
});

e2e("start: an address that another program has, or that this machine has not, is refused", async (world) => {
  const other = await world.backend(echo, { hostname: ownLoopback() });
  for (const listen of [other.address, "192.0.2.1:80"]) {
    const file = await fileOf(world, oneTenant([other.address], { listen }));
    const { code, stderr } = await runProgram("serve", "--config", file);
    assertEquals(code, 1);
    assertStringIncludes(stderr, listen);
  }
});

e2e("start: a file that cannot be read is an error", async (world) => {
  const dir = await world.tempDir();
  for (const path of [`${dir}/absent.yaml`, dir]) {
    const { code, stderr } = await runProgram("serve", "--config", path);
    assertEquals(code, 1);
    assertStringIncludes(stderr, path);
  }
});

e2e("start: a wrong configuration is an error with every place", async (world) => {
  const file = await fileOf(world, "version: 1\nworkers: -3\ntenants:\n  - id: UPPER\n    listenrs: []\n");
  const { code, stderr } = await runProgram("serve", "--config", file);
  assertEquals(code, 1);
  for (const place of [/sluice\.yaml:2:\d+/, /sluice\.yaml:4:\d+/, /sluice\.yaml:5:\d+/]) assertMatch(stderr, place);
});
