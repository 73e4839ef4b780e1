/** A hostile RLIMIT_NOFILE: accepting pauses without a busy loop, and goes on when files come free. */
import { assert, assertEquals } from "@std/assert";
import { banner } from "../helpers/behaviours.ts";
import { oneTenant } from "../helpers/config.ts";
import { eventually } from "../helpers/eventually.ts";
import type { Wire } from "../helpers/wire.ts";
import { e2e } from "../helpers/world.ts";

const CLIENTS = 800;

e2e(
  "nofile: with 256 files and 800 clients the rest waits, CPU stays low, and all are served in turn",
  async (world) => {
    const backend = await world.backend(banner("hi"));
    const sluice = await world.sluice(oneTenant([backend.address]), { nofile: 256 });
    const served: Wire[] = [];
    let refused = 0;
    const all = Promise.all(
      Array.from({ length: CLIENTS }, async () => {
        const client = await world.connect(sluice.address());
        const buffer = new Uint8Array(2);
        const got = await client.readInto(buffer, 60_000);
        if (got === "eof" || got === "reset") refused++;
        else served.push(client);
      }),
    );

    // Two workers with 256 files each, two files a session: some 250 at the most, many of them for sure.
    await eventually(() => served.length >= 100, { what: "sessions up to the limit" });
    while (await sluice.cpuShareOver(500) > 0.1);
    assert(served.length + refused < CLIENTS, `the limit must bind: ${served.length} served, ${refused} refused`);
    const share = await sluice.cpuShareOver(1500);
    assert(share < 0.15, `no busy loop while files are short: ${Math.round(share * 100)}% of a core`);
    for (const client of served.slice(0, 20)) await client.roundTrip();

    // Each that leaves makes room for one that waits.
    let left = 0;
    await eventually(() => {
      for (; left < served.length; left++) served[left]?.close();
      return served.length + refused === CLIENTS;
    }, { what: "every client to have its turn", deadlineMs: 40_000 });
    await all;
    assertEquals(refused, 0, "who waits is not refused");
    await sluice.waitForRecords(CLIENTS);

    const after = await world.connect(sluice.address());
    assertEquals(await after.readText(2), "hi");
  },
  { deadlineMs: 120_000 },
);
