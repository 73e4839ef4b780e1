/**
 * Statistics of the library as plain readonly objects. Called by `engine.ts`; the types are what the rest of the program
 * sees. The log is in `decode_log.ts`.
 *
 * @module
 */

import type { Address, EndpointPlan } from "../config/plan.ts";
import { ipText, readAddress } from "./address.ts";
import { CODES, CONSTANTS, type Reason, REASONS } from "./constants.ts";
import { RECORDS } from "./layout.ts";
import type { Records } from "./record.ts";

/** Names behind numbers; null for 0 and for what is forgotten. */
export type NameOf = (id: number) => string | null;

/** Where an engine is in its life. */
export type EngineState = "created" | "running" | "draining" | "stopped";

/** An engine at a glance. */
export interface EngineStatus {
  readonly state: EngineState;
  readonly workers: number;
  /** Of the last change that was applied; 0 before the first. */
  readonly generation: number;
  readonly sessionsActive: number;
  readonly tenants: number;
  /** Bound addresses. */
  readonly listeners: number;
  /** Replaced tenant configurations that live sessions still use. */
  readonly snapshotsHeld: number;
}

/** Counters of a tenant, or of shared listeners. A histogram's buckets are not cumulative; their bounds are BUCKET_BOUNDS_US. */
export interface TenantStats {
  /** Null: of shared listeners; these are the sessions that had no route yet. */
  readonly tenant: string | null;
  readonly sessionsTotal: number;
  readonly sessionsActive: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** Held for slow readers now, without what is in pipes. */
  readonly bufferedBytes: number;
  readonly retriesTotal: number;
  /** Sessions that wait for a limit now. */
  readonly queueLength: number;
  /** Time that sessions had bytes to move and were held back by a rate, summed over them, in µs. */
  readonly throttledUsUp: number;
  readonly throttledUsDown: number;
  /** What is left in the tenant's buckets now; null where there is no limit. */
  readonly sessionTokens: number | null;
  readonly upTokens: number | null;
  readonly downTokens: number | null;
  /**
   * Sessions that never got an endpoint, by reason, and with a dry run those that passed; reasons without any are left
   * out.
   */
  readonly refused: ReadonlyMap<Reason, number>;
  /** Those of `refused` that a dry run let pass. */
  readonly dryRefused: ReadonlyMap<Reason, number>;
  /** Sessions that ended, by termination code; codes without any are left out. */
  readonly closed: ReadonlyMap<string, number>;
  readonly connectUsSum: number;
  readonly sessionUsSum: number;
  readonly connectBuckets: readonly number[];
  readonly sessionBuckets: readonly number[];
}

/** A source of a tenant's sessions that is being counted. */
export interface SourceStats {
  readonly family: "ipv4" | "ipv6";
  /** Its first address: bits beyond the prefix that makes a source are zero. */
  readonly ip: string;
  /** Alive now. */
  readonly sessions: number;
}

/** Counters of a listener. */
export interface ListenerStats {
  /** Null: it is shared. */
  readonly tenant: string | null;
  readonly listener: string | null;
  readonly sessionsTotal: number;
  /** Bound addresses; more than one for a range of ports. */
  readonly addresses: number;
  /** The first of them, with the port that the kernel chose; a unix socket's path is left empty. */
  readonly bound: Address | null;
}

/** Counters of an endpoint. */
export interface EndpointStats {
  readonly tenant: string | null;
  readonly backend: string | null;
  readonly endpoint: string | null;
  /** Which of its addresses, as it is written in a configuration; null when that is forgotten. */
  readonly address: string | null;
  readonly state: EndpointPlan["state"];
  readonly sessionsActive: number;
  readonly sessionsTotal: number;
  readonly connectFailures: number;
  /** Connections that are open ahead now. */
  readonly preconnectIdle: number;
  /** What active checks say. */
  readonly health: Health;
  /** Passed over for now, because connects have failed. */
  readonly ejected: boolean;
}

/** What active checks say of an endpoint; unknown without any. Endpoints that are not down are used. */
export type Health = "unknown" | "up" | "down";

/** Where a circuit breaker stands; closed without one. */
export type Circuit = "closed" | "open" | "half_open";

/** Counters of a backend. Buckets as in TenantStats. */
export interface BackendStats {
  readonly tenant: string | null;
  readonly backend: string | null;
  readonly circuit: Circuit;
  /** Sessions that tried to connect. */
  readonly connectsTotal: number;
  /** Those of them that got no endpoint. */
  readonly connectFailures: number;
  readonly connectUsSum: number;
  readonly connectBuckets: readonly number[];
}

/** Counters of a worker. */
export interface WorkerStats {
  readonly sessionsActive: number;
  readonly fdsInUse: number;
  readonly pipesInUse: number;
  readonly bufferBytes: number;
  readonly sessionBytes: number;
  /** Longest turn since the last time that anybody read these. */
  readonly loopLagNs: number;
  readonly turnsTotal: number;
  readonly acceptPausesTotal: number;
  readonly logDroppedTotal: number;
}

const STATES: readonly EngineState[] = ["created", "running", "draining", "stopped"];

/** States of an endpoint by their numbers. */
const ENDPOINT_STATES: readonly EndpointPlan["state"][] = ["ready", "drain", "maintenance"];

/** Healths by their numbers. */
export const HEALTHS: readonly Health[] = ["unknown", "up", "down"];

/** States of a circuit by their numbers. */
const CIRCUITS: readonly Circuit[] = ["closed", "open", "half_open"];

