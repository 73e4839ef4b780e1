/**
 * Who takes what from shared listeners, kept while tenants come and go, so that one tenant can be held against all
 * others at the cost of its own routes. Owned by the control plane; `load.ts` fills one for each look at all files.
 *
 * @module
 */

/** What a route is found by on a listener: a name, a prefix of client addresses, a protocol, or nothing of these. */
export interface RouteKey {
  readonly listener: string;
  readonly kind: "name" | "source" | "protocol" | "default";
  /** In canonical form; empty for the default. */
  readonly value: string;
}

/** A key that somebody has. */
export interface HeldRoute {
  readonly key: RouteKey;
  /** Who has it: everything of one owner comes and goes together. */
  readonly owner: string;
  /** For messages: `route web of tenant acme`. */
  readonly who: string;
  /** For messages: the file where it is written. */
  readonly at: string;
}

/** Keys and who has them. */
export class RouteIndex {
  readonly #byKey = new Map<string, HeldRoute[]>();
  readonly #byOwner = new Map<string, HeldRoute[]>();

  /** Gives an owner these keys, in place of what it had. */
  set(owner: string, held: readonly HeldRoute[]): void {
    this.delete(owner);
    for (const one of held) this.add(one);
  }

  /** Gives an owner one more. */
  add(one: HeldRoute): void {
    push(this.#byOwner, one.owner, one);
    push(this.#byKey, keyText(one.key), one);
  }

  /** Takes everything from an owner. */
  delete(owner: string): void {
    for (const one of this.#byOwner.get(owner) ?? []) {
      const text = keyText(one.key);
      const rest = this.#byKey.get(text)?.filter((held) => held !== one) ?? [];
      if (rest.length === 0) this.#byKey.delete(text);
      else this.#byKey.set(text, rest);
    }
    this.#byOwner.delete(owner);
  }

  /** Who has a key already, owners in `except` left out. */
  holderOf(key: RouteKey, except?: ReadonlySet<string>): HeldRoute | undefined {
    return this.#byKey.get(keyText(key))?.find(({ owner }) => except?.has(owner) !== true);
  }
}

function push(map: Map<string, HeldRoute[]>, key: string, one: HeldRoute): void {
  const found = map.get(key);
  if (found === undefined) map.set(key, [one]);
  else found.push(one);
}

/** A key as text that no other key has: ids hold no spaces. */
export function keyText({ listener, kind, value }: RouteKey): string {
  return `${listener} ${kind} ${value}`;
}
