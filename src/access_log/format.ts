/**
 * One line for one session: the names and the order of the fields, as JSON or as `key=value`. Pure; called by the pump
 * for each record, so it does nothing twice.
 *
 * @module
 */

import type { SessionRecord } from "../ffi/mod.ts";
import { escapeControls } from "../log.ts";

/** How lines look. */
export type AccessFormat = "text" | "json";

/** In text, what did not happen or is not known. */
const ABSENT = "-";

/** What a field holds. */
type Value = string | number | boolean | null;

/** The fields in the order of the line. `progress` is there only in a record of a session that is still going on. */
export function accessFields(record: SessionRecord): Record<string, Value> {
  const fields: Record<string, Value> = {
    ts: new Date(record.timeMs).toISOString(),
    session: record.session,
    tenant: record.tenant,
    listener: record.listener,
    route: record.route,
    backend: record.backend,
    endpoint: record.endpoint,
    client: record.client ?? "unix",
    client_port: record.clientPort,
    server_name: record.serverName?.toLowerCase() ?? null,
    alpn: record.alpn,
    bytes_up: record.bytesUp,
    bytes_down: record.bytesDown,
    queue_ms: milliseconds(record.queueUs),
    connect_ms: milliseconds(record.connectUs),
    first_byte_ms: milliseconds(record.firstByteUs),
    total_ms: milliseconds(record.totalUs),
    attempts: record.attempts,
    code: record.code,
    reason: record.reason,
    rtt_client_us: record.rttClientUs,
    rtt_server_us: record.rttServerUs,
  };
  if (record.progress) fields["progress"] = true;
  return fields;
}

/** The line of a record, with its newline. */
export function formatAccess(record: SessionRecord, format: AccessFormat): string {
  const fields = accessFields(record);
  return format === "json" ? `${escapeControls(JSON.stringify(fields))}\n` : `${formatText(fields)}\n`;
}

function formatText(fields: Record<string, Value>): string {
  let line = "";
  for (const key in fields) line += `${line === "" ? "" : " "}${key}=${textOf(fields[key] ?? null)}`;
  return line;
}

/** Words that need no quotes. */
const PLAIN = /^[\w.:/@%+,[\]*~-]+$/;

function textOf(value: Value): string {
  if (value === null) return ABSENT;
  if (typeof value !== "string") return String(value);
  return PLAIN.test(value) && value !== ABSENT ? value : escapeControls(JSON.stringify(value));
}

/** Microseconds as milliseconds with three places at the most. */
function milliseconds(us: number | null): number | null {
  return us === null ? null : us / 1000;
}
