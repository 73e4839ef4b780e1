/** `demo`: what a newcomer sees after one command. It has fixed ports, so it runs only where they are free. */
import { assert, assertEquals } from "@std/assert";
import { DEMO_PORTS } from "../../src/demo/backends.ts";
import { programArgs } from "../helpers/sluice.ts";
import { eventually, within } from "../helpers/eventually.ts";
import { e2e } from "../helpers/world.ts";

const PROXY_PORTS = [7001, 8001, 8002];
const ports = [...PROXY_PORTS, ...DEMO_PORTS.echo, ...DEMO_PORTS.web].map((one) =>
  typeof one === "number" ? one : one.port
);
const free = ports.every((port) => {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
});
if (!free) console.warn(`SKIPPED: the demo: needs the ports ${ports.join(" ")} free`);

e2e("demo: echo, two web sites that take turns, a limit, and an orderly end", async (world) => {
  const child = new Deno.Command(Deno.execPath(), {
    args: programArgs("demo"),
    cwd: new URL("../../", import.meta.url),
    stdin: "null",
    stdout: "piped",
    stderr: "null",
    env: { NO_COLOR: "1" },
  }).spawn();
  let ended = false;
  child.status.then(() => ended = true);
  world.use({
    [Symbol.asyncDispose]: async () => {
      if (!ended) child.kill("SIGKILL");
      await child.status;
    },
  });
  const output = new Response(child.stdout).text();
  await eventually(() =>
    PROXY_PORTS.reduce(
      async (all, port) => await all && await world.accepts(`127.0.0.1:${port}`),
      Promise.resolve(true),
    )
  );

  const echoed = await world.connect("127.0.0.1:7001");
  await echoed.roundTrip("hello, demo");
  echoed.close();
  for (let turn = 0; turn < 100; turn++) (await world.connectResettable("127.0.0.1:7001")).reset();
  const still = await world.connect("127.0.0.1:7001");
  await still.roundTrip("resets disturb nobody");
  still.close();
  const names = new Set<string>();
  for (let turn = 0; turn < 4; turn++) {
    const response = await fetch("http://127.0.0.1:8001/", { headers: { connection: "close" } });
    await response.text();
    names.add(response.headers.get("x-endpoint") ?? "");
  }
  assertEquals(names, new Set(["web-1 of acme", "web-2 of acme"]));

  const six = await Promise.all(Array.from({ length: 6 }, () => world.connect("127.0.0.1:8002")));
  assertEquals(await Promise.any(six.map((client) => client.end())), "eof", "five at once");
  for (const client of six) client.close();

  child.kill("SIGINT");
  assertEquals((await within(child.status, "the end of the demo")).code, 0);
  const text = await output;
  assert(text.includes("ready ") && text.includes("127.0.0.1:7001") && text.includes("127.0.0.1:8001"), text);
}, { ignore: !free });
