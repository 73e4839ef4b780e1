/**
 * `sluice ctl stats`: what has been counted, a row a tenant, or one tenant with its endpoints.
 *
 * @module
 */
import { formatBytes, formatSpan } from "../../ctl/format.ts";
import { asItem, type Item, itemsOf, numberOf, text } from "../../ctl/lists.ts";
import type { Cell, Column } from "../../ctl/tables.ts";
import type { Command } from "../command.ts";
import { type Ctl, ctlCommand, type CtlDeps } from "./context.ts";
import { idFlag } from "./operands.ts";
import { writeBody, writeTable } from "./output.ts";

/** The command. */
export function statsCommand(deps: CtlDeps): Command {
  return ctlCommand(deps, {
    name: "ctl stats",
    summary: "show counters, of a tenant or of all",
    description: "Shows what has been counted since the process started. With --tenant, also its endpoints, why\n" +
      "sessions were refused (and which of them a dry run let pass), and how long they were held back by a\n" +
      "bandwidth limit. --json has more.",
    flags: [{ name: "tenant", value: "ID", summary: "only of this tenant" }],
    check: (args) => void idFlag(args, "tenant"),
    work: async (ctl) => {
      const tenant = idFlag(ctl.args, "tenant");
      const answer = await ctl.client.request("GET", "/v1/stats", { query: { tenant } });
      if (ctl.isJson) {
        writeBody(ctl, answer);
        return 0;
      }
      const stats = asItem(answer.json());
      const tenants = itemsOf(stats["tenants"]);
      writeTable(ctl, TENANT_COLUMNS, tenants.map(tenantRow), "no tenants");
      if (tenant !== undefined) tenants.forEach((each) => writeDetails(ctl, each));
      const process = asItem(stats["process"]);
      if (Object.keys(process).length > 0) {
        ctl.io.out("\n");
        writeTable(ctl, [{ title: "PROCESS" }, { title: "", align: "right" }], processRows(process), "");
      }
      return 0;
    },
  });
}

const TENANT_COLUMNS: readonly Column[] = [
  { title: "TENANT" },
  { title: "ACTIVE", align: "right" },
  { title: "QUEUED", align: "right" },
  { title: "TOTAL", align: "right" },
  { title: "REFUSED", align: "right" },
  { title: "UP", align: "right" },
  { title: "DOWN", align: "right" },
  { title: "RETRIES", align: "right" },
  { title: "CONNECT P50", align: "right" },
  { title: "P99", align: "right" },
];

const ENDPOINT_COLUMNS: readonly Column[] = [
  { title: "BACKEND" },
  { title: "ENDPOINT" },
  { title: "HEALTH" },
  { title: "STATE" },
  { title: "ACTIVE", align: "right" },
  { title: "TOTAL", align: "right" },
  { title: "CONNECT FAILURES", align: "right" },
];

function tenantRow(tenant: Item): readonly Cell[] {
  const { active, queued, total, refused } = asItem(tenant["sessions"]);
  const { up, down } = asItem(tenant["bytes"]);
  const connect = asItem(tenant["connect"]);
  const refusals = Object.values(asItem(refused)).reduce<number>((sum, each) => sum + (numberOf(each) ?? 0), 0);
  return [
    text(tenant["tenant"]),
    text(active),
    text(queued),
    text(total),
    refusals > 0 ? { text: String(refusals), tone: "warn" } : "0",
    bytes(up),
    bytes(down),
    text(tenant["retries"]),
    milliseconds(connect["p50_ms"]),
    milliseconds(connect["p99_ms"]),
  ];
}

function writeDetails(ctl: Ctl, tenant: Item): void {
  const { refused, dry_run_refused: dry, closed } = asItem(tenant["sessions"]);
  const tables = [["REFUSED BY", refused], ["OF THEM LET PASS", dry], ["CLOSED WITH", closed]] as const;
  for (const [title, counts] of tables) {
    const rows = Object.entries(asItem(counts)).filter(([, number]) => number !== 0);
    if (rows.length === 0) continue;
    ctl.io.out("\n");
    const columns: readonly Column[] = [{ title }, { title: "SESSIONS", align: "right" }];
    writeTable(ctl, columns, rows.map(([name, number]) => [name, text(number)]), "");
  }
  const held = ["up", "down"].flatMap((direction) => {
    const ms = numberOf(asItem(tenant["throttled"])[`${direction}_ms`]) ?? 0;
    return ms > 0 ? [[direction, formatSpan(ms)]] : [];
  });
  if (held.length > 0) {
    ctl.io.out("\n");
    writeTable(ctl, [{ title: "HELD BACK" }, { title: "TIME", align: "right" }], held, "");
  }
  ctl.io.out("\n");
  const rows = itemsOf(tenant["endpoints"]).map((endpoint) =>
    ["backend", "id", "health", "state", "sessions", "sessions_total", "connect_failures"].map((key) =>
      text(endpoint[key])
    )
  );
  writeTable(ctl, ENDPOINT_COLUMNS, rows, "no endpoints");
}

function processRows(process: Item): readonly (readonly string[])[] {
  return Object.entries(process).filter(([, value]) => typeof value === "number").map(([key, value]) => [
    key.replaceAll("_", " "),
    key.endsWith("_bytes") ? bytes(value) : text(value),
  ]);
}

function bytes(value: unknown): string {
  const amount = numberOf(value);
  return amount === undefined ? "-" : formatBytes(amount);
}

function milliseconds(value: unknown): string {
  const amount = numberOf(value);
  return amount === undefined ? "-" : `${amount.toFixed(1)}ms`;
}
