/**
 * `sluice ctl endpoints`: taking an endpoint out of use and back.
 *
 * @module
 */
import { pathOf } from "../../ctl/client.ts";
import { type Command, UsageError } from "../command.ts";
import type { CommandGroup } from "../group.ts";
import { CTL_FLAGS, ctlCommand, type CtlDeps } from "./context.ts";
import { DRY_RUN_FLAG, dryRunQuery, idOf } from "./operands.ts";
import { writeOutcome } from "./output.ts";

const VERBS = {
  drain: {
    summary: "give an endpoint no new sessions",
    description: "Live sessions go on until they end by themselves.",
    done: "draining",
  },
  ready: {
    summary: "give an endpoint sessions again",
    description: "Ends a drain or maintenance.",
    done: "ready",
  },
  maintenance: {
    summary: "take an endpoint out of use",
    description: "No new sessions and no health checks, until `ctl endpoints ready`.",
    done: "in maintenance",
  },
} as const;

/** The group. */
export function endpointsGroup(deps: CtlDeps): CommandGroup {
  return {
    name: "ctl endpoints",
    summary: "take endpoints out of use and back",
    description: "States of endpoints: ready, drain (no new sessions), maintenance.",
    flags: CTL_FLAGS,
    commands: {
      drain: () => Promise.resolve(verbCommand(deps, "drain")),
      ready: () => Promise.resolve(verbCommand(deps, "ready")),
      maintenance: () => Promise.resolve(verbCommand(deps, "maintenance")),
    },
  };
}

function verbCommand(deps: CtlDeps, verb: keyof typeof VERBS): Command {
  const { summary, description, done } = VERBS[verb];
  return ctlCommand(deps, {
    name: `ctl endpoints ${verb}`,
    summary,
    description,
    flags: [DRY_RUN_FLAG],
    operands: { usage: "TENANT/BACKEND/ENDPOINT", min: 1, max: 1 },
    check: (args) => void endpointOf(args.operands[0] ?? ""),
    work: async (ctl) => {
      const { tenant, backend, endpoint } = endpointOf(ctl.args.operands[0] ?? "");
      const path = pathOf("tenants", tenant, "backends", backend, "endpoints", endpoint, verb);
      const answer = await ctl.client.request("POST", path, { query: dryRunQuery(ctl.args) });
      return writeOutcome(ctl, answer, `${tenant}/${backend}/${endpoint}: ${done}`);
    },
  });
}

function endpointOf(text: string): { tenant: string; backend: string; endpoint: string } {
  const [tenant = "", backend = "", endpoint = "", ...more] = text.split("/");
  if (more.length > 0 || endpoint === "") {
    throw new UsageError(`the endpoint must be TENANT/BACKEND/ENDPOINT: current value is ${JSON.stringify(text)}`);
  }
  return { tenant: idOf(tenant, "TENANT"), backend: idOf(backend, "BACKEND"), endpoint: idOf(endpoint, "ENDPOINT") };
}
