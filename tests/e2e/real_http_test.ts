/** wrk, and a browser's kind of client, through the proxy to the demo's HTTP backends. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { startBackends } from "../../src/demo/backends.ts";
import { oneTenant } from "../helpers/config.ts";
import { findProgram, reportAbsent, run } from "../helpers/programs.ts";
import { e2e, type World } from "../helpers/world.ts";

const wrk = findProgram("wrk");
if (!wrk) reportAbsent("wrk through the proxy", "wrk");

function webEndpoints(world: World): string[] {
  const backends = world.use(startBackends({
    echo: [],
    web: [{ name: "web-1", port: 0 }, { name: "web-2", port: 0 }],
  }));
  return backends.web.map((port) => `127.0.0.1:${port}`);
}

e2e("real: HTTP through the proxy takes turns between the demo's web backends", async (world) => {
  const sluice = await world.sluice(oneTenant(webEndpoints(world)));
  const names: string[] = [];
  for (let turn = 0; turn < 6; turn++) {
    const response = await fetch(`http://${sluice.address()}/page`, { headers: { connection: "close" } });
    assertEquals(response.status, 200);
    assertMatch(await response.text(), /^Hello from web-[12]: GET \/page\n$/);
    names.push(response.headers.get("x-endpoint") ?? "");
  }
  assertEquals(names.filter((name) => name === "web-1").length, 3);
  assertEquals(names.filter((name) => name === "web-2").length, 3);
});

e2e("real: wrk through the proxy to the demo's web backends", async (world) => {
  if (!wrk) throw new Error("unreachable: the test is ignored without wrk");
  const sluice = await world.sluice(oneTenant(webEndpoints(world)));
  for (const flags of [["-H", "connection: keep-alive"], ["-H", "connection: close"]]) {
    const { code, text } = await run(wrk, [
      "-t1",
      "-c50",
      "-d2s",
      "--timeout",
      "10s",
      ...flags,
      `http://${sluice.address()}/`,
    ]);
    assertEquals(code, 0, text);
    assert(!/Socket errors|Non-2xx/.test(text), text);
    assertMatch(text, /[1-9]\d* requests in/);
  }
  const wrong = sluice.matching((record) => !["--", "CD", "CL"].includes(record.code));
  assertEquals(wrong, []);
}, { ignore: !wrk });
