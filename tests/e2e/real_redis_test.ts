/** redis-benchmark through the proxy to a Redis: pipelining, many connections, large values. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { parseTarget } from "../helpers/address.ts";
import { oneTenant } from "../helpers/config.ts";
import { findProgram, reportAbsent, run, Service } from "../helpers/programs.ts";
import { e2e } from "../helpers/world.ts";

const server = findProgram("redis-server");
const benchmark = findProgram("redis-benchmark");
const cli = findProgram("redis-cli");
const present = server !== undefined && benchmark !== undefined && cli !== undefined;
if (!present) reportAbsent("redis through the proxy", "redis-server redis-tools");

e2e("real: redis-benchmark through the proxy", async (world) => {
  if (!server || !benchmark || !cli) throw new Error("unreachable: the test is ignored without the programs");
  const socket = `${await world.tempDir()}/redis.sock`;
  world.use(
    await Service.start(
      server,
      ["--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no"],
      async () => (await run(cli, ["-s", socket, "ping"])).text.includes("PONG"),
    ),
  );
  const sluice = await world.sluice(oneTenant([`unix:${socket}`]));
  const target = parseTarget(sluice.address());
  if (target.transport !== "tcp") throw new Error("the listener must be TCP");
  const place = ["-h", target.hostname, "-p", String(target.port)];

  assertStringIncludes((await run(cli, [...place, "set", "key", "through the proxy"])).text, "OK");
  assertStringIncludes((await run(cli, [...place, "get", "key"])).text, "through the proxy");
  for (
    const flags of [
      ["-n", "20000", "-c", "50", "-t", "ping,set,get"],
      ["-n", "50000", "-c", "20", "-P", "16", "-t", "set,get"],
      ["-n", "500", "-c", "10", "-d", "262144", "-t", "set,get"],
    ]
  ) {
    const { code, text } = await run(benchmark, [...place, "--csv", ...flags]);
    assertEquals(code, 0, text);
    assert(!/error|refused|reset/i.test(text), text);
    assertStringIncludes(text, '"SET"');
  }
  const wrong = sluice.matching((record) => record.code !== "--" && record.reason !== "client_abort");
  assertEquals(wrong, []);
}, { ignore: !present });
