/**
 * `sluice ctl tenants`: which there are, what is written of one, and how it does. Writes are in `apply.ts` and
 * `switches.ts`.
 *
 * @module
 */
import { stringify } from "yaml";
import { pathOf } from "../../ctl/client.ts";
import { asItem, type Item, itemsOf, readList, text } from "../../ctl/lists.ts";
import type { Cell, Column } from "../../ctl/tables.ts";
import type { Command } from "../command.ts";
import { UsageError } from "../command.ts";
import type { CommandGroup } from "../group.ts";
import { type Ctl, CTL_FLAGS, ctlCommand, type CtlDeps } from "./context.ts";
import { LIMIT_FLAG, limitOf, tenantOf } from "./operands.ts";
import { writeBody, writeJson, writeTable } from "./output.ts";
import { tenantStatusCommand } from "./tenant_status.ts";

/** The group. */
export function tenantsGroup(deps: CtlDeps): CommandGroup {
  return {
    name: "ctl tenants",
    summary: "list, read, write, enable, disable and drain tenants",
    description:
      "Tenants as the admin API keeps them. What is written here is in the files too, before it is answered.",
    flags: CTL_FLAGS,
    commands: {
      list: () => Promise.resolve(listCommand(deps)),
      get: () => Promise.resolve(getCommand(deps)),
      status: () => Promise.resolve(tenantStatusCommand(deps)),
      apply: async () => (await import("./apply.ts")).applyCommand(deps),
      enable: async () => (await import("./switches.ts")).enableCommand(deps),
      disable: async () => (await import("./switches.ts")).disableCommand(deps),
      drain: async () => (await import("./switches.ts")).drainCommand(deps, "ctl tenants drain"),
      delete: async () => (await import("./switches.ts")).deleteCommand(deps),
    },
  };
}

function listCommand(deps: CtlDeps): Command {
  return ctlCommand(deps, {
    name: "ctl tenants list",
    summary: "list tenants",
    description: "Lists the tenants that the token may see, in order of id.",
    flags: [
      { name: "label", value: "K=V", summary: "only with this label (or K alone); several with commas: all of them" },
      LIMIT_FLAG,
    ],
    check: (args) => void [limitOf(args), labelsOf(args.values.get("label"))],
    work: async (ctl) => {
      const query = { label: labelsOf(ctl.args.values.get("label")) };
      const list = await readList(ctl.client, "/v1/tenants", query, limitOf(ctl.args));
      if (ctl.isJson) {
        writeJson(ctl, list);
        return 0;
      }
      writeTable(ctl, LIST_COLUMNS, list.items.map(rowOf), "no tenants");
      if (list.next_cursor !== null) ctl.io.err("there are more\n");
      return 0;
    },
  });
}

const LIST_COLUMNS: readonly Column[] = [
  { title: "TENANT" },
  { title: "ENABLED" },
  { title: "MAX SESSIONS", align: "right" },
  { title: "BACKENDS", align: "right" },
  { title: "ENDPOINTS", align: "right" },
  { title: "LABELS" },
  { title: "ADDRESSES" },
  { title: "SHARED LISTENERS" },
];

/** Addresses that fit into a cell. */
const MOST_ADDRESSES = 3;

function rowOf(tenant: Item): readonly Cell[] {
  const backends = itemsOf(tenant["backends"]);
  const endpoints = backends.reduce((sum, backend) => sum + itemsOf(backend["endpoints"]).length, 0);
  const addresses = itemsOf(tenant["listeners"]).map((listener) => text(listener["address"]));
  const more = addresses.length - MOST_ADDRESSES;
  const shared = new Set(itemsOf(tenant["routes"]).map((route) => text(route["listener"])));
  return [
    text(tenant["id"]),
    tenant["enabled"] === false ? { text: "no", tone: "warn" } : "yes",
    text(asItem(tenant["limits"])["max_connections"]),
    String(backends.length),
    String(endpoints),
    labelsText(tenant["labels"]),
    text(addresses.slice(0, MOST_ADDRESSES).join(" ") + (more > 0 ? ` and ${more} more` : "")),
    text([...shared].join(" ")),
  ];
}

function labelsText(labels: unknown): string {
  return text(Object.entries(asItem(labels)).map(([key, value]) => `${key}=${text(value)}`).join(","));
}

function labelsOf(value: string | undefined): readonly string[] {
  const labels = value === undefined ? [] : value.split(",");
  const wrong = labels.find((label) => !/^[^=]+(?:=.*)?$/.test(label));
  if (wrong !== undefined) {
    throw new UsageError(`--label must be KEY=VALUE or KEY: current value is ${JSON.stringify(value)}`);
  }
  return labels;
}

function getCommand(deps: CtlDeps): Command {
  return ctlCommand(deps, {
    name: "ctl tenants get",
    summary: "show what is written of a tenant",
    description: "Shows a tenant as it is written: an overview, or with --yaml or --json all of it, in a form that\n" +
      "`ctl tenants apply -f` takes back.",
    flags: [{ name: "yaml", summary: "write YAML" }],
    operands: { usage: "TENANT", min: 1, max: 1 },
    check: (args) => {
      tenantOf(args);
      if (args.switches.has("yaml") && args.switches.has("json")) {
        throw new UsageError("--yaml and --json must not be given together");
      }
    },
    work: async (ctl) => {
      const answer = await ctl.client.request("GET", pathOf("tenants", tenantOf(ctl.args)));
      if (ctl.isJson) writeBody(ctl, answer);
      else if (ctl.args.switches.has("yaml")) ctl.io.out(stringify(answer.json(), { version: "1.2", lineWidth: 0 }));
      else writeOverview(ctl, asItem(answer.json()), answer.etag);
      return 0;
    },
  });
}

/** Parts of a tenant that have a table of their own. */
const TABLED = ["listeners", "routes", "backends"];

function writeOverview(ctl: Ctl, tenant: Item, etag: string | null): void {
  const rows = Object.entries(tenant).filter(([key]) => !TABLED.includes(key)).flatMap(([key, value]) =>
    leavesOf(key, value)
  );
  writeTable(ctl, [{ title: "KEY" }, { title: "VALUE" }], [...rows, ["etag", text(etag)]], "");
  const listeners = itemsOf(tenant["listeners"]);
  if (listeners.length > 0) {
    ctl.io.out("\n");
    const columns = [{ title: "LISTENER" }, { title: "ADDRESS" }, { title: "BACKEND" }];
    writeTable(ctl, columns, listeners.map(({ id, address, backend }) => [text(id), text(address), text(backend)]), "");
  }
  const endpoints = itemsOf(tenant["backends"]).flatMap((backend) =>
    itemsOf(backend["endpoints"]).map(({ id, address, weight, max_connections: most }) => [
      text(backend["id"]),
      text(backend["balance"]),
      text(id),
      text(address),
      text(weight),
      text(most),
    ])
  );
  if (endpoints.length === 0) return;
  ctl.io.out("\n");
  writeTable(ctl, ENDPOINT_COLUMNS, endpoints, "");
}

const ENDPOINT_COLUMNS: readonly Column[] = [
  { title: "BACKEND" },
  { title: "BALANCE" },
  { title: "ENDPOINT" },
  { title: "ADDRESS" },
  { title: "WEIGHT", align: "right" },
  { title: "MAX SESSIONS", align: "right" },
];

function leavesOf(path: string, value: unknown): readonly (readonly [string, string])[] {
  const entries = Object.entries(asItem(value));
  if (entries.length === 0) return [[path, text(value)]];
  return entries.flatMap(([key, inner]) => leavesOf(`${path}.${key}`, inner));
}
