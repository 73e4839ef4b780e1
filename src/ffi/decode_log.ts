/**
 * Records of the log as plain readonly objects. Called by `engine.ts` and `sessions.ts`; the types are what the rest of
 * the program sees.
 *
 * @module
 */

import { ipText } from "./address.ts";
import { CODES, CONSTANTS, type Reason, REASONS } from "./constants.ts";
import type { Circuit, NameOf } from "./decode.ts";
import type { Named } from "./ids.ts";
import { RECORDS } from "./layout.ts";
import type { Records } from "./record.ts";
import { ulidText, ulidTimeMs } from "./ulid.ts";

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
    /**
     * The tenant's sessions are refused (or a dry run lets them pass); the reason of the first, null: unknown. Without
     * a tenant they are refused at shared listeners, before a route was found.
     */
    | { readonly notice: "refusing"; readonly reason: Reason | null }
    | EndpointNotice
    | CircuitNotice
  );

/** An endpoint is passed over because connects have failed, or takes part again. Names are null when forgotten. */
export interface EndpointNotice {
  readonly notice: "ejected" | "ejection_ended";
  readonly backend: string | null;
  readonly endpoint: string | null;
  /** As it is written in a configuration. */
  readonly address: string | null;
}

/** A circuit breaker has changed its state. */
export interface CircuitNotice {
  readonly notice: "circuit";
  readonly backend: string | null;
  readonly circuit: Circuit;
}

/** One record of the log. */
export type LogRecord = SessionRecord | NoticeRecord;

/** What numbers stand for. */
export interface Names {
  name(id: number): string | null;
  object(id: number): Named | null;
}

/** Reads the log records in the first `length` bytes; kinds that are not known are skipped. */
export function decodeLog(records: Records, length: number, names: Names): LogRecord[] {
  const { fields, size: headerSize } = RECORDS.log_header;
  const found: LogRecord[] = [];
  const nameOf: NameOf = (id) => names.name(id);
  for (let at = 0; at + headerSize <= length;) {
    const size = records.number(at, fields.size);
    if (size < headerSize || size % 8 !== 0 || at + size > length) {
      throw new RangeError(`Cannot read the log: a record's size must fit what was drained: current value is ${size}`);
    }
    const kind = records.number(at, fields.kind);
    switch (kind) {
      case CONSTANTS.LOG_SESSION:
      case CONSTANTS.LOG_PROGRESS:
        found.push(
          decodeSession(records, at, at + RECORDS.log_session.size, kind === CONSTANTS.LOG_PROGRESS, nameOf),
        );
        break;
      case CONSTANTS.LOG_NOTICE: {
        const notice = decodeNotice(records, at, names);
        if (notice !== null) found.push(notice);
        break;
      }
    }
    at += size;
  }
  return found;
}

/** Reads a session's record at `at`; server name and ALPN are at `textAt`. */
export function decodeSession(
  records: Records,
  at: number,
  textAt: number,
  progress: boolean,
  nameOf: NameOf,
): SessionRecord {
  const { fields } = RECORDS.log_session;
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
    serverName: nameLength === 0 ? null : records.text(textAt, nameLength),
    alpn: alpnLength === 0 ? null : records.text(textAt + nameLength, alpnLength),
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

const CIRCUITS: Readonly<Record<number, Circuit>> = {
  [CONSTANTS.NOTICE_CIRCUIT_OPEN]: "open",
  [CONSTANTS.NOTICE_CIRCUIT_HALF_OPEN]: "half_open",
  [CONSTANTS.NOTICE_CIRCUIT_CLOSED]: "closed",
};

function decodeNotice(records: Records, at: number, names: Names): NoticeRecord | null {
  const { fields } = RECORDS.log_notice;
  const common = {
    kind: "notice",
    worker: records.number(at, RECORDS.log_header.fields.worker),
    timeMs: records.number(at, fields.time_ms),
    tenant: names.name(records.number(at, fields.tenant)),
  } as const;
  const value = records.number(at, fields.value);
  const notice = records.number(at, fields.notice);
  switch (notice) {
    case CONSTANTS.NOTICE_ACCEPT_PAUSED:
      return { ...common, notice: "accept_paused", errno: value };
    case CONSTANTS.NOTICE_ACCEPT_RESUMED:
      return { ...common, notice: "accept_resumed", pausedUs: value };
    case CONSTANTS.NOTICE_REFUSING:
      return { ...common, notice: "refusing", reason: REASONS[value] ?? null };
    case CONSTANTS.NOTICE_EJECTED:
    case CONSTANTS.NOTICE_EJECTION_ENDED: {
      const { backend = null, name: endpoint = null, address = null } = names.object(value) ?? {};
      const what = notice === CONSTANTS.NOTICE_EJECTED ? "ejected" : "ejection_ended";
      return { ...common, notice: what, backend, endpoint, address };
    }
    default: {
      const circuit = CIRCUITS[notice];
      return circuit === undefined ? null : { ...common, notice: "circuit", backend: names.name(value), circuit };
    }
  }
}
