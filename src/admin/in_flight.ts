/**
 * How many requests of a tenant's token may be on their way at once, event streams and waits among them: the port has a
 * number of connections, and nobody's token may keep them from the others. Used by `app.ts`.
 *
 * @module
 */

import type { MiddlewareHandler } from "hono";
import type { AdminEnv } from "./context.ts";
import { Problem } from "./problem.ts";

/** Requests of one token at once. */
export const MOST_IN_FLIGHT = 64;

/** Refuses what is too much for one tenant's token. */
export function inFlightLimit(): MiddlewareHandler<AdminEnv> {
  /** By name of the token: bounded by the configuration. */
  const counts = new Map<string, number>();
  return async (context, next) => {
    const actor = context.get("actor");
    if (actor?.role !== "tenant") return await next();
    const { name } = actor;
    const before = counts.get(name) ?? 0;
    if (before >= MOST_IN_FLIGHT) {
      throw new Problem(429, `A token of a tenant may have ${MOST_IN_FLIGHT} requests on their way at once`, {
        headers: { "Retry-After": "1" },
      });
    }
    counts.set(name, before + 1);
    const release = () => {
      const left = (counts.get(name) ?? 1) - 1;
      if (left > 0) counts.set(name, left);
      else counts.delete(name);
    };
    let isStream = false;
    try {
      await next();
      isStream = context.res.headers.get("Content-Type")?.startsWith("text/event-stream") === true;
    } finally {
      const { signal } = context.req.raw;
      if (isStream && !signal.aborted) signal.addEventListener("abort", release, { once: true });
      else release();
    }
  };
}
