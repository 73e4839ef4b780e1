/**
 * `sluice ctl audit`: who asked for what, and what came of it.
 *
 * @module
 */
import { itemsOf, readList, text } from "../../ctl/lists.ts";
import type { Column } from "../../ctl/tables.ts";
import type { Command } from "../command.ts";
import { ctlCommand, type CtlDeps } from "./context.ts";
import { LIMIT_FLAG, limitOf } from "./operands.ts";
import { writeJson, writeTable } from "./output.ts";

const COLUMNS: readonly Column[] = [
  { title: "AT" },
  { title: "BY" },
  { title: "VERB" },
  { title: "TARGET" },
  { title: "GENERATION", align: "right" },
  { title: "CHANGES", align: "right" },
  { title: "RESULT" },
];

/** The command. */
export function auditCommand(deps: CtlDeps): Command {
  return ctlCommand(deps, {
    name: "ctl audit",
    summary: "show who asked for what, and what came of it",
    description:
      "Shows the entries of the audit that are kept, the latest first. --json has each change, from what to what.",
    flags: [LIMIT_FLAG],
    check: (args) => void limitOf(args),
    work: async (ctl) => {
      const list = await readList(ctl.client, "/v1/audit", {}, limitOf(ctl.args));
      if (ctl.isJson) writeJson(ctl, list);
      else {
        const rows = list.items.map(({ at, actor, verb, target, generation, changes, result }) => [
          text(at),
          text(actor),
          text(verb),
          text(target),
          text(generation),
          String(itemsOf(changes).length),
          text(result),
        ]);
        writeTable(ctl, COLUMNS, rows, "no entries");
      }
      return 0;
    },
  });
}
