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

/** Who listens on one port: by address, and who listens on all of a family's. */
interface Port {
  readonly hosts: Map<string, HeldAddress[]>;
  readonly wide: HeldAddress[];
}

/** Addresses by port and host, and by path. */
export class AddressIndex {
  readonly #byPort = new Map<number, Port>();
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
    const isOther = (one: HeldAddress) => except?.has(one.owner) !== true;
    if (address.family === "unix") return this.#byPath.get(address.path)?.find(isOther);
    for (let number = address.port; number !== 0 && number <= address.portLast; number++) {
      const port = this.#byPort.get(number);
      const collides = (one: HeldAddress) => isOther(one) && collide(one.address, address);
      const found = port?.hosts.get(hostKey(address))?.find(isOther) ?? port?.wide.find(collides);
      if (found !== undefined) return found;
      if (port === undefined || !isWide(address)) continue;
      for (const held of port.hosts.values()) {
        const narrow = held.find(collides);
        if (narrow !== undefined) return narrow;
      }
    }
    return undefined;
  }

  /** The lists in which an address belongs; none for port 0, which the kernel makes unique. */
  *#bucketsOf(address: ListenAddress): Iterable<HeldAddress[]> {
    if (address.family === "unix") return yield entryOf(this.#byPath, address.path, () => []);
    for (let number = address.port; number !== 0 && number <= address.portLast; number++) {
      const port = entryOf(this.#byPort, number, () => ({ hosts: new Map<string, HeldAddress[]>(), wide: [] }));
      yield isWide(address) ? port.wide : entryOf(port.hosts, hostKey(address), () => []);
    }
  }
}

type IpListen = Exclude<ListenAddress, { family: "unix" }>;

function isWide({ ip }: IpListen): boolean {
  return ip === "0.0.0.0" || ip === "::";
}

function hostKey({ ip, zone }: IpListen): string {
  return zone === "" ? ip : `${ip}%${zone}`;
}

function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key);
  if (found !== undefined) return found;
  const fresh = make();
  map.set(key, fresh);
  return fresh;
}

/** Whether two addresses that share a port collide. */
function collide(one: ListenAddress, other: ListenAddress): boolean {
  return one.family !== "unix" && other.family !== "unix" && sameHost(one, other);
}
