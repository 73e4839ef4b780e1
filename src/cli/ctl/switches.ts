/**
 * `sluice ctl tenants enable|disable|drain|delete`, and `ctl drain`: verbs that turn a tenant on or off, and the wait
 * for its sessions.
 *
 * @module
 */
import { pathOf } from "../../ctl/client.ts";
import { asItem, itemsOf, numberOf, readList } from "../../ctl/lists.ts";
import { ApiError } from "../../ctl/problem.ts";
import { Progress } from "../../ctl/progress.ts";
import { untilDrained } from "../../ctl/wait.ts";
import type { Arguments, Command } from "../command.ts";
import { UsageError } from "../command.ts";
import { type Ctl, ctlCommand, type CtlDeps, screenOf } from "./context.ts";
import { DRAIN_FLAG, DRY_RUN_FLAG, dryRunQuery, durationFlag, tenantOf, timeoutMs, WAIT_FLAGS } from "./operands.ts";
import { writeOutcome } from "./output.ts";

const OPERANDS = { usage: "TENANT", min: 1, max: 1 };

/** `ctl tenants enable`. */
export function enableCommand(deps: CtlDeps): Command {
  return ctlCommand(deps, {
    name: "ctl tenants enable",
    summary: "accept sessions of a tenant again",
    description: "Sets `enabled: true`, in the file too.",
    flags: [DRY_RUN_FLAG],
    operands: OPERANDS,
    check: (args) => void tenantOf(args),
    work: async (ctl) => {
      const id = tenantOf(ctl.args);
      const answer = await ctl.client.request("POST", pathOf("tenants", id, "enable"), {
        query: dryRunQuery(ctl.args),
      });
      return writeOutcome(ctl, answer, `${id}: enabled`);
    },
  });
}

/** `ctl tenants disable`. */
export function disableCommand(deps: CtlDeps): Command {
  return ctlCommand(deps, {
    name: "ctl tenants disable",
    summary: "refuse new sessions of a tenant",
    description: "Sets `enabled: false`, in the file too. The addresses stay bound, new sessions are refused with\n" +
      "tenant_disabled; live ones go on: `ctl tenants drain` ends them.",
    flags: [DRY_RUN_FLAG, ...WAIT_FLAGS],
    operands: OPERANDS,
    check: checkDrain,
    work: (ctl) => drainVerb(ctl, "POST", pathOf("tenants", tenantOf(ctl.args), "disable"), "disabled"),
  });
}

/** `ctl tenants drain`, and its short form `ctl drain`. */
export function drainCommand(deps: CtlDeps, name: "ctl drain" | "ctl tenants drain"): Command {
  return ctlCommand(deps, {
    name,
    summary: "let a tenant's sessions finish, accept no new ones",
    description:
      "Refuses new sessions and closes live ones after the drain time, with KD. --wait stays until the last\n" +
      "one is gone: with a progress bar on a terminal, a line every five seconds elsewhere.",
    flags: [DRAIN_FLAG, DRY_RUN_FLAG, ...WAIT_FLAGS],
    operands: OPERANDS,
    check: checkDrain,
    work: (ctl) => drainVerb(ctl, "POST", pathOf("tenants", tenantOf(ctl.args), "drain"), "draining"),
  });
}

/** `ctl tenants delete`. */
export function deleteCommand(deps: CtlDeps): Command {
  return ctlCommand(deps, {
    name: "ctl tenants delete",
    summary: "remove a tenant",
    description:
      "Removes a tenant from the configuration, in the files too. Its addresses are closed at once, its sessions\n" +
      "after the drain time.",
    flags: [
      DRAIN_FLAG,
      { name: "if-match", value: "ETAG", summary: "only if it is still as it was when this ETag was read" },
      DRY_RUN_FLAG,
      ...WAIT_FLAGS,
    ],
    operands: OPERANDS,
    check: checkDrain,
    work: (ctl) => drainVerb(ctl, "DELETE", pathOf("tenants", tenantOf(ctl.args)), "deleted"),
  });
}

function checkDrain(args: Arguments): void {
  tenantOf(args);
  durationFlag(args, "drain");
  timeoutMs(args);
  if (args.switches.has("wait") && args.switches.has("dry-run")) {
    throw new UsageError("--wait and --dry-run must not be given together: a dry run drains nothing");
  }
}

async function drainVerb(ctl: Ctl, method: "POST" | "DELETE", path: string, done: string): Promise<number> {
  const { client, args, io, deps } = ctl;
  const id = tenantOf(args);
  const ifMatch = args.values.get("if-match");
  const answer = await client.request(method, path, {
    query: { drain: durationFlag(args, "drain"), ...dryRunQuery(args) },
    headers: ifMatch === undefined ? {} : { "if-match": quoted(ifMatch) },
  });
  const isDraining = answer.status === 202 && method === "DELETE" && !args.switches.has("wait");
  const code = writeOutcome(ctl, answer, `${id}: ${done}${isDraining ? ", its sessions drain" : ""}`);
  if (!args.switches.has("wait")) return code;
  {
    using progress = new Progress(id, screenOf(ctl));
    await untilDrained({
      left: () => sessionsOf(ctl, id),
      onLeft: (left) => progress.update(left),
      deadlineMs: timeoutMs(args),
      now: deps.now,
      pause: (ms) => deps.pause(ms),
    });
  }
  if (!ctl.isJson) io.out(`${id}: no sessions left\n`);
  return code;
}

/** An ETag as it goes into a header; shells often take the quotes away. */
export function quoted(etag: string): string {
  return etag === "*" || /^(?:W\/)?"/.test(etag) ? etag : `"${etag}"`;
}

/** A deleted tenant has no status any more, but its sessions are still listed. */
async function sessionsOf({ client }: Ctl, tenant: string): Promise<number> {
  try {
    const status = asItem((await client.request("GET", pathOf("tenants", tenant, "status"))).json());
    return numberOf(status["sessions"]) ?? itemsOf(status["sessions"]).length;
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
    return (await readList(client, "/v1/sessions", { tenant })).items.length;
  }
}
