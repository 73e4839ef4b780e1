/**
 * Listeners that want the same address. The kernel lets SO_REUSEPORT sockets of one process share an address in
 * silence, and clients would reach either tenant by chance: so it is refused here.
 *
 * @module
 */

import { formatAddress, type IpAddress, type ListenAddress } from "./address.ts";

type IpListen = Extract<ListenAddress, IpAddress>;

/** Something that listens. */
export interface Claim {
  readonly address: ListenAddress;
}

/** A claim that collides with one that comes before it. */
export interface Collision<C extends Claim> {
  readonly later: C;
  readonly earlier: C;
}

/** For each claim that collides with earlier ones, the first of those. `claims` come in the order of the files. */
export function findCollisions<C extends Claim>(claims: readonly C[]): Collision<C>[] {
  const earliest = new Map<number, number>();
  const collide = (one: number, other: number) => {
    const [first, later] = one < other ? [one, other] : [other, one];
    earliest.set(later, Math.min(earliest.get(later) ?? first, first));
  };

  const paths = new Map<string, number>();
  const byPort: { index: number; address: IpListen }[] = [];
  for (const [index, { address }] of claims.entries()) {
    if (address.family === "unix") {
      const holder = paths.get(address.path);
      if (holder === undefined) paths.set(address.path, index);
      else collide(holder, index);
    } else if (address.port !== 0) byPort.push({ index, address });
  }

  // Sweep over the ports: `open` are the ranges that reach the port where the next one starts.
  byPort.sort((one, other) => one.address.port - other.address.port || one.index - other.index);
  let open: typeof byPort = [];
  for (const next of byPort) {
    open = open.filter(({ address }) => address.portLast >= next.address.port);
    for (const held of open) if (sameHost(held.address, next.address)) collide(held.index, next.index);
    open.push(next);
  }

  return [...earliest].sort(([one], [other]) => one - other).flatMap(([laterIndex, earlierIndex]) => {
    const [later, earlier] = [claims[laterIndex], claims[earlierIndex]];
    return later === undefined || earlier === undefined ? [] : [{ later, earlier }];
  });
}

/** Whether a client could reach both. `[::]` is bound for IPv6 and IPv4. */
export function sameHost(one: IpListen, other: IpListen): boolean {
  return covers(one, other) || covers(other, one) ||
    (one.family === other.family && one.ip === other.ip && one.zone === other.zone);
}

function covers(wide: IpListen, narrow: IpListen): boolean {
  if (wide.family === "ipv6") return wide.ip === "::";
  return wide.ip === "0.0.0.0" && narrow.family === "ipv4";
}

/** Why two addresses collide, for a message. */
export function explainCollision(later: ListenAddress, earlier: ListenAddress): string {
  const held = formatAddress(earlier);
  return formatAddress(later) === held ? `${held} is taken` : `${formatAddress(later)} overlaps ${held}`;
}
