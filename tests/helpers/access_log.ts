/**
 * The access log as a reader sees it: records in both formats.
 *
 * @module
 */

/** One record (spec of the access log: one object a session). */
export interface AccessRecord {
  readonly ts: string;
  readonly session: string;
  readonly tenant: string | null;
  readonly listener: string | null;
  readonly route: string | null;
  readonly backend: string | null;
  readonly endpoint: string | null;
  readonly client: string | null;
  readonly client_port: number | null;
  readonly server_name: string | null;
  readonly alpn: string | null;
  readonly bytes_up: number;
  readonly bytes_down: number;
  readonly queue_ms: number | null;
  readonly connect_ms: number | null;
  readonly first_byte_ms: number | null;
  readonly total_ms: number;
  readonly attempts: number;
  readonly code: string;
  readonly reason: string;
  readonly rtt_client_us: number | null;
  readonly rtt_server_us: number | null;
}

/** Every field of a record. */
export const ACCESS_FIELDS = [
  "ts",
  "session",
  "tenant",
  "listener",
  "route",
  "backend",
  "endpoint",
  "client",
  "client_port",
  "server_name",
  "alpn",
  "bytes_up",
  "bytes_down",
  "queue_ms",
  "connect_ms",
  "first_byte_ms",
  "total_ms",
  "attempts",
  "code",
  "reason",
  "rtt_client_us",
  "rtt_server_us",
] as const satisfies readonly (keyof AccessRecord)[];

/** The access record in a line of JSON, or undefined when the line is something else. */
export function parseAccessLine(line: string): AccessRecord | undefined {
  if (!line.startsWith("{")) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const isRecord = typeof value === "object" && value !== null && "session" in value && "code" in value;
  return isRecord ? value as AccessRecord : undefined;
}

/** The `key=value` pairs of a line in text format; values in double quotes are read as JSON strings. */
export function parseTextLine(line: string): Map<string, string> {
  const pairs = new Map<string, string>();
  for (const [, key = "", value = ""] of line.matchAll(/(?:^|\s)([a-z_]+)=("(?:[^"\\]|\\.)*"|\S*)/g)) {
    pairs.set(key, value.startsWith('"') ? JSON.parse(value) as string : value);
  }
  return pairs;
}
