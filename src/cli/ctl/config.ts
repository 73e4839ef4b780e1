/**
 * `sluice ctl config`: the whole configuration, its generations, and the way back.
 *
 * @module
 */
import { formatChange } from "../../ctl/changes.ts";
import { formatFaults } from "../../ctl/faults.ts";
import { count } from "../../ctl/format.ts";
import { asItem, itemsOf, text } from "../../ctl/lists.ts";
import { ApiError, faultsOf } from "../../ctl/problem.ts";
import { type Command, UsageError } from "../command.ts";
import type { CommandGroup } from "../group.ts";
import { FILE_FLAG, fileOf } from "./apply.ts";
import { type Ctl, CTL_FLAGS, ctlCommand, type CtlDeps, readFile } from "./context.ts";
import { DRY_RUN_FLAG, dryRunQuery, LIMIT_FLAG, limitOf } from "./operands.ts";
import { writeBody, writeOutcome, writeTable } from "./output.ts";
import { quoted } from "./switches.ts";

/** The group. */
export function configGroup(deps: CtlDeps): CommandGroup {
  return {
    name: "ctl config",
    summary: "read, check and replace the configuration, and go back to an earlier one",
    description: "The whole configuration of the running proxy. For one tenant see `ctl tenants`.",
    flags: CTL_FLAGS,
    commands: {
      get: () => Promise.resolve(getCommand(deps)),
      validate: () => Promise.resolve(validateCommand(deps)),
      put: () => Promise.resolve(putCommand(deps)),
      generations: () => Promise.resolve(generationsCommand(deps)),
      rollback: () => Promise.resolve(rollbackCommand(deps)),
    },
  };
}

function getCommand(deps: CtlDeps): Command {
  return ctlCommand(deps, {
    name: "ctl config get",
    summary: "write the configuration",
    description:
      "Writes the main file as it is, comments included, or with --json all that is configured, tenants of\n" +
      "tenants_dir too. Its ETag, which `ctl config put --if-match` wants, goes to standard error.",
    flags: [],
    work: async (ctl) => {
      const accept = ctl.isJson ? "application/json" : "application/yaml";
      const answer = await ctl.client.request("GET", "/v1/config", { headers: { accept } });
      writeBody(ctl, answer);
      if (answer.etag !== null) ctl.io.err(`ETag: ${answer.etag}\n`);
      return 0;
    },
  });
}

/** The file's text, and how it is sent. */
async function configFile(ctl: Ctl): Promise<{ file: string; yaml: string }> {
  const file = fileOf(ctl.args.values);
  return { file, yaml: await readFile(file, ctl.deps) };
}

function validateCommand(deps: CtlDeps): Command {
  return ctlCommand(deps, {
    name: "ctl config validate",
    summary: "have the running proxy check a file",
    description:
      "Sends a configuration, YAML or JSON, and tells what would be wrong with it there; nothing changes.\n" +
      "Exit code 1 when something is.",
    flags: [FILE_FLAG],
    check: (args) => void fileOf(args.values),
    work: async (ctl) => {
      const { file, yaml } = await configFile(ctl);
      const answer = await ctl.client.request("POST", "/v1/config/validate", { yaml });
      const faults = faultsOf(asItem(answer.json())["errors"]);
      if (ctl.isJson) writeBody(ctl, answer);
      else if (faults.length === 0) ctl.io.out(`${file}: ok\n`);
      else ctl.io.out(`${formatFaults(faults, { file })}${file}: ${count(faults.length, "problem")}\n`);
      return faults.length === 0 ? 0 : 1;
    },
  });
}

function putCommand(deps: CtlDeps): Command {
  return ctlCommand(deps, {
    name: "ctl config put",
    summary: "replace the configuration",
    description:
      "Replaces the whole configuration by a file, YAML or JSON, in force and on disk. --if-match says which\n" +
      "state is meant to be replaced: the ETag that `ctl config get` told.",
    flags: [
      FILE_FLAG,
      { name: "if-match", value: "ETAG", summary: "the state that is replaced; * is any" },
      DRY_RUN_FLAG,
    ],
    check: (args) => {
      fileOf(args.values);
      if (!args.values.has("if-match")) {
        throw new UsageError("missing flag: --if-match ETAG (see `sluice ctl config get`)");
      }
    },
    work: async (ctl) => {
      const { file, yaml } = await configFile(ctl);
      try {
        const answer = await ctl.client.request("PUT", "/v1/config", {
          yaml,
          query: dryRunQuery(ctl.args),
          headers: { "if-match": quoted(ctl.args.values.get("if-match") ?? "") },
        });
        return writeOutcome(ctl, answer, "replaced");
      } catch (error) {
        if (!(error instanceof ApiError) || error.faults.length === 0 || ctl.isJson) throw error;
        ctl.io.err(`sluice: ctl config put: ${error.message}\n${formatFaults(error.faults, { file })}`);
        return 1;
      }
    },
  });
}

/** Changes of a generation that are shown. */
const MOST_CHANGES = 5;

function generationsCommand(deps: CtlDeps): Command {
  return ctlCommand(deps, {
    name: "ctl config generations",
    summary: "list the states that can be gone back to",
    description: "Lists who changed what and when, the latest last.",
    flags: [{ ...LIMIT_FLAG, summary: "the latest N only" }],
    check: (args) => void limitOf(args),
    work: async (ctl) => {
      const answer = await ctl.client.request("GET", "/v1/config/generations");
      if (ctl.isJson) {
        writeBody(ctl, answer);
        return 0;
      }
      const items = itemsOf(asItem(answer.json())["items"]).slice(-limitOf(ctl.args));
      const columns = [
        { title: "GENERATION", align: "right" as const },
        { title: "AT" },
        { title: "BY" },
        { title: "CHANGES" },
      ];
      const rows = items.flatMap(({ generation, at, actor, changes }) => {
        const lines = itemsOf(changes).map((change) => formatChange(change, false));
        const more = lines.length - MOST_CHANGES;
        const shown = [...lines.slice(0, MOST_CHANGES), ...(more > 0 ? [`and ${more} more`] : [])];
        return (shown.length === 0 ? ["-"] : shown).map((line, index) =>
          index === 0 ? [text(generation), text(at), text(actor), line] : ["", "", "", line]
        );
      });
      writeTable(ctl, columns, rows, "no generations");
      return 0;
    },
  });
}

function rollbackCommand(deps: CtlDeps): Command {
  return ctlCommand(deps, {
    name: "ctl config rollback",
    summary: "go back to an earlier generation",
    description: "Puts the configuration of an earlier generation in force, and on disk, as a new one.",
    flags: [
      { name: "if-match", value: "ETAG", summary: "only from this state (else from whatever is in force)" },
      DRY_RUN_FLAG,
    ],
    operands: { usage: "GENERATION", min: 1, max: 1 },
    check: (args) => void generationOf(args.operands[0]),
    work: async (ctl) => {
      const generation = generationOf(ctl.args.operands[0]);
      const answer = await ctl.client.request("POST", "/v1/config/rollback", {
        json: { generation },
        query: dryRunQuery(ctl.args),
        headers: { "if-match": quoted(ctl.args.values.get("if-match") ?? "*") },
      });
      return writeOutcome(ctl, answer, `back to what generation ${generation} was`);
    },
  });
}

function generationOf(text: string | undefined): number {
  if (text !== undefined && /^\d{1,15}$/.test(text)) return Number(text);
  throw new UsageError(`GENERATION must be a number: current value is ${JSON.stringify(text)}`);
}
