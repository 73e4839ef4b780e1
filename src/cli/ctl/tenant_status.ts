/**
 * `sluice ctl tenants status`: what of each limit is in use, how the endpoints do, and where canaries stand.
 *
 * @module
 */
import { pathOf } from "../../ctl/client.ts";
import { formatBytes, formatShare } from "../../ctl/format.ts";
import { asItem, type Item, itemsOf, numberOf, text } from "../../ctl/lists.ts";
import { type Cell, type Column, tonedLines } from "../../ctl/tables.ts";
import type { Command } from "../command.ts";
import { ctlCommand, type CtlDeps } from "./context.ts";
import { tenantOf } from "./operands.ts";
import { writeBody, writeTable } from "./output.ts";

/** The command. */
export function tenantStatusCommand(deps: CtlDeps): Command {
  return ctlCommand(deps, {
    name: "ctl tenants status",
    summary: "show limits in use, endpoints' health and errors of a tenant",
    description:
      "Shows how a tenant does: its sessions, what of each limit is in use (of a rate: of its burst), its\n" +
      "busiest sources where limits are per source, the state of its endpoints, where its canaries stand, and what\n" +
      "is wrong in its file. Exit code 1 when something is.",
    flags: [],
    operands: { usage: "TENANT", min: 1, max: 1 },
    check: (args) => void tenantOf(args),
    work: async (ctl) => {
      const id = tenantOf(ctl.args);
      const answer = await ctl.client.request("GET", pathOf("tenants", id, "status"));
      const status = asItem(answer.json());
      const errors = Array.isArray(status["errors"]) ? status["errors"].map(text) : [];
      if (ctl.isJson) {
        writeBody(ctl, answer);
        return errors.length > 0 ? 1 : 0;
      }
      ctl.io.out(`${id}: ${text(status["sessions"])} sessions\n`);
      for (const error of errors) ctl.io.out(`${tonedLines(`error: ${error}`, "bad", ctl.io.color)}\n`);
      const limits = Object.entries(asItem(status["limits"])).map(([name, value]) => limitRow(name, value));
      if (limits.length > 0) {
        ctl.io.out("\n");
        writeTable(ctl, LIMIT_COLUMNS, limits, "");
      }
      const sources = itemsOf(status["sources"]).map(({ source, sessions }) => [text(source), text(sessions)]);
      if (sources.length > 0) {
        ctl.io.out("\n");
        writeTable(ctl, SOURCE_COLUMNS, sources, "");
      }
      ctl.io.out("\n");
      writeTable(ctl, ENDPOINT_COLUMNS, endpointRows(status["backends"]), "no endpoints");
      const canaries = itemsOf(status["backends"]).filter(({ canary }) => canary !== undefined).map(canaryRow);
      if (canaries.length > 0) {
        ctl.io.out("\n");
        writeTable(ctl, CANARY_COLUMNS, canaries, "");
      }
      return errors.length > 0 ? 1 : 0;
    },
  });
}

const LIMIT_COLUMNS: readonly Column[] = [
  { title: "LIMIT" },
  { title: "USED", align: "right" },
  { title: "OF", align: "right" },
  { title: "LEFT", align: "right" },
  { title: "SHARE", align: "right" },
  { title: "RATE", align: "right" },
];

const SOURCE_COLUMNS: readonly Column[] = [{ title: "SOURCE" }, { title: "SESSIONS", align: "right" }];

const ENDPOINT_COLUMNS: readonly Column[] = [
  { title: "BACKEND" },
  { title: "CIRCUIT" },
  { title: "ENDPOINT" },
  { title: "ADDRESS" },
  { title: "HEALTH" },
  { title: "STATE" },
  { title: "SESSIONS", align: "right" },
  { title: "EJECTED" },
];

const CANARY_COLUMNS: readonly Column[] = [
  { title: "SPLIT" },
  { title: "CANARY" },
  { title: "STEP", align: "right" },
  { title: "SHARE", align: "right" },
  { title: "SINCE" },
  { title: "REASON" },
];

function limitRow(name: string, value: unknown): readonly Cell[] {
  const { limit, used, left, rate } = asItem(value);
  const [most, inUse, perS] = [numberOf(limit), numberOf(used), numberOf(rate)];
  const amount = (number: unknown) => {
    const known = numberOf(number);
    return known === undefined ? "-" : name.startsWith("bandwidth.") ? formatBytes(known) : String(known);
  };
  const share = most === undefined || inUse === undefined ? "-" : formatShare(inUse, most);
  const isFull = most !== undefined && most > 0 && inUse !== undefined && inUse >= most;
  return [
    name,
    amount(used),
    most === undefined ? "unlimited" : amount(limit),
    amount(left),
    isFull ? { text: share, tone: "warn" } : share,
    perS === undefined ? "-" : `${amount(rate)}/s`,
  ];
}

function canaryRow({ id, canary }: Item): readonly Cell[] {
  const { state, step, weight, since, reason } = asItem(canary);
  return [
    text(id),
    marked(text(state), { promoted: "good", rolled_back: "bad" }),
    text(step),
    `${text(weight)}%`,
    text(since),
    text(reason),
  ];
}

function endpointRows(backends: unknown): readonly (readonly Cell[])[] {
  return itemsOf(backends).flatMap((backend) =>
    itemsOf(backend["endpoints"]).flatMap((endpoint): (readonly Cell[])[] => [
      [
        text(backend["id"]),
        marked(text(backend["circuit"]), { open: "bad", half_open: "warn" }),
        text(endpoint["id"]),
        text(endpoint["address"]),
        healthCell(endpoint),
        marked(text(endpoint["state"]), { drain: "warn", maintenance: "warn" }),
        text(endpoint["sessions"]),
        ejectedCell(endpoint),
      ],
      ...addressRows(endpoint),
    ])
  );
}

/** What a name stands for, a row each. An address stands for itself. */
function addressRows(endpoint: Item): (readonly Cell[])[] {
  const addresses = itemsOf(endpoint["addresses"]);
  const rows = addresses.length === 1 && addresses[0]?.["address"] === endpoint["address"]
    ? []
    : addresses.map((one): readonly Cell[] => [
      "",
      "",
      "",
      `  ${text(one["address"])}`,
      healthCell(one),
      "",
      text(one["sessions"]),
      ejectedCell(one),
    ]);
  const error = endpoint["name_error"];
  if (typeof error === "string") {
    rows.push(["", "", "", { text: `  ${error}`, tone: "warn" }, "", "", "", ""]);
  }
  return rows;
}

function healthCell(item: Item): Cell {
  return marked(text(item["health"]), { up: "good", down: "bad" });
}

function ejectedCell(item: Item): Cell {
  return item["ejected"] === true ? { text: "yes", tone: "bad" } : "no";
}

function marked(word: string, tones: Readonly<Record<string, "good" | "bad" | "warn">>): Cell {
  const tone = Object.hasOwn(tones, word) ? tones[word] : undefined;
  return tone === undefined ? word : { text: word, tone };
}
