/**
 * Keeps web pages away that are not the API's own. A page of another origin says so in `Origin` or `Sec-Fetch-Site`; a
 * page whose name was made to resolve to this machine (DNS rebinding) says its own name in `Host`. There are no CORS
 * headers: other origins get nothing.
 *
 * @module
 */

import { isIP } from "node:net";
import type { MiddlewareHandler } from "hono";
import type { AdminDeps, AdminEnv, HostPolicy } from "./context.ts";
import { Problem } from "./problem.ts";

/** Refuses requests that a page of somebody else's may have sent. */
export function originChecks(deps: AdminDeps): MiddlewareHandler<AdminEnv> {
  return async (context, next) => {
    const { hosts } = deps.access();
    const host = context.req.header("Host");
    if (hosts !== null && !isAllowed(host, hosts)) {
      throw new Problem(421, "Host must be a name or an address that the admin API listens at");
    }
    const scheme = context.env.isTls === true ? "https" : "http";
    const origin = context.req.header("Origin");
    const isOwn = origin === undefined || (host !== undefined && origin.toLowerCase() === originOf(scheme, host));
    const site = context.req.header("Sec-Fetch-Site") ?? "none";
    // Following a link from elsewhere only shows a page that holds no data.
    const isVisit = context.req.method === "GET" && context.req.header("Sec-Fetch-Mode") === "navigate";
    if (!isOwn || (!isVisit && site !== "same-origin" && site !== "none")) {
      throw new Problem(403, "Origin must be the admin API's own");
    }
    return await next();
  };
}

/** Browsers leave the scheme's own port out. */
function originOf(scheme: "http" | "https", host: string): string {
  const port = scheme === "https" ? ":443" : ":80";
  const lower = host.toLowerCase();
  return `${scheme}://${lower.endsWith(port) ? lower.slice(0, -port.length) : lower}`;
}

/** Whether a Host header names this API. Its port may be another one, after a port mapping. */
export function isAllowed(host: string | undefined, { names, isAnyAddress }: HostPolicy): boolean {
  const [, bracketed, plain] = /^(?:\[([0-9a-f:.]+)\]|([^\s:@/\\?#[\]]+))(?::\d{1,5})?$/i.exec(host ?? "") ?? [];
  const name = (bracketed ?? plain)?.toLowerCase().replace(/\.$/, "");
  if (name === undefined) return false;
  if (bracketed === undefined ? isIP(name) === 6 : isIP(name) !== 6) return false;
  if (isIP(name) !== 0 && isAnyAddress) return true;
  const parent = isIP(name) === 0 ? `*${name.slice(name.indexOf("."))}` : name;
  return names.some((one) => one === name || (one.startsWith("*.") && one === parent));
}
