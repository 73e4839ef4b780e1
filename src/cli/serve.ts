/**
 * `sluice serve`: runs the proxy in the foreground.
 *
 * @module
 */
import { defaultConfigPath } from "../config/mod.ts";
import { grepReader } from "../doctor/mod.ts";
import { libraryPath } from "../ffi/mod.ts";
import { type HostHooks, runHost, systemHostDeps, warnOfMachine } from "../host/mod.ts";
import { type Command, CONFIG_FLAG, type Io } from "./command.ts";

/** The command. */
export const serveCommand: Command = {
  name: "serve",
  summary: "run the proxy in the foreground",
  description:
    "Binds every address of the configuration and forwards until SIGTERM or SIGINT. Prints one line for each\n" +
    "bound address and then a line that starts with `ready`.\n\n" +
    "Edits of the configuration's files take effect by themselves (watch: false turns that off), and SIGHUP reads all\n" +
    "of them again and looks names of endpoints up anew; sessions go on. A main file that is wrong changes\n" +
    "nothing; a tenant's file that is wrong leaves that tenant as it was, or out.\n" +
    "SIGTERM and SIGINT stop accepting, let sessions run for shutdown.grace, close the rest and exit with 0;\n" +
    "a second one ends at once, with exit code 1.",
  flags: [
    CONFIG_FLAG,
    { name: "insecure", summary: "let everybody on this machine use an admin API on loopback that has no tokens" },
  ],
  needs: ["ffi", "net", "run", "write"],
  run: async (args, io) => {
    const path = await defaultConfigPath(args.values.get("config"));
    return await serveFile(path, io, {}, { insecure: args.switches.has("insecure") });
  },
};

/** Serves a configuration with everything real; resolves with the exit code. */
export async function serveFile(
  path: string,
  io: Io,
  hooks: HostHooks = {},
  options: { readonly insecure: boolean } = { insecure: false },
): Promise<number> {
  const deps = { ...systemHostDeps(io, libraryPath(Deno.env.get("SLUICE_LIBRARY"))), ...options };
  return await runHost(path, deps, {
    onReady: (running) => {
      const { control: { plan }, workers, log } = running;
      const machine = { read: grepReader, pid: Deno.pid, cores: deps.cores };
      warnOfMachine(machine, { file: path, plan, workers, log })
        .catch((error: Error) => log.debug("the machine could not be examined", { error }))
        // Nothing runs another program from here on.
        .finally(() => Deno.permissions.revoke({ name: "run" }));
      hooks.onReady?.(running);
    },
  });
}
