/**
 * What the control plane remembers of the files: the main one, and each tenant by itself.
 *
 * @module
 */

import type {
  HeldAddress,
  HeldRoute,
  ListenClaim,
  MainConfig,
  Path,
  Problem,
  ProcessPlan,
  RouteClaim,
  Source,
  TenantPlan,
} from "../config/mod.ts";
import type { JsonObject } from "../admin/control.ts";
import type { TenantVersion } from "./tenant_version.ts";

/** The main file as it is in force. */
export interface MainState {
  readonly text: string;
  readonly source: Source;
  readonly config: MainConfig;
  readonly process: ProcessPlan;
  /** The holder of shared listeners; null when there are none. */
  readonly shared: TenantPlan | null;
  /** Folder of tenants' files; null when none is configured. */
  readonly folder: string | null;
  /** As written, without `tenants`. */
  readonly written: JsonObject;
  /** Addresses of the main file's own: admin API and shared listeners. */
  readonly held: readonly HeldAddress[];
}

/** The version of a tenant that runs. */
export interface RunningTenant extends TenantVersion {
  /** As written, its id included. */
  readonly written: JsonObject;
  /** Addresses. */
  readonly held: readonly HeldAddress[];
  /** What it takes from shared listeners. */
  readonly routes: readonly HeldRoute[];
}

/** A tenant: what its file says, and what runs. */
export interface Unit {
  readonly id: string;
  readonly file: string;
  /** Where in the file; empty for a file of its own. */
  readonly base: Path;
  readonly inMain: boolean;
  /** Text of a file of its own; empty for a tenant of the main file, and for a file that cannot be read. */
  readonly text: string;
  /** As the file says; null when that is no map. Differs from what runs only while there are problems. */
  readonly written: JsonObject | null;
  /** What is wrong with what the file says; then `running` is the last good version. */
  readonly problems: readonly Problem[];
  /** Null when it never was good. */
  readonly running: RunningTenant | null;
}

/** Who owns a tenant's addresses and routes in the indexes. */
export function ownerOf(id: string): string {
  return `tenant ${id}`;
}

/** Who owns the main file's addresses in the index. */
export const MAIN_OWNER = "main";

/** An address as its owner has it. */
export function heldOf(owner: string, { address, who, place }: ListenClaim): HeldAddress {
  return { address, owner, who, at: place.source.file };
}

/** A route's key as its owner has it. */
export function heldRouteOf(owner: string, { key, who, place }: RouteClaim): HeldRoute {
  return { key, owner, who, at: place.source.file };
}
