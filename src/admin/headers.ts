/**
 * Headers that every answer carries: nothing is kept, guessed, framed or embedded.
 *
 * @module
 */

import type { MiddlewareHandler } from "hono";
import type { AdminEnv } from "./context.ts";

const HEADERS: Readonly<Record<string, string>> = {
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
};

/** Adds them where the answer has not its own. */
export function securityHeaders(): MiddlewareHandler<AdminEnv> {
  return async (context, next) => {
    await next();
    for (const [name, value] of Object.entries(HEADERS)) {
      if (!context.res.headers.has(name)) context.res.headers.set(name, value);
    }
  };
}
