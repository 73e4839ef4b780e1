/**
 * What a tenant token narrows where the path does not name a tenant.
 *
 * @module
 */

import type { Actor } from "./control.ts";
import { notFound } from "./problem.ts";

/**
 * The tenant that a request is about: undefined is all.
 *
 * @throws {Problem} 404 when a tenant token asks for another tenant, whether there is one or not
 */
export function tenantInScope(actor: Actor, asked: string | undefined): string | undefined {
  if (actor.role !== "tenant") return asked;
  if (actor.tenant === undefined || (asked !== undefined && asked !== actor.tenant)) {
    throw notFound({ audit: "refused: not allowed" });
  }
  return actor.tenant;
}
