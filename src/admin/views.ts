/**
 * Answers that are not objects of the configuration, as schemas: for the OpenAPI document, and held against the types
 * of `control.ts` by the compiler.
 *
 * @module
 */

import { z } from "zod";
import type {
  AuditView,
  Change,
  Fault,
  GenerationView,
  JsonObject,
  ReloadSummary,
  StatusView,
  TenantStatusView,
} from "./control.ts";
import type { RequestFault } from "./problem.ts";

/** Fails to compile when a view is not what its schema says. */
type Describes<View, Schema extends z.ZodType> = View extends z.input<Schema> ? true : never;

const count = () => z.int().min(0);
const moment = () => z.string().meta({ format: "date-time" });

const faultShape = {
  pointer: z.string().describe("JSON Pointer (RFC 6901) into what was sent."),
  detail: z.string(),
  line: z.int().min(1).optional(),
  column: z.int().min(1).optional(),
};

const fault = z.object(faultShape).meta({ id: "Fault" });

const requestFault = z.object({
  ...faultShape,
  parameter: z.string().optional().describe("The query parameter or header that is wrong."),
});

/** RFC 9457. */
export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  errors: z.array(requestFault).readonly(),
}).meta({ id: "Problem" });

const change = z.object({
  op: z.enum(["add", "remove", "replace"]),
  path: z.string().describe("JSON Pointer into the whole configuration's written form."),
  from: z.unknown().optional(),
  to: z.unknown().optional(),
}).meta({ id: "Change" });

/** What a dry run answers. */
export const dryRunSchema = z.object({
  changes: z.array(change).readonly(),
  sessions: z.object({ kept: count(), drained: count() }),
}).meta({ id: "DryRun" });

/** A delete whose sessions still drain. */
export const drainingSchema = z.object({
  sessions: z.object({ kept: count(), drained: count() }),
}).meta({ id: "Draining" });

/** `/v1/live` and `/v1/ready`. */
export const healthSchema = z.object({ status: z.enum(["live", "ready", "not_ready"]) }).meta({ id: "Health" });

/** `/v1/config/reload`. */
export const reloadSchema = z.object({
  at: moment(),
  ok: z.boolean(),
  changed: z.boolean(),
  generation: count(),
  errors: z.array(z.string()).readonly(),
}).meta({ id: "Reload" });

/** `/v1/status`. */
export const statusSchema = z.object({
  version: z.string(),
  generation: count(),
  uptime_s: z.number().min(0),
  workers: count(),
  last_reload: reloadSchema.nullable(),
  tenants_in_error: z.array(z.object({ tenant: z.string(), errors: z.array(z.string()).readonly() })).readonly(),
}).meta({ id: "Status" });

const limit = z.object({
  limit: z.number().min(0).nullable().describe("Null: unlimited. Of a rate: its burst, in sessions or bytes."),
  used: z.number().min(0).nullable().describe("Null where nothing is counted."),
  left: z.number().min(0).nullable().describe("Null: unlimited."),
  rate: z.number().min(0).nullable().optional().describe("Of a rate: what it gains a second; null: unlimited."),
}).meta({ id: "Limit" });

const canary = z.object({
  step: z.int().min(1).describe("The one under way, or the last one that was."),
  weight: z.int().min(0).max(100).describe("Its share of new sources now, in percent; the rest is the stable part's."),
  state: z.enum(["progressing", "promoted", "rolled_back"]),
  since: moment().describe("Since when it has this step and state."),
  reason: z.string().nullable().describe("Why it was rolled back."),
}).meta({ id: "Canary" });

/** `/v1/tenants/{tenant}/status`. */
export const tenantStatusSchema = z.object({
  sessions: count(),
  limits: z.record(z.string(), limit).describe("By their path below `limits` in the configuration."),
  sources: z.array(z.object({ source: z.string().describe("An address and its prefix."), sessions: count() }))
    .readonly().describe("The ten with most sessions; none where no limit is per source."),
  backends: z.array(z.object({
    id: z.string(),
    circuit: z.enum(["closed", "open", "half_open"]),
    canary: canary.optional().describe("Only of a split with a canary."),
    endpoints: z.array(z.object({
      id: z.string(),
      address: z.string(),
      health: z.enum(["up", "down", "unknown"]),
      state: z.enum(["ready", "drain", "maintenance"]),
      sessions: count(),
      ejected: z.boolean(),
      name_error: z.string().nullable().describe("Why its name, or some of it, cannot be resolved."),
      addresses: z.array(z.object({
        address: z.string(),
        health: z.enum(["up", "down", "unknown"]),
        since: moment().nullable().describe("Null: it is not checked."),
        error: z.string().nullable().describe("Why the last check was not good."),
        sessions: count(),
        ejected: z.boolean(),
      })).readonly().describe("Each one that it has now; of a name perhaps several, or none."),
    })).readonly(),
  })).readonly(),
  errors: z.array(z.string()).readonly(),
}).meta({ id: "TenantStatus" });

/** `/v1/config/validate`. */
export const validationSchema = z.object({ valid: z.boolean(), errors: z.array(fault).readonly() })
  .meta({ id: "Validation" });

const generation = z.object({
  generation: count(),
  at: moment(),
  actor: z.string(),
  changes: z.array(change).readonly(),
}).meta({ id: "Generation" });

const audit = z.object({
  at: moment(),
  actor: z.string(),
  verb: z.string(),
  target: z.string(),
  tenant: z.string().nullable(),
  changes: z.array(change).readonly(),
  generation: count(),
  result: z.string(),
}).meta({ id: "AuditEntry" });

/** A session, with the fields of the access log so far. */
export const sessionSchema = z.looseObject({
  session: z.string(),
  tenant: z.string().nullable().describe("Null: it has no route yet."),
}).meta({ id: "Session" });

/** Counters, by name. */
export const statsSchema = z.looseObject({}).meta({ id: "Stats" });

/** How many sessions were closed. */
export const closedSchema = z.object({ closed: count() }).meta({ id: "Closed" });

const cursor = z.string().nullable().describe("For the next page; null at the end.");

/** `/v1/config/generations`. */
export const generationsSchema = z.object({ items: z.array(generation).readonly(), next_cursor: cursor });
/** `/v1/audit`. */
export const auditSchema = z.object({ items: z.array(audit).readonly(), next_cursor: cursor });
/** `/v1/sessions`. */
export const sessionsSchema = z.object({ items: z.array(sessionSchema).readonly(), next_cursor: cursor });

/** Held by the compiler. */
export type Held = [
  Describes<Fault, typeof fault>,
  Describes<Change, typeof change>,
  Describes<ReloadSummary, typeof reloadSchema>,
  Describes<StatusView, typeof statusSchema>,
  Describes<TenantStatusView, typeof tenantStatusSchema>,
  Describes<GenerationView, typeof generation>,
  Describes<AuditView, typeof audit>,
  Describes<JsonObject, typeof statsSchema>,
  Describes<RequestFault, typeof requestFault>,
];
