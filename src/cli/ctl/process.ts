/**
 * `sluice ctl status` and `ctl reload`: the process as a whole.
 *
 * @module
 */
import { formatSpan } from "../../ctl/format.ts";
import { asItem, itemsOf, numberOf, text } from "../../ctl/lists.ts";
import { tonedLines } from "../../ctl/tables.ts";
import type { Command } from "../command.ts";
import { ctlCommand, type CtlDeps } from "./context.ts";
import { writeBody, writeTable } from "./output.ts";

/** `ctl status`. */
export function statusCommand(deps: CtlDeps): Command {
  return ctlCommand(deps, {
    name: "ctl status",
    summary: "show the process at a glance",
    description:
      "Shows version, uptime, the generation in force, how the last reload went, and tenants whose file is\n" +
      "wrong. Exit code 1 when the last reload failed or a tenant is in error.",
    flags: [],
    work: async (ctl) => {
      const answer = await ctl.client.request("GET", "/v1/status");
      const status = asItem(answer.json());
      const reload = asItem(status["last_reload"]);
      const wrong = itemsOf(status["tenants_in_error"]);
      const isWell = reload["ok"] !== false && wrong.length === 0;
      if (ctl.isJson) {
        writeBody(ctl, answer);
        return isWell ? 0 : 1;
      }
      writeTable(ctl, [{ title: "STATUS" }, { title: "" }], [
        ["version", text(status["version"])],
        ["up for", formatSpan((numberOf(status["uptime_s"]) ?? 0) * 1000)],
        ["workers", text(status["workers"])],
        ["generation", text(status["generation"])],
        [
          "last reload",
          reload["at"] === undefined ? "none" : {
            text: `${reload["ok"] === true ? "ok" : "failed"}, ${text(reload["at"])}`,
            tone: reload["ok"] === true ? "good" : "bad",
          },
        ],
        ["tenants in error", wrong.length === 0 ? "0" : { text: String(wrong.length), tone: "bad" }],
      ], "");
      const tell = (sentence: string) => ctl.io.out(`${tonedLines(sentence, "bad", ctl.io.color)}\n`);
      for (const error of listOf(reload["errors"])) tell(`last reload: ${error}`);
      for (const { tenant, errors } of wrong) for (const error of listOf(errors)) tell(`${text(tenant)}: ${error}`);
      return isWell ? 0 : 1;
    },
  });
}

/** `ctl reload`. */
export function reloadCommand(deps: CtlDeps): Command {
  return ctlCommand(deps, {
    name: "ctl reload",
    summary: "read the configuration's files again",
    description:
      "Does what SIGHUP does, and says how it went. What is wrong changes nothing, a tenant's file that is wrong\n" +
      "nothing of that tenant: exit code 1.",
    flags: [],
    work: async (ctl) => {
      const answer = await ctl.client.request("POST", "/v1/config/reload");
      const { ok, changed, generation, errors } = asItem(answer.json());
      if (ctl.isJson) writeBody(ctl, answer);
      else if (ok === true) {
        ctl.io.out(`${changed === false ? "nothing has changed" : "reloaded"} (generation ${text(generation)})\n`);
      } else ctl.io.err(`sluice: ctl reload: the configuration is wrong, the one before stays in force\n`);
      if (!ctl.isJson) { for (const error of listOf(errors)) ctl.io.err(`${tonedLines(error, undefined, false)}\n`); }
      return ok === true && listOf(errors).length === 0 ? 0 : 1;
    },
  });
}

function listOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(text) : [];
}
