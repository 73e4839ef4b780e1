/**
 * Who asks: from the bearer token (RFC 6750) to an {@link Actor}. The work does not depend on which token matches, or
 * whether one does.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash, timingSafeEqual } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import type { AdminDeps, AdminEnv, Token } from "./context.ts";
import type { Actor } from "./control.ts";
import { Problem } from "./problem.ts";
import { FailureThrottle } from "./throttle.ts";

/** Longest token that is looked at, in characters. */
const LONGEST_TOKEN = 1_024;

const CHALLENGE = { "WWW-Authenticate": 'Bearer realm="sluice"' };

/** Sets the actor of each request, or refuses it. */
export function authentication(deps: AdminDeps, isPublic: (path: string) => boolean): MiddlewareHandler<AdminEnv> {
  const failures = new FailureThrottle(deps.now);
  return async (context, next) => {
    if (isPublic(context.req.path)) return await next();
    const { tokens, anonymous } = deps.access();
    const header = context.req.header("Authorization");
    if (header === undefined) {
      if (anonymous === null) throw new Problem(401, "A bearer token is needed", { headers: CHALLENGE });
      context.set("actor", anonymous);
      return await next();
    }
    const source = context.env.source ?? "unknown";
    const waitSeconds = failures.waitSeconds(source);
    if (waitSeconds > 0) {
      throw new Problem(429, "Too many wrong tokens came from this address", {
        headers: { "Retry-After": String(waitSeconds) },
      });
    }
    const actor = actorOf(header, tokens);
    if (actor === null) {
      failures.fail(source);
      deps.log.warn("a wrong token was presented to the admin API", { source });
      const headers = { "WWW-Authenticate": `${CHALLENGE["WWW-Authenticate"]}, error="invalid_token"` };
      throw new Problem(401, "The bearer token is not known", { headers, audit: "refused: unknown token" });
    }
    context.set("actor", actor);
    return await next();
  };
}

/** Whose token an Authorization header holds; null when it is nobody's. */
export function actorOf(header: string, tokens: readonly Token[]): Actor | null {
  const presented = /^Bearer +([\x21-\x7e]+) *$/i.exec(header)?.[1] ?? "";
  const isUsable = presented !== "" && presented.length <= LONGEST_TOKEN;
  const hash = createHash("sha256").update(isUsable ? presented : "").digest();
  let found = -1;
  for (const [index, token] of tokens.entries()) {
    const isSame = timingSafeEqual(hash, Buffer.from(token.sha256, "hex"));
    found = isSame ? index : found;
  }
  const token = isUsable ? tokens[found] : undefined;
  if (token === undefined) return null;
  return { name: token.name, role: token.role, ...(token.tenant === undefined ? {} : { tenant: token.tenant }) };
}
