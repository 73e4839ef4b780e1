/** Small messages are passed on at once: no Nagle, no waiting for more. */
import { assert } from "@std/assert";
import { oneTenant } from "../helpers/config.ts";
import { e2e } from "../helpers/world.ts";

const ROUNDS = 100;

e2e("latency: a message in two small pieces does not wait for an acknowledgement of the first", async (world) => {
  const backend = await world.backend();
  const sluice = await world.sluice(oneTenant([backend.address]));
  const client = await world.connect(sluice.address());
  const server = await backend.accept();
  const start = performance.now();
  for (let round = 0; round < ROUNDS; round++) {
    // The second piece is sent when the first has passed the proxy, so that it makes a segment of its own.
    await client.write("first");
    await server.readText(5);
    await client.write("second");
    await client.write("third");
    await server.readText(11);
    await server.write("one");
    await client.readText(3);
    await server.write("two");
    await server.write("three");
    await client.readText(8);
  }
  const each = (performance.now() - start) / ROUNDS;
  assert(each < 20, `a round must not wait for delayed acknowledgements (40 ms): ${each.toFixed(1)} ms`);
});
