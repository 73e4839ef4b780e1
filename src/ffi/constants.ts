/**
 * The constants of `ffi/include/sluice.h` under their C names without `SLUICE_`, and its lists as the texts that they
 * stand for. Compared with the library like the records are.
 *
 * @module
 */

/**
 * Every numeric constant except those of {@linkcode REASONS}. 64-bit "all ones" values are not here: they are no exact
 * number (see `UNLIMITED64` and `NEVER` in {@linkcode ALL_ONES_64}).
 */
export const CONSTANTS = {
  ABI_VERSION: 3,
  BLOB_MAGIC: 0x43554c53,
  UNLIMITED32: 0xffffffff,
  MAX_WORKERS: 64,

  OK: 0,
  E_ARGUMENT: -1,
  E_BLOB: -2,
  E_BIND: -3,
  E_MEMORY: -4,
  E_STATE: -5,
  E_THREAD: -6,
  E_BUFFER: -7,
  E_UNSUPPORTED: -8,

  STATE_CREATED: 0,
  STATE_RUNNING: 1,
  STATE_DRAINING: 2,
  STATE_STOPPED: 3,

  TABLE_PROCESS: 0,
  TABLE_TENANT: 1,
  TABLE_REMOVED: 2,
  TABLE_LISTENER: 3,
  TABLE_BACKEND: 4,
  TABLE_ENDPOINT: 5,
  TABLE_PREFIX: 6,
  TABLE_ROUTE: 7,
  TABLE_TEXT: 8,
  TABLE_SPLIT: 9,
  TABLE_STRING: 10,
  TABLE_COUNT: 11,

  FAMILY_NONE: 0,
  FAMILY_UNIX: 1,
  FAMILY_IPV4: 4,
  FAMILY_IPV6: 6,

  RATE_MAX: 100_000_000_000_000,
  BURST_MAX: 2 ** 50,
  ON_LIMIT_CLOSE: 0,
  ON_LIMIT_RESET: 1,
  ON_LIMIT_QUEUE: 2,
  LIMITS_DRY_RUN: 1,
  RESET_NONE: 0,
  RESET_TO_BACKEND: 1,
  RESET_BOTH: 2,
  TENANT_ENABLED: 1,
  TENANT_ALLOW_LIST: 2,
  TENANT_SHARED: 4,
  DETECT_NONE: 0,
  DETECT_TLS: 1,
  PROXY_OFF: 0,
  PROXY_REQUIRED: 1,
  ROUTE_DEFAULT: 1,
  BALANCE_ROUND_ROBIN: 0,
  BALANCE_LEAST_CONNECTIONS: 1,
  BALANCE_RANDOM_TWO: 2,
  BALANCE_SOURCE_HASH: 3,
  BALANCE_FIRST: 4,
  BALANCE_LEAST_TIME: 5,
  SEND_PROXY_OFF: 0,
  SEND_PROXY_V1: 1,
  SEND_PROXY_V2: 2,
  ENDPOINT_READY: 0,
  ENDPOINT_DRAIN: 1,
  ENDPOINT_MAINTENANCE: 2,
  HEALTH_UNKNOWN: 0,
  HEALTH_UP: 1,
  HEALTH_DOWN: 2,
  APPLY_DRY_RUN: 1,

  REASON_COUNT: 30,
  CODE_COUNT: 60,
  BUCKET_COUNT: 20,

  LOG_SESSION: 1,
  LOG_PROGRESS: 2,
  LOG_NOTICE: 3,
  SESSION_CONNECTING: 1,
  SESSION_RELAYING: 2,
  SESSION_LINGERING: 3,
  SESSION_QUEUED: 4,
  SESSION_READING: 5,
  FILTER_ANY: 0,
  FILTER_TENANT: 1,
  FILTER_BACKEND: 2,
  FILTER_ENDPOINT: 3,
  NOTICE_ACCEPT_PAUSED: 1,
  NOTICE_ACCEPT_RESUMED: 2,
  NOTICE_REFUSING: 3,
  NOTICE_EJECTED: 4,
  NOTICE_EJECTION_ENDED: 5,
  NOTICE_CIRCUIT_OPEN: 6,
  NOTICE_CIRCUIT_HALF_OPEN: 7,
  NOTICE_CIRCUIT_CLOSED: 8,
  CIRCUIT_CLOSED: 0,
  CIRCUIT_OPEN: 1,
  CIRCUIT_HALF_OPEN: 2,
} as const;

/** Constants whose value is 2^64 - 1. */
export const ALL_ONES_64 = ["UNLIMITED64", "NEVER"] as const;

/** Why a session ended, in words; the index is the number in a record. */
export const REASONS = [
  "ok",
  "client_abort",
  "server_abort",
  "connect_refused",
  "connect_timeout",
  "idle_timeout",
  "first_byte_timeout",
  "half_close_timeout",
  "max_duration",
  "route_timeout",
  "no_route",
  "bad_proxy_header",
  "bad_client_hello",
  "denied",
  "tenant_disabled",
  "tenant_connections",
  "tenant_rate",
  "source_connections",
  "source_rate",
  "process_connections",
  "queue_full",
  "queue_timeout",
  "no_endpoint",
  "circuit_open",
  "endpoint_down",
  "drained",
  "killed",
  "fault",
  "fd_exhausted",
  "memory",
] as const;

/** Why a session ended. */
export type Reason = (typeof REASONS)[number];

/** First letters of a termination code, in the order of the ABI (SLUICE_CODE_FIRST). */
export const CODE_FIRST = "-CSPRIDKcs";

/** Second letters of a termination code, in the order of the ABI (SLUICE_CODE_SECOND). */
export const CODE_SECOND = "-RQCDL";

/** Every termination code; the index is the number in a record. */
export const CODES: readonly string[] = [...CODE_FIRST].flatMap((first) =>
  [...CODE_SECOND].map((second) => first + second)
);

/** Upper bounds of the duration buckets in microseconds; the last bucket, above them all, has none. */
export const BUCKET_BOUNDS_US = [
  100,
  250,
  500,
  1_000,
  2_500,
  5_000,
  10_000,
  25_000,
  50_000,
  100_000,
  250_000,
  500_000,
  1_000_000,
  2_500_000,
  5_000_000,
  10_000_000,
  60_000_000,
  600_000_000,
  3_600_000_000,
] as const;
