/**
 * Records of the library as plain readonly objects: statistics and log. Called by `engine.ts`; the types are what the
 * rest of the program sees.
 *
 * @module
 */

import type { Address, EndpointPlan } from "../config/plan.ts";
import { ipText, readAddress } from "./address.ts";
import { CODES, CONSTANTS, type Reason, REASONS } from "./constants.ts";
import { RECORDS } from "./layout.ts";
import type { Records } from "./record.ts";
import { ulidText, ulidTimeMs } from "./ulid.ts";

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

/** Counters of a tenant. A histogram's buckets are not cumulative; their bounds are BUCKET_BOUNDS_US. */
export interface TenantStats {
  readonly tenant: string | null;
  readonly sessionsTotal: number;
  readonly sessionsActive: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** Held for slow readers now, without what is in pipes. */
  readonly bufferedBytes: number;
  readonly retriesTotal: number;
  /** Sessions that never got an endpoint, by reason; reasons without any are left out. */
  readonly refused: ReadonlyMap<Reason, number>;
  /** Sessions that ended, by termination code; codes without any are left out. */
  readonly closed: ReadonlyMap<string, number>;
  readonly connectUsSum: number;
  readonly sessionUsSum: number;
  readonly connectBuckets: readonly number[];
  readonly sessionBuckets: readonly number[];
}

