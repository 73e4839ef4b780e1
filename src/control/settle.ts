/**
 * Who gets what when several tenants come at once: addresses, and what is taken from shared listeners. Called by
 * `evaluate.ts`.
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
  type RouteClaim,
  RouteIndex,
  routeProblem,
  type Source,
} from "../config/mod.ts";
import type { Candidate } from "./candidate.ts";
import { ConfigError } from "./reload.ts";
import { heldOf, heldRouteOf, MAIN_OWNER, ownerOf } from "./unit_state.ts";

/** Who has what. */
interface Held {
  readonly addresses: AddressIndex;
  readonly routes: RouteIndex;
}

/** Whoever has something keeps it; of those that want it anew the first gets it. */
export function settleClaims(all: {
  readonly candidates: readonly Candidate[];
  readonly removed: ReadonlySet<string>;
  readonly mainHeld: readonly HeldAddress[] | null;
  readonly source: Source;
  readonly inForce: Held | null;
}): void {
  const { candidates, removed, mainHeld, source, inForce } = all;
  const released = new Set([...removed].map(ownerOf));
  if (mainHeld !== null) released.add(MAIN_OWNER);
  for (const { id, problems } of candidates) if (problems.length === 0) released.add(ownerOf(id));
  for (let isSettled = false; !isSettled;) {
    isSettled = true;
    const round = new Round(inForce, released);
    if (mainHeld !== null) {
      const problems = round.take(MAIN_OWNER, claimsOfMain(outlineOf(source, [])), []);
      if (problems.length > 0) throw new ConfigError(problems);
    }
    for (const candidate of candidates) {
      if (candidate.problems.length > 0) continue;
      const { claims = [], routes = [] } = candidate.checked ?? {};
      const problems = round.take(ownerOf(candidate.id), claims, routes);
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

/** One try: what was taken in it stands beside what those hold who change nothing. */
class Round {
  readonly #addresses = new AddressIndex();
  readonly #routes = new RouteIndex();
  readonly #inForce: Held | null;
  readonly #released: ReadonlySet<string>;

  constructor(inForce: Held | null, released: ReadonlySet<string>) {
    this.#inForce = inForce;
    this.#released = released;
  }

  /** Takes what is free; the rest is told. */
  take(owner: string, claims: readonly ListenClaim[], routes: readonly RouteClaim[]): Problem[] {
    const problems: Problem[] = [];
    for (const claim of claims) {
      const holder = this.#addresses.holderOf(claim.address) ??
        this.#inForce?.addresses.holderOf(claim.address, this.#released);
      if (holder === undefined) this.#addresses.add(heldOf(owner, claim));
      else problems.push(collisionProblem(claim, holder));
    }
    for (const claim of routes) {
      const holder = this.#routes.holderOf(claim.key) ?? this.#inForce?.routes.holderOf(claim.key, this.#released);
      if (holder === undefined) this.#routes.add(heldRouteOf(owner, claim));
      else problems.push(routeProblem(claim, holder));
    }
    return problems;
  }
}