/** Reads a status. */
export function decodeStatus(records: Records): EngineStatus {
  const { fields } = RECORDS.engine_status;
  return {
    state: STATES[records.number(0, fields.state)] ?? "stopped",
    workers: records.number(0, fields.workers),
    generation: records.number(0, fields.generation),
    sessionsActive: records.number(0, fields.sessions_active),
    tenants: records.number(0, fields.tenants),
    listeners: records.number(0, fields.listeners),
    snapshotsHeld: records.number(0, fields.snapshots_held),
  };
}

/** Reads a tenant's counters at `at`. */
export function decodeTenantStats(records: Records, at: number, nameOf: NameOf): TenantStats {
  const { fields } = RECORDS.tenant_stats;
  return {
    tenant: nameOf(records.number(at, fields.id)),
    sessionsTotal: records.number(at, fields.sessions_total),
    sessionsActive: records.number(at, fields.sessions_active),
    bytesUp: records.number(at, fields.bytes_up),
    bytesDown: records.number(at, fields.bytes_down),
    bufferedBytes: records.number(at, fields.buffered_bytes),
    retriesTotal: records.number(at, fields.retries_total),
    queueLength: records.number(at, fields.queue_length),
    throttledUsUp: records.number(at, fields.throttled_us_up),
    throttledUsDown: records.number(at, fields.throttled_us_down),
    sessionTokens: records.numberOrNever(at, fields.session_tokens),
    upTokens: records.numberOrNever(at, fields.up_tokens),
    downTokens: records.numberOrNever(at, fields.down_tokens),
    refused: counted(REASONS, records, at + fields.refused.offset),
    dryRefused: counted(REASONS, records, at + fields.dry_refused.offset),
    closed: counted(CODES, records, at + fields.closed.offset),
    connectUsSum: records.number(at, fields.connect_us_sum),
    sessionUsSum: records.number(at, fields.session_us_sum),
    connectBuckets: records.u64Array(at, fields.connect_bucket),
    sessionBuckets: records.u64Array(at, fields.session_bucket),
  };
}

function counted<K>(keys: readonly K[], records: Records, start: number): ReadonlyMap<K, number> {
  const found = new Map<K, number>();
  let position = start;
  for (const key of keys) {
    const count = records.u64(position);
    if (count > 0) found.set(key, count);
    position += 8;
  }
  return found;
}

/** Reads a source at `at`. */
export function decodeSourceStats(records: Records, at: number): SourceStats {
  const { fields } = RECORDS.source_stats;
  const family = records.number(at, fields.family);
  return {
    family: family === CONSTANTS.FAMILY_IPV4 ? "ipv4" : "ipv6",
    ip: ipText(records, at + fields.ip.offset, family) ?? "",
    sessions: records.number(at, fields.sessions),
  };
}

/** Reads a listener's counters at `at`. */
export function decodeListenerStats(records: Records, at: number, nameOf: NameOf): ListenerStats {
  const { fields } = RECORDS.listener_stats;
  return {
    tenant: nameOf(records.number(at, fields.tenant)),
    listener: nameOf(records.number(at, fields.id)),
    sessionsTotal: records.number(at, fields.sessions_total),
    addresses: records.number(at, fields.addresses),
    bound: readAddress(records, at + fields.bound.offset),
  };
}

/** Reads an endpoint's counters at `at`. */
export function decodeEndpointStats(
  records: Records,
  at: number,
  nameOf: NameOf,
  addressOf: NameOf,
): EndpointStats {
  const { fields } = RECORDS.endpoint_stats;
  const id = records.number(at, fields.id);
  return {
    tenant: nameOf(records.number(at, fields.tenant)),
    backend: nameOf(records.number(at, fields.backend)),
    endpoint: nameOf(id),
    address: addressOf(id),
    state: ENDPOINT_STATES[records.number(at, fields.state)] ?? "ready",
    sessionsActive: records.number(at, fields.sessions_active),
    sessionsTotal: records.number(at, fields.sessions_total),
    connectFailures: records.number(at, fields.connect_failures),
    preconnectIdle: records.number(at, fields.preconnect_idle),
    health: HEALTHS[records.number(at, fields.health)] ?? "unknown",
    ejected: records.number(at, fields.ejected) !== 0,
  };
}

/** Reads a backend's counters at `at`. */
export function decodeBackendStats(records: Records, at: number, nameOf: NameOf): BackendStats {
  const { fields } = RECORDS.backend_stats;
  return {
    tenant: nameOf(records.number(at, fields.tenant)),
    backend: nameOf(records.number(at, fields.id)),
    circuit: CIRCUITS[records.number(at, fields.circuit)] ?? "closed",
    connectsTotal: records.number(at, fields.connects_total),
    connectFailures: records.number(at, fields.connect_failures),
    connectUsSum: records.number(at, fields.connect_us_sum),
    connectBuckets: records.u64Array(at, fields.connect_bucket),
  };
}

/** Reads a worker's counters at `at`. */
export function decodeWorkerStats(records: Records, at: number): WorkerStats {
  const { fields } = RECORDS.worker_stats;
  return {
    sessionsActive: records.number(at, fields.sessions_active),
    fdsInUse: records.number(at, fields.fds_in_use),
    pipesInUse: records.number(at, fields.pipes_in_use),
    bufferBytes: records.number(at, fields.buffer_bytes),
    sessionBytes: records.number(at, fields.session_bytes),
    loopLagNs: records.number(at, fields.loop_lag_ns),
    turnsTotal: records.number(at, fields.turns_total),
    acceptPausesTotal: records.number(at, fields.accept_pauses_total),
    logDroppedTotal: records.number(at, fields.log_dropped_total),
  };
}
