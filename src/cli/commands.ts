/**
 * The table of commands. Read by `main.ts`, and by `completions.ts` for the shells.
 *
 * @module
 */
import type { Commands } from "./group.ts";

/** Every command of `sluice`, in the order of the help. */
export const COMMANDS: Commands = {
  serve: async () => (await import("./serve.ts")).serveCommand,
  check: async () => (await import("./check.ts")).checkCommand,
  demo: async () => (await import("./demo.ts")).demoCommand,
  doctor: async () => (await import("./doctor.ts")).doctorCommand,
  ctl: async () => (await import("./ctl.ts")).ctlGroup(),
  token: async () => (await import("./token.ts")).tokenGroup,
  completions: async () => (await import("./completions.ts")).completionsGroup(() => COMMANDS),
};
