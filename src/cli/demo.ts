/**
 * `sluice demo`: the proxy with two example tenants, and the backends that they need.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { startBackends } from "../demo/backends.ts";
import { hintsFor } from "../demo/hints.ts";
import type { Command, Io } from "./command.ts";
import { serveFile } from "./serve.ts";

/** The command. */
export const demoCommand: Command = {
  name: "demo",
  summary: "run the proxy with two example tenants and built-in backends",
  description: "Serves config/demo.yaml and starts the backends that it names: an echo service and three small web\n" +
    "sites on loopback. Prints what to try. Ctrl-C ends it.",
  flags: [],
  needs: ["ffi", "net", "run", "write"],
  run: (_args, io) => runDemo(io),
};

async function runDemo(io: Io): Promise<number> {
  let backends;
  try {
    backends = startBackends();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    io.err(`sluice: ${error.message}\n`);
    return 1;
  }
  await using _ = backends;
  const config = fileURLToPath(new URL("../../config/demo.yaml", import.meta.url));
  return await serveFile(config, io, { onReady: () => io.out(hintsFor(Deno.pid)) });
}
