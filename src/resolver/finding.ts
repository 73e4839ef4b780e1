/**
 * What looking for a name gives. Types only.
 *
 * @module
 */

/** A name of an endpoint. */
export interface WantedName {
  /** `host` has A and AAAA records, `srv` has services, whose targets are hosts. */
  readonly kind: "host" | "srv";
  /** In lower case; a final dot says that it is whole. */
  readonly name: string;
}

/** One of the things that a name stands for. */
export interface NameTarget {
  /** In canonical form. */
  readonly ip: string;
  /** Null for a host: the port is the endpoint's. */
  readonly port: number | null;
  /** From 1 to 65535; null for a host: the weight is the endpoint's. */
  readonly weight: number | null;
  /** 0 for a host. Of services, the lowest priority is 0, the next one 1, and so on. */
  readonly tier: number;
}

/** What was found of one kind of record. */
export type Finding<T> =
  | { readonly kind: "found"; readonly values: readonly T[]; readonly ttlMs: number }
  /** There is none, and that is certain. */
  | { readonly kind: "none"; readonly why: string; readonly ttlMs: number }
  /** Nobody could say. */
  | { readonly kind: "failed"; readonly why: string };

/** What was found of a host, by family. */
export interface HostFinding {
  readonly ipv4: Finding<string>;
  readonly ipv6: Finding<string>;
}
