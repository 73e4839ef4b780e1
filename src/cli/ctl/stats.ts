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
    description: "Shows what has been counted since the process started. With --tenant, also its backends and\n" +
      "endpoints, why sessions were refused (and which of them a dry run let pass), and how long they were held\n" +
      "back by a bandwidth limit. --json has more.",
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
      const shared = asItem(stats["shared"]);
      if (Object.keys(shared).length > 0) writeShared(ctl, shared);
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

const BACKEND_COLUMNS: readonly Column[] = [
  { title: "BACKEND" },
  { title: "CIRCUIT" },
  { title: "CONNECTS", align: "right" },
  { title: "FAILED", align: "right" },
  { title: "P50", align: "right" },
  { title: "P99", align: "right" },
];

const ENDPOINT_COLUMNS: readonly Column[] = [
  { title: "BACKEND" },
  { title: "ENDPOINT" },
  { title: "HEALTH" },
  { title: "EJECTED" },
  { title: "STATE" },
  { title: "ACTIVE", align: "right" },
  { title: "TOTAL", align: "right" },
  { title: "AHEAD", align: "right" },
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
  writeTable(ctl, BACKEND_COLUMNS, itemsOf(tenant["backends"]).map(backendRow), "no backends");
  ctl.io.out("\n");
  writeTable(ctl, ENDPOINT_COLUMNS, itemsOf(tenant["endpoints"]).map(endpointRow), "no endpoints");
}

function backendRow(backend: Item): readonly Cell[] {
  const circuit = text(backend["circuit"]);
  const connect = asItem(backend["connect"]);
  return [
    text(backend["id"]),
    circuit === "closed" ? circuit : { text: circuit, tone: circuit === "open" ? "bad" : "warn" },
    text(backend["connects"]),
    text(backend["connect_failures"]),
    milliseconds(connect["p50_ms"]),
    milliseconds(connect["p99_ms"]),
  ];
}

function endpointRow(endpoint: Item): readonly Cell[] {
  return [
    text(endpoint["backend"]),
    text(endpoint["id"]),
    text(endpoint["health"]),
    endpoint["ejected"] === true ? { text: "yes", tone: "bad" } : "no",
    text(endpoint["state"]),
    text(endpoint["sessions"]),
    text(endpoint["sessions_total"]),
    text(endpoint["preconnect_idle"]),
    text(endpoint["connect_failures"]),
  ];
}

/** What shared listeners have seen: sessions that found their route are counted with it, the others are not a tenant's. */
function writeShared(ctl: Ctl, shared: Item): void {
  ctl.io.out("\n");
  const listeners = itemsOf(shared["listeners"]).map(({ id, sessions }) => [text(id), text(sessions)]);
  writeTable(ctl, [{ title: "SHARED LISTENER" }, { title: "SESSIONS", align: "right" }], listeners, "");
  const refused = Object.entries(asItem(shared["refused"])).map(([reason, count]) => [reason, text(count)]);
  if (refused.length === 0) return;
  ctl.io.out("\n");
  writeTable(ctl, [{ title: "REFUSED WITHOUT A ROUTE BY" }, { title: "SESSIONS", align: "right" }], refused, "");
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
