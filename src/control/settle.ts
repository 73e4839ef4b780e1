/**
 * Who gets which address when several tenants come at once. Called by `evaluate.ts`.
 *
 * @module
 */

import {
  AddressIndex,
  claimsOfMain,
  collisionProblem,
  type HeldAddress,
  type ListenClaim,
  outlineOf,
  type Problem,
  type Source,
} from "../config/mod.ts";
import type { Candidate } from "./candidate.ts";
import { ConfigError } from "./reload.ts";
import { heldOf, MAIN_OWNER, ownerOf } from "./unit_state.ts";

/** Whoever has an address keeps it; of those that want a new one the first gets it. */
export function settleAddresses(all: {
  readonly candidates: readonly Candidate[];
  readonly removed: ReadonlySet<string>;
  readonly mainHeld: readonly HeldAddress[] | null;
  readonly source: Source;
  readonly inForce: { readonly addresses: AddressIndex } | null;
}): void {
  const { candidates, removed, mainHeld, source, inForce } = all;
  const released = new Set([...removed].map(ownerOf));
  if (mainHeld !== null) released.add(MAIN_OWNER);
  for (const { id, problems } of candidates) if (problems.length === 0) released.add(ownerOf(id));
  for (let isSettled = false; !isSettled;) {
    isSettled = true;
    const fresh = new AddressIndex();
    const take = (owner: string, claims: readonly ListenClaim[]): Problem[] =>
      claims.flatMap((claim) => {
        const holder = fresh.holderOf(claim.address) ?? inForce?.addresses.holderOf(claim.address, released);
        if (holder !== undefined) return [collisionProblem(claim, holder)];
        fresh.add(heldOf(owner, claim));
        return [];
      });
    if (mainHeld !== null) {
      const problems = take(MAIN_OWNER, claimsOfMain(outlineOf(source, [])));
      if (problems.length > 0) throw new ConfigError(problems);
    }
    for (const candidate of candidates) {
      if (candidate.problems.length > 0) continue;
      const problems = take(ownerOf(candidate.id), candidate.checked?.claims ?? []);
      if (problems.length === 0) continue;
      if (candidate.base.inMain) throw new ConfigError(problems);
      candidate.problems = problems;
      // It keeps what it has: everybody is held against that once more.
      released.delete(ownerOf(candidate.id));
      isSettled = false;
      break;
    }
  }
}
