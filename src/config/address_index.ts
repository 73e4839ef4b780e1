/**
 * Who listens where, kept while tenants come and go, so that one tenant can be held against all others at the cost of
 * its own addresses. The same rule as `overlap.ts`, which compares all with all. Owned by the control plane.
 *
 * @module
 */

import type { ListenAddress } from "./address.ts";
import { sameHost } from "./overlap.ts";

/** An address that somebody has. */
export interface HeldAddress {
  readonly address: ListenAddress;
  /** Who has it: everything of one owner comes and goes together. */
  readonly owner: string;
  /** For messages: `listener pg of tenant acme`. */
  readonly who: string;
  /** For messages: the file where it is written. */
  readonly at: string;
}

/** Addresses by port and by path. */
export class AddressIndex {
  readonly #byPort = new Map<number, HeldAddress[]>();
  readonly #byPath = new Map<string, HeldAddress[]>();
  readonly #byOwner = new Map<string, readonly HeldAddress[]>();

  /** Gives an owner these addresses, in place of what it had. */
  set(owner: string, held: readonly HeldAddress[]): void {
    this.delete(owner);
    if (held.length > 0) this.#byOwner.set(owner, held);
    for (const one of held) for (const bucket of this.#bucketsOf(one.address)) bucket.push(one);
  }

  /** Gives an owner one more. */
  add(one: HeldAddress): void {
    this.#byOwner.set(one.owner, [...this.#byOwner.get(one.owner) ?? [], one]);
    for (const bucket of this.#bucketsOf(one.address)) bucket.push(one);
  }

  /** Takes everything from an owner. */
  delete(owner: string): void {
    for (const one of this.#byOwner.get(owner) ?? []) {
      for (const bucket of this.#bucketsOf(one.address)) {
        const at = bucket.indexOf(one);
        if (at >= 0) bucket.splice(at, 1);
      }
    }
    this.#byOwner.delete(owner);
  }

  /** Who has an address already, owners in `except` left out. */
  holderOf(address: ListenAddress, except?: ReadonlySet<string>): HeldAddress | undefined {
    for (const bucket of this.#bucketsOf(address)) {
      for (const one of bucket) {
        if (except?.has(one.owner) !== true && collide(one.address, address)) return one;
      }
    }
    return undefined;
  }

  /** The lists in which an address belongs; none for port 0, which the kernel makes unique. */
  *#bucketsOf(address: ListenAddress): Iterable<HeldAddress[]> {
    if (address.family === "unix") yield bucketOf(this.#byPath, address.path);
    else if (address.port !== 0) {
      for (let port = address.port; port <= address.portLast; port++) yield bucketOf(this.#byPort, port);
    }
  }
}

function bucketOf<K>(map: Map<K, HeldAddress[]>, key: K): HeldAddress[] {
  const found = map.get(key);
  if (found !== undefined) return found;
  const fresh: HeldAddress[] = [];
  map.set(key, fresh);
  return fresh;
}

/** Whether two addresses that share a port or a path collide. */
function collide(one: ListenAddress, other: ListenAddress): boolean {
  if (one.family === "unix" || other.family === "unix") return one.family === other.family;
  return sameHost(one, other);
}
