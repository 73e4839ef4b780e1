/**
 * The records of `ffi/include/sluice.h`: offset, size and kind of every field, written by hand. `encode.ts` and
 * `decode.ts` read and write through these; `library.ts` and `tests/abi/layout_test.ts` compare them with what the
 * library says of itself, both ways.
 *
 * @module
 */

/** How a field is read: an integer, or bytes (text, an array, a record inside). */
export type FieldKind = "u16" | "u32" | "u64" | "i32" | "bytes";

/** One field of a record. */
export interface Field {
  /** Bytes from the start of the record. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
  readonly kind: FieldKind;
}

/** One record: its size, and its fields by their C names. */
export interface RecordLayout {
  readonly size: number;
  readonly fields: Readonly<Record<string, Field>>;
}

const u16 = (offset: number) => ({ offset, size: 2, kind: "u16" } as const);
const u32 = (offset: number) => ({ offset, size: 4, kind: "u32" } as const);
const i32 = (offset: number) => ({ offset, size: 4, kind: "i32" } as const);
const u64 = (offset: number) => ({ offset, size: 8, kind: "u64" } as const);
const bytes = (offset: number, size: number) => ({ offset, size, kind: "bytes" } as const);

/** Every record, by its C name without `sluice_`. */
export const RECORDS = {
  error: {
    size: 256,
    fields: {
      code: i32(0),
      sys_errno: i32(4),
      table: u32(8),
      record: u32(12),
      field: bytes(16, 32),
      message: bytes(48, 208),
    },
  },
  engine_options: {
    size: 24,
    fields: {
      abi_version: u32(0),
      workers: u32(4),
      log_ring_bytes: u32(8),
      reserved0: u32(12),
      reserved1: u64(16),
    },
  },
  engine_status: {
    size: 48,
    fields: {
      state: u32(0),
      workers: u32(4),
      generation: u64(8),
      sessions_active: u64(16),
      tenants: u64(24),
      listeners: u64(32),
      snapshots_held: u64(40),
    },
  },
  table: {
    size: 16,
    fields: { offset: u32(0), count: u32(4), record_size: u32(8), reserved0: u32(12) },
  },
  blob_header: {
    size: 152,
    fields: {
      magic: u32(0),
      abi_version: u32(4),
      total_size: u64(8),
      generation: u64(16),
      tables: bytes(24, 128),
    },
  },
  address: {
    size: 40,
    fields: {
      family: u32(0),
      port: u32(4),
      ip: bytes(8, 16),
      scope_id: u32(24),
      path_offset: u32(28),
      path_length: u32(32),
      reserved0: u32(36),
    },
  },
  process_record: {
    size: 32,
    fields: {
      max_connections: u32(0),
      access_log: u32(4),
      access_sample_ppm: u32(8),
      access_progress_ms: u32(12),
      reserved0: bytes(16, 16),
    },
  },
  bucket: { size: 16, fields: { rate: u64(0), burst: u64(8) } },
  limits: {
    size: 136,
    fields: {
      flags: u32(0),
      on_limit: u32(4),
      max_connections: u32(8),
      queue_size: u32(12),
      queue_timeout_ms: u64(16),
      session_rate: bytes(24, 16),
      up: bytes(40, 16),
      down: bytes(56, 16),
      session_up: bytes(72, 16),
      session_down: bytes(88, 16),
      source_rate: bytes(104, 16),
      source_max_connections: u32(120),
      source_ipv4_bits: u32(124),
      source_ipv6_bits: u32(128),
      reserved0: u32(132),
    },
  },
  prefix_record: { size: 24, fields: { ip: bytes(0, 16), family: u32(16), bits: u32(20) } },
  tenant_record: {
    size: 256,
    fields: {
      id: u32(0),
      flags: u32(4),
      connect_ms: u64(8),
      first_byte_ms: u64(16),
      idle_ms: u64(24),
      half_close_ms: u64(32),
      max_duration_ms: u64(40),
      drain_ms: u64(48),
      max_duration_jitter_ppm: u32(56),
      user_timeout_ms: u32(60),
      keepalive_idle_s: u32(64),
      keepalive_interval_s: u32(68),
      keepalive_probes: u32(72),
      reset_propagation: u32(76),
      buffer_bytes: u64(80),
      first_listener: u32(88),
      listener_count: u32(92),
      first_backend: u32(96),
      backend_count: u32(100),
      first_prefix: u32(104),
      allow_count: u32(108),
      deny_count: u32(112),
      reserved0: u32(116),
      limits: bytes(120, 136),
    },
  },
  listener_record: {
    size: 56,
    fields: { id: u32(0), backend: u32(4), address: bytes(8, 40), port_last: u32(48), reserved0: u32(52) },
  },
  backend_record: {
    size: 32,
    fields: {
      id: u32(0),
      balance: u32(4),
      attempts: u32(8),
      first_endpoint: u32(12),
      endpoint_count: u32(16),
      panic_ppm: u32(20),
      slow_start_ms: u64(24),
    },
  },
  endpoint_record: {
    size: 64,
    fields: {
      id: u32(0),
      weight: u32(4),
      max_connections: u32(8),
      state: u32(12),
      address: bytes(16, 40),
      tier: u32(56),
      reserved0: u32(60),
    },
  },
  log_header: {
    size: 8,
    fields: { size: u32(0), kind: u16(4), worker: u16(6) },
  },
  log_session: {
    size: 144,
    fields: {
      header: bytes(0, 8),
      session: bytes(8, 16),
      tenant: u32(24),
      listener: u32(28),
      route: u32(32),
      backend: u32(36),
      endpoint: u32(40),
      attempts: u32(44),
      client_ip: bytes(48, 16),
      client_family: u32(64),
      client_port: u32(68),
      reason: u32(72),
      code: u32(76),
      bytes_up: u64(80),
      bytes_down: u64(88),
      queue_us: u64(96),
      connect_us: u64(104),
      first_byte_us: u64(112),
      total_us: u64(120),
      rtt_client_us: u32(128),
      rtt_server_us: u32(132),
      server_name_length: u32(136),
      alpn_length: u32(140),
    },
  },
  log_notice: {
    size: 32,
    fields: { header: bytes(0, 8), time_ms: u64(8), notice: u32(16), tenant: u32(20), value: u64(24) },
  },
  session_record: {
    size: 160,
    fields: { session: bytes(0, 144), state: u32(144), reserved0: u32(148), drain_in_ms: u64(152) },
  },
  session_filter: {
    size: 56,
    fields: {
      id_kind: u32(0),
      id_count: u32(4),
      source_family: u32(8),
      source_bits: u32(12),
      source_ip: bytes(16, 16),
      older_than_ms: u64(32),
      session: bytes(40, 16),
    },
  },
  tenant_stats: {
    size: 1400,
    fields: {
      id: u32(0),
      reserved0: u32(4),
      sessions_total: u64(8),
      sessions_active: u64(16),
      bytes_up: u64(24),
      bytes_down: u64(32),
      buffered_bytes: u64(40),
      retries_total: u64(48),
      queue_length: u64(56),
      throttled_us_up: u64(64),
      throttled_us_down: u64(72),
      session_tokens: u64(80),
      up_tokens: u64(88),
      down_tokens: u64(96),
      refused: bytes(104, 240),
      dry_refused: bytes(344, 240),
      closed: bytes(584, 480),
      connect_us_sum: u64(1064),
      session_us_sum: u64(1072),
      connect_bucket: bytes(1080, 160),
      session_bucket: bytes(1240, 160),
    },
  },
  source_stats: { size: 24, fields: { ip: bytes(0, 16), family: u32(16), sessions: u32(20) } },
  listener_stats: {
    size: 64,
    fields: { tenant: u32(0), id: u32(4), sessions_total: u64(8), addresses: u64(16), bound: bytes(24, 40) },
  },
  endpoint_stats: {
    size: 40,
    fields: {
      tenant: u32(0),
      backend: u32(4),
      id: u32(8),
      state: u32(12),
      sessions_active: u64(16),
      sessions_total: u64(24),
      connect_failures: u64(32),
    },
  },
  worker_stats: {
    size: 80,
    fields: {
      sessions_active: u64(0),
      fds_in_use: u64(8),
      pipes_in_use: u64(16),
      buffer_bytes: u64(24),
      session_bytes: u64(32),
      loop_lag_ns: u64(40),
      turns_total: u64(48),
      accept_pauses_total: u64(56),
      log_dropped_total: u64(64),
      reserved0: u64(72),
    },
  },
  layout_row: {
    size: 88,
    fields: { record: bytes(0, 32), field: bytes(32, 40), offset: u64(72), size: u64(80) },
  },
} as const satisfies Readonly<Record<string, RecordLayout>>;
