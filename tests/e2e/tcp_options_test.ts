/** Keepalive is on, as the tenant says, on both sides of a session. Read from the kernel by `ss`. */
import { assert, assertEquals } from "@std/assert";
import { parseTarget } from "../helpers/address.ts";
import { echo } from "../helpers/behaviours.ts";
import { oneTenant } from "../helpers/config.ts";
import { eventually } from "../helpers/eventually.ts";
import { findProgram, reportAbsent, run } from "../helpers/programs.ts";
import { e2e } from "../helpers/world.ts";

const ss = findProgram("ss");
if (!ss) reportAbsent("TCP options", "iproute2");

/** Seconds until the next probe of the proxy's socket that a filter of `ss` finds; undefined without keepalive. */
async function keepaliveOf(filter: string): Promise<number | undefined> {
  if (!ss) throw new Error("unreachable: the test is ignored without ss");
  const { text } = await run(ss, ["-Htno", "state", "established", filter]);
  const timer = /timer:\(keepalive,(?:(\d+)min)?(?:([\d.]+)sec)?/.exec(text);
  return timer ? Number(timer[1] ?? 0) * 60 + Number(timer[2] ?? 0) : undefined;
}

function portOf(address: string): number {
  const target = parseTarget(address);
  return target.transport === "tcp" ? target.port : 0;
}

e2e("tcp: keepalive on both sides, with the tenant's times", async (world) => {
  const backend = await world.backend(echo);
  for (const [idle, least, most] of [["100s", 60, 100], ["600s", 540, 600]] as const) {
    const tcp = { keepalive: { idle, interval: "30s", probes: 3 } };
    const sluice = await world.sluice(oneTenant([backend.address], { tcp }));
    const client = await world.connect(sluice.address());
    await client.roundTrip();
    for (const filter of [`sport = :${portOf(sluice.address())}`, `dport = :${portOf(backend.address)}`]) {
      const seconds = await eventually(() => keepaliveOf(filter), { what: `keepalive at ${filter}` });
      assert(seconds > least && seconds <= most, `${filter}: a probe after ${idle}: ${seconds} s`);
    }
    client.close();
    await sluice.waitForRecord();
    assertEquals(await keepaliveOf(`sport = :${portOf(sluice.address())}`), undefined);
  }
}, { ignore: !ss });
