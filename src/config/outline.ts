/**
 * What the checks across a configuration need of it: ids, addresses and references with their places, taken from the
 * written values, so that one wrong key elsewhere does not hide a wrong reference here.
 *
 * @module
 */

import { type EndpointAddress, type ListenAddress, parseEndpointAddress, parseListenAddress } from "./address.ts";
import { entriesOf, isMapValue, textOf } from "./raw.ts";
import { Refusal } from "./scalar.ts";
import type { Path, Place, Source } from "./source.ts";
import type { TenantUnit } from "./unit.ts";

/** A thing with an id, and where it is. */
export interface Item {
  /** Undefined where the id is missing or no text; the schema says so. */
  readonly id: string | undefined;
  readonly raw: unknown;
  /** Place of a part of it. */
  placeOf(path: Path): Place;
}

/** An item that listens; `address` is undefined where it cannot be read. */
export interface ListenItem extends Item {
  readonly address: ListenAddress | undefined;
}

/** An item that is connected to. */
export interface EndpointItem extends Item {
  readonly address: EndpointAddress | undefined;
}

/** A backend and its endpoints. */
export interface BackendItem extends Item {
  readonly endpoints: readonly EndpointItem[];
}

/** A tenant's parts. */
export interface TenantOutline extends Item {
  readonly unit: TenantUnit;
  readonly listeners: readonly ListenItem[];
  readonly routes: readonly Item[];
  readonly backends: readonly BackendItem[];
}

/** The whole. */
export interface Outline {
  readonly main: Source;
  readonly listeners: readonly ListenItem[];
  readonly tenants: readonly TenantOutline[];
}

/** Takes the outline of a main file and its tenants, in the order in which they are given. */
export function outlineOf(main: Source, units: readonly TenantUnit[]): Outline {
  const placeOf = (path: Path): Place => ({ source: main, path });
  return {
    main,
    listeners: itemsOf(main.value, "listeners", placeOf).map(withListenAddress),
    tenants: units.map((unit) => ({
      unit,
      id: textOf(unit.own, "id") ?? unit.fileName ?? undefined,
      raw: unit.merged,
      placeOf: unit.placeOf,
      listeners: itemsOf(unit.merged, "listeners", unit.placeOf).map(withListenAddress),
      routes: itemsOf(unit.merged, "routes", unit.placeOf),
      backends: itemsOf(unit.merged, "backends", unit.placeOf).map((backend) => ({
        ...backend,
        endpoints: itemsOf(backend.raw, "endpoints", backend.placeOf).map((endpoint) => ({
          ...endpoint,
          address: readable(parseEndpointAddress, textOf(endpoint.raw, "address")),
        })),
      })),
    })),
  };
}

function itemsOf(value: unknown, key: string, placeOf: (path: Path) => Place): Item[] {
  return entriesOf(value, key).flatMap((raw, index) =>
    isMapValue(raw) ? [{ id: textOf(raw, "id"), raw, placeOf: (path: Path) => placeOf([key, index, ...path]) }] : []
  );
}

function withListenAddress(item: Item): ListenItem {
  return { ...item, address: readable(parseListenAddress, textOf(item.raw, "address")) };
}

/** The address, or undefined where the schema will refuse it. */
export function readable<T>(parse: (text: string) => T, text: string | undefined): T | undefined {
  if (text === undefined) return undefined;
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}