/** Counters of a listener. */
export interface ListenerStats {
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
  readonly state: EndpointPlan["state"];
  readonly sessionsActive: number;
  readonly sessionsTotal: number;
  readonly connectFailures: number;
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

/** A session that ended, was refused, or (`progress`) is still going on. */
export interface SessionRecord {
  readonly kind: "session";
  /** True for a session that is still going on: `code` and `reason` are null. */
  readonly progress: boolean;
  /** When the record was made: the end of the session. Unix time in ms. */
  readonly timeMs: number;
  /** ULID, 26 characters. */
  readonly session: string;
  readonly tenant: string | null;
  readonly listener: string | null;
  readonly route: string | null;
  readonly backend: string | null;
  readonly endpoint: string | null;
  /** IP address; null for a client on a unix socket. */
  readonly client: string | null;
  readonly clientPort: number | null;
  readonly serverName: string | null;
  readonly alpn: string | null;
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** Durations in µs; null where it did not happen. */
  readonly queueUs: number | null;
  readonly connectUs: number | null;
  readonly firstByteUs: number | null;
  readonly totalUs: number | null;
  readonly attempts: number;
  readonly code: string | null;
  readonly reason: Reason | null;
  /** Round trips in µs; null where the kernel has not said. */
  readonly rttClientUs: number | null;
  readonly rttServerUs: number | null;
}

/** Something that a worker has to tell. */
export type NoticeRecord =
  & { readonly kind: "notice"; readonly worker: number; readonly timeMs: number; readonly tenant: string | null }
  & (
    | { readonly notice: "accept_paused"; readonly errno: number }
    | { readonly notice: "accept_resumed"; readonly pausedUs: number }
  );

/** One record of the log. */
export type LogRecord = SessionRecord | NoticeRecord;

const STATES: readonly EngineState[] = ["created", "running", "draining", "stopped"];

/** States of an endpoint by their numbers. */
const ENDPOINT_STATES: readonly EndpointPlan["state"][] = ["ready", "drain", "maintenance"];

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
    refused: counted(REASONS, records, at + fields.refused.offset),
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
export function decodeEndpointStats(records: Records, at: number, nameOf: NameOf): EndpointStats {
  const { fields } = RECORDS.endpoint_stats;
  return {
    tenant: nameOf(records.number(at, fields.tenant)),
    backend: nameOf(records.number(at, fields.backend)),
    endpoint: nameOf(records.number(at, fields.id)),
    state: ENDPOINT_STATES[records.number(at, fields.state)] ?? "ready",
    sessionsActive: records.number(at, fields.sessions_active),
    sessionsTotal: records.number(at, fields.sessions_total),
    connectFailures: records.number(at, fields.connect_failures),
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

/** Reads the log records in the first `length` bytes; kinds that are not known are skipped. */
export function decodeLog(records: Records, length: number, nameOf: NameOf): LogRecord[] {
  const { fields, size: headerSize } = RECORDS.log_header;
  const found: LogRecord[] = [];
  for (let at = 0; at + headerSize <= length;) {
    const size = records.number(at, fields.size);
    if (size < headerSize || size % 8 !== 0 || at + size > length) {
      throw new RangeError(`Cannot read the log: a record's size must fit what was drained: current value is ${size}`);
    }
    const kind = records.number(at, fields.kind);
    switch (kind) {
      case CONSTANTS.LOG_SESSION:
      case CONSTANTS.LOG_PROGRESS:
        found.push(decodeSession(records, at, kind === CONSTANTS.LOG_PROGRESS, nameOf));
        break;
      case CONSTANTS.LOG_NOTICE: {
        const notice = decodeNotice(records, at, nameOf);
        if (notice !== null) found.push(notice);
        break;
      }
    }
    at += size;
  }
  return found;
}

/** Reads a session's record at `at`. */
export function decodeSession(records: Records, at: number, progress: boolean, nameOf: NameOf): SessionRecord {
  const { fields, size } = RECORDS.log_session;
  const ulid = at + fields.session.offset;
  const total = records.numberOrNever(at, fields.total_us);
  const nameLength = records.number(at, fields.server_name_length);
  const alpnLength = records.number(at, fields.alpn_length);
  const client = ipText(records, at + fields.client_ip.offset, records.number(at, fields.client_family));
  return {
    kind: "session",
    progress,
    timeMs: ulidTimeMs(records.bytes, ulid) + Math.floor((total ?? 0) / 1000),
    session: ulidText(records.bytes, ulid),
    tenant: nameOf(records.number(at, fields.tenant)),
    listener: nameOf(records.number(at, fields.listener)),
    route: nameOf(records.number(at, fields.route)),
    backend: nameOf(records.number(at, fields.backend)),
    endpoint: nameOf(records.number(at, fields.endpoint)),
    client,
    clientPort: client === null ? null : records.number(at, fields.client_port),
    serverName: nameLength === 0 ? null : records.text(at + size, nameLength),
    alpn: alpnLength === 0 ? null : records.text(at + size + nameLength, alpnLength),
    bytesUp: records.number(at, fields.bytes_up),
    bytesDown: records.number(at, fields.bytes_down),
    queueUs: records.numberOrNever(at, fields.queue_us),
    connectUs: records.numberOrNever(at, fields.connect_us),
    firstByteUs: records.numberOrNever(at, fields.first_byte_us),
    totalUs: total,
    attempts: records.number(at, fields.attempts),
    code: progress ? null : CODES[records.number(at, fields.code)] ?? null,
    reason: progress ? null : REASONS[records.number(at, fields.reason)] ?? null,
    rttClientUs: records.number(at, fields.rtt_client_us) || null,
    rttServerUs: records.number(at, fields.rtt_server_us) || null,
  };
}

function decodeNotice(records: Records, at: number, nameOf: NameOf): NoticeRecord | null {
  const { fields } = RECORDS.log_notice;
  const common = {
    kind: "notice",
    worker: records.number(at, RECORDS.log_header.fields.worker),
    timeMs: records.number(at, fields.time_ms),
    tenant: nameOf(records.number(at, fields.tenant)),
  } as const;
  const value = records.number(at, fields.value);
  switch (records.number(at, fields.notice)) {
    case CONSTANTS.NOTICE_ACCEPT_PAUSED:
      return { ...common, notice: "accept_paused", errno: value };
    case CONSTANTS.NOTICE_ACCEPT_RESUMED:
      return { ...common, notice: "accept_resumed", pausedUs: value };
    default:
      return null;
  }
}
