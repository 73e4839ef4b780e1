/**
 * The whole configuration as a schema: the one description that types, validation, defaults and the JSON Schema come
 * from. Written values in, plain values with every default filled in out.
 *
 * @module
 */

import { z } from "zod";
import { listenAddress, singleListenAddress } from "./address.ts";
import { boolean, choice, filePath, id, integer, number, scalar, text } from "./scalar.ts";
import { MOST_CONNECTIONS } from "./schema_backend.ts";
import { proxyProtocolSchema, tenantDefaultsSchema, tenantSchema } from "./schema_tenant.ts";
import { duration } from "./units.ts";

/** Where access records go. */
export type AccessSink =
  | { readonly kind: "stdout" }
  | { readonly kind: "none" }
  | { readonly kind: "file"; readonly path: string };

/** Worker threads that the data plane can have. */
export const MOST_WORKERS = 64;

const workers = scalar({
  json: { anyOf: [{ const: "auto" }, { type: "integer", minimum: 1, maximum: MOST_WORKERS }] },
  rule: `auto or a whole number from 1 to ${MOST_WORKERS}`,
  remedy: "write auto for one worker a usable CPU core",
  parse: (value): "auto" | number | undefined => {
    if (value === "auto") return value;
    return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= MOST_WORKERS
      ? value
      : undefined;
  },
});

const version = scalar({
  json: { const: 1 },
  rule: "1",
  remedy: "write version: 1",
  parse: (value): 1 | undefined => value === 1 ? value : undefined,
});

const sink = scalar({
  json: { type: "string", pattern: "^(stdout|none|file:.+)$" },
  rule: "stdout, none or file:PATH",
  remedy: "write stdout, none or file: with the path of a file",
  parse: (value): AccessSink | undefined => {
    if (value === "stdout" || value === "none") return { kind: value };
    const path = typeof value === "string" ? /^file:([^\0]+)$/.exec(value)?.[1] : undefined;
    return path === undefined ? undefined : { kind: "file", path };
  },
});

/** Milliseconds that the data plane's record holds: 32 bits. */
const MOST_PROGRESS_MS = 1000 * 3_600_000;

const log = z.strictObject({
  level: choice("debug", "info", "warn", "error").prefault("info").describe("Least level that is written."),
  format: choice("text", "json").prefault("text").describe("Form of each line."),
  access: z.strictObject({
    sink: sink.prefault("stdout").describe("stdout, none or file:PATH."),
    sample: number(0, 1).prefault(1).describe("Share of finished sessions that are logged; refused ones always are."),
    progress: duration({ mostMs: MOST_PROGRESS_MS }).prefault(0).describe("A record of a live session each so often."),
  }).prefault({}).describe("One record a session."),
});

/** Somebody may have written the token itself. */
const tokenHash = scalar({
  json: { type: "string", pattern: "^[0-9A-Fa-f]{64}$" },
  rule: "the SHA-256 of a token: 64 hexadecimal digits",
  remedy: "make one with: sluice token new",
  parse: (value) => typeof value === "string" && /^[0-9A-Fa-f]{64}$/.test(value) ? value : undefined,
  isSecret: true,
});

const token = z.strictObject({
  name: text(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, "a name: letters, digits, dot, _ and -", "choose a name such as ops")
    .describe("Who it is, for the audit."),
  sha256: tokenHash.describe("Hash of the token."),
  role: choice("admin", "viewer", "tenant").describe("What it may do."),
  tenant: id().optional().describe("The tenant of a token with role tenant."),
});

const hostName = text(
  /^(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/,
  "a host name such as proxy.example or *.example, without port",
  "write the name by which the admin API is asked for",
);

const admin = z.strictObject({
  listen: singleListenAddress().prefault("127.0.0.1:9900").describe("Where the admin API listens."),
  hosts: z.array(hostName).prefault([]).describe("Further names that lead to it; others in Host are refused."),
  tokens: z.array(token).prefault([]).describe("Who may use it."),
  tls: z.strictObject({
    cert: filePath().describe("Certificate chain, PEM."),
    key: filePath().describe("Private key, PEM."),
    client_ca: filePath().optional().describe("CA of client certificates; turns on mTLS."),
  }).optional().describe("TLS for the admin API."),
});

const sharedListener = z.strictObject({
  id: id().describe("Name of the listener, one of its kind."),
  address: listenAddress().describe("Where to listen."),
  detect: choice("none", "tls").prefault("none").describe("tls: read server name and ALPN from the ClientHello."),
  proxy_protocol: proxyProtocolSchema.optional().describe("PROXY header of incoming connections."),
});

const metrics = z.strictObject({
  per_tenant: choice("all", "off").prefault("all").describe("Whether metrics carry the tenant."),
});

/** The main file, without `defaults` merged into its tenants. */
export const configSchema = z.strictObject({
  version: version.prefault(1).describe("Version of this format."),
  workers: workers.prefault("auto").describe("Data-plane threads; auto: one a usable CPU core."),
  tenants_dir: filePath().optional().describe("Folder with one tenant a file (NAME.yaml), relative to this file."),
  watch: boolean().prefault(true).describe("Whether edits of the files take effect by themselves; else at a reload."),
  shutdown: z.strictObject({
    grace: duration().prefault("30s").describe("How long sessions run on after SIGTERM."),
  }).prefault({}).describe("How the process stops."),
  admin: admin.optional().describe("The admin API."),
  log: log.prefault({}).describe("The program's log and the access log."),
  metrics: metrics.optional().describe("What is exported."),
  limits: z.strictObject({
    max_connections: integer(0, MOST_CONNECTIONS).optional().describe("Sessions at once; left out: unlimited."),
  }).prefault({}).describe("Limits of the whole process."),
  defaults: tenantDefaultsSchema.optional().describe("Any key of a tenant, for those that do not set it."),
  listeners: z.array(sharedListener).prefault([]).describe("Addresses that tenants share through routes."),
  tenants: z.array(tenantSchema).prefault([]).describe("Who shares this proxy."),
});

type Plain = string | number | boolean | null | undefined;

/** The same value, to be read only, all the way down. */
export type DeepReadonly<T> = T extends Plain ? T : { readonly [K in keyof T]: DeepReadonly<T[K]> };

/** A tenant with `defaults` merged in and every default filled in. Durations in ms, sizes in bytes, shares in ppm. */
export type TenantConfig = DeepReadonly<z.output<typeof tenantSchema>>;

/** A checked configuration: main file and tenant files as one, every default filled in. Units as in the tenant. */
export type Config = DeepReadonly<Omit<z.output<typeof configSchema>, "defaults">>;
