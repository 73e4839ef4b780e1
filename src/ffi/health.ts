/**
 * What active checks say of endpoints, as the library takes it. Called by `engine.ts` and, for endpoints in a blob, by
 * `encode_backends.ts`.
 *
 * @module
 */

import { type Health, HEALTHS } from "./decode.ts";
import type { EndpointNames, IdRegistry } from "./ids.ts";
import { RECORDS } from "./layout.ts";
import { Records } from "./record.ts";

/** How an endpoint does, or one of its addresses. */
export interface EndpointHealth extends EndpointNames {
  readonly health: Health;
}

/** The same by number. */
export interface HealthOfId {
  readonly id: number;
  readonly health: Health;
}

/** All endpoints that are in force; those that are not are left out. */
export function knownHealth(healths: readonly EndpointHealth[], registry: IdRegistry): HealthOfId[] {
  return healths.flatMap(({ health, ...names }) => registry.endpoints(names).map((id) => ({ id, health })));
}

/** A record for each. */
export function encodeHealth(known: readonly HealthOfId[]): Records {
  const { size, fields } = RECORDS.health_record;
  const records = Records.ofSize(known.length * size);
  for (const [index, { id, health }] of known.entries()) {
    records.put(index * size, fields.endpoint, id);
    records.put(index * size, fields.health, healthNumber(health));
  }
  return records;
}

/** The number that stands for it. */
export function healthNumber(health: Health): number {
  return HEALTHS.indexOf(health);
}
