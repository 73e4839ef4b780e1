/**
 * Parameters of routes, as schemas: read and described by the same words. An unknown parameter is an error, for a
 * mistyped `dry_run` must not write.
 *
 * @module
 */

import { z } from "@hono/zod-openapi";
import { isIP } from "node:net";

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** A duration such as 30s, to milliseconds. */
const duration = (mostMs: number, description: string) =>
  z.string().regex(/^\d{1,9}(?:\.\d{1,3})?(?:ms|s|m|h)$/, "must be a duration such as 250ms, 30s or 5m")
    .transform((text) => {
      const [, number, unit] = /^([\d.]+)(ms|s|m|h)$/.exec(text) ?? [];
      return Math.round(Number(number) * (UNIT_MS[unit ?? ""] ?? Number.NaN));
    })
    .refine((ms) => ms <= mostMs, `must be ${mostMs / 60_000}m at the most`)
    .optional().openapi({ type: "string", description, example: "30s" });

const HOUR_MS = 3_600_000;

/** An id in the query. */
const id = (description: string) =>
  z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "must be an id").optional().openapi({ description });

/** `?dry_run=true`. */
export const dryRun = {
  dry_run: z.enum(["true", "false"], "must be true or false").optional().transform((value) => value === "true")
    .openapi({ type: "string", enum: ["true", "false"], description: "Answer what would change, change nothing." }),
};

/** `?drain=30s`. */
export const drain = {
  drain: duration(24 * HOUR_MS, "How long live sessions run on; left out: the tenant's own timeouts.drain."),
};

/** `?wait=30s`. */
export const wait = { wait: duration(HOUR_MS, "Answer when no session is left, or after this time.") };

/** Most items of a page. */
export const MOST_ITEMS = 1_000;

/** `?limit=` and `?cursor=`. */
export const paging = {
  limit: z.string().regex(/^[1-9]\d{0,3}$/, `must be a number from 1 to ${MOST_ITEMS}`).transform(Number)
    .refine((limit) => limit <= MOST_ITEMS, `must be a number from 1 to ${MOST_ITEMS}`)
    .prefault("100").openapi({ type: "integer", minimum: 1, maximum: MOST_ITEMS, default: 100 }),
  cursor: z.string().min(1, "must be a next_cursor").max(1_024, "must be a next_cursor").optional()
    .openapi({ description: "next_cursor of the page before." }),
};

const several = (description: string) =>
  z.union([z.string(), z.array(z.string())]).optional()
    .transform((value) => value === undefined ? [] : [value].flat())
    .openapi({ type: "array", items: { type: "string" }, description });

/** `?label=plan=gold`, any number of times. */
export const labels = { label: several("key=value (or key alone); given more than once, all must match.") };

/** `?name[]=`, any number of times. */
export const names = { "name[]": several("Names of metrics; left out: all.") };

/** `?tenant=`. */
export const tenant = { tenant: id("Of this tenant only.") };

/** Which sessions. */
export const sessionFilter = {
  ...tenant,
  backend: id("On this backend."),
  endpoint: id("On this endpoint."),
  source: z.string().refine(isSource, "must be an IP address, or a range such as 10.0.0.0/8").optional()
    .openapi({ type: "string", description: "From this client address or range." }),
  older_than: duration(10_000 * HOUR_MS, "Accepted at least so long ago."),
};

function isSource(text: string): boolean {
  const [ip = "", prefix, more] = text.split("/");
  const bits = isIP(ip) === 4 ? 32 : isIP(ip) === 6 ? 128 : -1;
  return more === undefined && bits > 0 &&
    (prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits));
}

const pathId = () => z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/);

/** Ids within paths. */
export const pathParams = {
  tenant: { tenant: pathId() },
  part: (name: string) => ({ [name]: pathId() }),
  /** A ULID. */
  session: { session: z.string().regex(/^[0-9A-HJKMNP-TV-Z]{26}$/) },
};
