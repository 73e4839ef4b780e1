/**
 * `sluice ctl sessions`: live sessions, and closing some of them.
 *
 * @module
 */
import { pathOf, type Query } from "../../ctl/client.ts";
import { count, formatBytes, formatSpan } from "../../ctl/format.ts";
import { asItem, type Item, numberOf, readList, text } from "../../ctl/lists.ts";
import type { Cell, Column } from "../../ctl/tables.ts";
import { type Arguments, type Command, type Flag, UsageError } from "../command.ts";
import type { CommandGroup } from "../group.ts";
import { CTL_FLAGS, ctlCommand, type CtlDeps } from "./context.ts";
import { DRY_RUN_FLAG, dryRunQuery, durationFlag, idFlag, LIMIT_FLAG, limitOf, sessionOf } from "./operands.ts";
import { writeBody, writeJson, writeTable } from "./output.ts";

/** The group. */
export function sessionsGroup(deps: CtlDeps): CommandGroup {
  return {
    name: "ctl sessions",
    summary: "list live sessions, or kill some",
    description: "Sessions that go on at this moment. Those that have ended are in the access log.",
    flags: CTL_FLAGS,
    commands: {
      list: () => Promise.resolve(listCommand(deps)),
      get: () => Promise.resolve(getCommand(deps)),
      kill: () => Promise.resolve(killCommand(deps)),
    },
  };
}

const FILTERS: readonly Flag[] = [
  { name: "tenant", value: "ID", summary: "only of this tenant" },
  { name: "backend", value: "ID", summary: "only on this backend" },
  { name: "endpoint", value: "ID", summary: "only on this endpoint" },
  { name: "source", value: "ADDRESS", summary: "only from this address or range, such as 192.0.2.0/24" },
  { name: "older-than", value: "TIME", summary: "only those that are older, such as 10m" },
];

function filterOf(args: Arguments): Query {
  return {
    tenant: idFlag(args, "tenant"),
    backend: idFlag(args, "backend"),
    endpoint: idFlag(args, "endpoint"),
    source: args.values.get("source"),
    older_than: durationFlag(args, "older-than"),
  };
}

const COLUMNS: readonly Column[] = [
  { title: "SESSION" },
  { title: "TENANT" },
  { title: "LISTENER" },
  { title: "ENDPOINT" },
  { title: "CLIENT" },
  { title: "AGE", align: "right" },
  { title: "UP", align: "right" },
  { title: "DOWN", align: "right" },
  { title: "CONNECT", align: "right" },
  { title: "TRIES", align: "right" },
];

/** Sessions that are listed when nobody says how many: more than a screen, less than a flood. */
const MOST_LISTED = 1000;

function listCommand(deps: CtlDeps): Command {
  return ctlCommand(deps, {
    name: "ctl sessions list",
    summary: "list live sessions",
    description: `Lists live sessions, ${MOST_LISTED} at the most unless --limit says otherwise.`,
    flags: [...FILTERS, LIMIT_FLAG],
    check: (args) => void [filterOf(args), limitOf(args)],
    work: async (ctl) => {
      const most = ctl.args.values.has("limit") ? limitOf(ctl.args) : MOST_LISTED;
      const list = await readList(ctl.client, "/v1/sessions", filterOf(ctl.args), most);
      if (ctl.isJson) writeJson(ctl, list);
      else writeTable(ctl, COLUMNS, list.items.map(rowOf), "no sessions");
      if (list.next_cursor !== null) ctl.io.err(`these are the first ${list.items.length}; there are more\n`);
      return 0;
    },
  });
}

function rowOf(session: Item): readonly Cell[] {
  const { backend, endpoint, client_port: port } = session;
  return [
    text(session["session"]),
    text(session["tenant"]),
    text(session["listener"]),
    backend === undefined || backend === null ? "-" : `${text(backend)}/${text(endpoint)}`,
    clientText(session["client"], port),
    measured(session["total_ms"], formatSpan),
    measured(session["bytes_up"], formatBytes),
    measured(session["bytes_down"], formatBytes),
    measured(session["connect_ms"], (ms) => `${ms.toFixed(1)}ms`),
    text(session["attempts"]),
  ];
}

function clientText(client: unknown, port: unknown): string {
  const address = text(client);
  if (typeof port !== "number" || port === 0) return address;
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

function measured(value: unknown, format: (amount: number) => string): string {
  const amount = numberOf(value);
  return amount === undefined ? "-" : format(amount);
}

function getCommand(deps: CtlDeps): Command {
  return ctlCommand(deps, {
    name: "ctl sessions get",
    summary: "show one session",
    description: "Shows the fields that the session's line in the access log would have by now.",
    flags: [],
    operands: { usage: "ID", min: 1, max: 1 },
    check: (args) => void sessionOf(args.operands[0] ?? ""),
    work: async (ctl) => {
      const id = sessionOf(ctl.args.operands[0] ?? "");
      const answer = await ctl.client.request("GET", pathOf("sessions", id));
      if (ctl.isJson) writeBody(ctl, answer);
      else {
        const rows = Object.entries(asItem(answer.json())).map(([field, value]) => [field, text(value)]);
        writeTable(ctl, [{ title: "FIELD" }, { title: "VALUE" }], rows, "");
      }
      return 0;
    },
  });
}

function killCommand(deps: CtlDeps): Command {
  return ctlCommand(deps, {
    name: "ctl sessions kill",
    summary: "close a session, or all that match",
    description:
      "Closes the session with this id, or every one that matches all the filters; they end with KD and the\n" +
      "reason killed. Without a filter --all is needed.",
    flags: [...FILTERS, { name: "all", summary: "every session that the token may see" }, DRY_RUN_FLAG],
    operands: { usage: "[ID]", min: 0, max: 1 },
    check: checkKill,
    work: async (ctl) => {
      const [id] = ctl.args.operands;
      const dryRun = dryRunQuery(ctl.args);
      const answer = id === undefined
        ? await ctl.client.request("DELETE", "/v1/sessions", { query: { ...filterOf(ctl.args), ...dryRun } })
        : await ctl.client.request("DELETE", pathOf("sessions", sessionOf(id)), { query: dryRun });
      if (ctl.isJson) writeBody(ctl, answer);
      else if (dryRun.dry_run !== undefined) {
        const { drained } = asItem(asItem(answer.json())["sessions"]);
        ctl.io.out(`${count(numberOf(drained) ?? 0, "session")} would be killed\n`);
      } else {
        const closed = answer.text === "" ? 1 : numberOf(asItem(answer.json())["closed"]) ?? 0;
        ctl.io.out(`${count(closed, "session")} killed\n`);
      }
      return 0;
    },
  });
}

function checkKill(args: Arguments): void {
  const [id] = args.operands;
  const filters = Object.values(filterOf(args)).filter((value) => value !== undefined).length;
  const isAll = args.switches.has("all");
  if (id !== undefined) sessionOf(id);
  if (Number(id !== undefined) + Number(filters > 0) + Number(isAll) !== 1) {
    throw new UsageError("what to kill must be an ID, filters, or --all: exactly one of these");
  }
}
