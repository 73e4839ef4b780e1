/**
 * Behaviours of scripted backends, one a function.
 *
 * @module
 */
import type { Behaviour } from "./backend.ts";
import type { Wire } from "./wire.ts";
import type { FlowOptions } from "./pattern.ts";
import { receivePattern, sendPattern } from "./pattern.ts";

/** Sends back what comes, until the client's EOF. */
export async function echo(wire: Wire): Promise<void> {
  const buffer = new Uint8Array(65_536);
  for (;;) {
    const got = await wire.readInto(buffer, 600_000);
    if (got === "eof" || got === "reset") return;
    await wire.write(buffer.subarray(0, got), 600_000);
  }
}

/** Speaks first: sends `text`, then echoes. */
export function banner(text: string): Behaviour {
  return async (wire) => {
    await wire.write(text);
    await echo(wire);
  };
}

/** Sends `text` and closes at once: names an endpoint in tests of balancing. */
export function sayAndClose(text: string): Behaviour {
  return async (wire) => {
    await wire.write(text);
    await wire.closeWrite();
    await wire.readToEnd();
  };
}

/** Takes what comes and says nothing, until the client's EOF. */
export async function hold(wire: Wire): Promise<void> {
  const buffer = new Uint8Array(65_536);
  for (;;) {
    const got = await wire.readInto(buffer, 600_000);
    if (got === "eof" || got === "reset") return;
  }
}

/** Sends `total` bytes of the stream `seed`, then closes without reading. */
export function source(seed: number, total: number, options?: FlowOptions): Behaviour {
  return (wire) => sendPattern(wire, seed, total, options);
}

/** Receives the stream `seed` to its end, checks it, and tells how many bytes came. */
export function sink(seed: number, tell: (bytes: number, end: string) => void, options?: FlowOptions): Behaviour {
  return async (wire) => {
    const { bytes, end } = await receivePattern(wire, seed, options);
    tell(bytes, end);
  };
}
