/**
 * `sluice ctl`: the admin API from the command line. The groups are in `ctl/`.
 *
 * @module
 */
import { CTL_FLAGS, type CtlDeps, systemCtlDeps } from "./ctl/context.ts";
import type { CommandGroup } from "./group.ts";

/** The group; tests give their own outside. */
export function ctlGroup(deps: CtlDeps = systemCtlDeps()): CommandGroup {
  return {
    name: "ctl",
    summary: "manage a running proxy through its admin API",
    description:
      "Asks the admin API of a running `sluice serve`, and tells what it answers: as a table, or as the API's own\n" +
      "JSON with --json. The token is read from --token-file or $SLUICE_TOKEN, never from the command line.\n" +
      "Exit code 0: done; 1: the API refused, or could not be asked; 2: wrong usage.",
    flags: CTL_FLAGS,
    commands: {
      status: async () => (await import("./ctl/process.ts")).statusCommand(deps),
      tenants: async () => (await import("./ctl/tenants.ts")).tenantsGroup(deps),
      sessions: async () => (await import("./ctl/sessions.ts")).sessionsGroup(deps),
      endpoints: async () => (await import("./ctl/endpoints.ts")).endpointsGroup(deps),
      config: async () => (await import("./ctl/config.ts")).configGroup(deps),
      stats: async () => (await import("./ctl/stats.ts")).statsCommand(deps),
      events: async () => (await import("./ctl/events.ts")).eventsCommand(deps),
      audit: async () => (await import("./ctl/audit.ts")).auditCommand(deps),
      drain: async () => (await import("./ctl/switches.ts")).drainCommand(deps, "ctl drain"),
      reload: async () => (await import("./ctl/process.ts")).reloadCommand(deps),
    },
  };
}
