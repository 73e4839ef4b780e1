/** Urgent data is part of the stream: a proxy that reads out of line would drop the byte. */
import { assertEquals } from "@std/assert";
import { parseTarget } from "../helpers/address.ts";
import { echo } from "../helpers/behaviours.ts";
import { oneTenant } from "../helpers/config.ts";
import { PeerProgram } from "../helpers/peer.ts";
import { e2e } from "../helpers/world.ts";

e2e("urgent: a byte sent as urgent data arrives in its place", async (world) => {
  const backend = await world.backend(echo);
  const sluice = await world.sluice(oneTenant([backend.address]));
  const target = parseTarget(sluice.address());
  if (target.transport !== "tcp") throw new Error("the listener must be TCP");
  const peer = world.use(await PeerProgram.start("urgent", target.hostname, target.port));
  assertEquals(await peer.answer("got"), ["abcde"]);
  await sluice.waitForRecord({ code: "--", bytes_up: 5, bytes_down: 5 });
});
