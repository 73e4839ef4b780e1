/**
 * The records that the library reports with: log, live sessions, statistics. See `layout.ts`.
 *
 * @module
 */

import { bytes, type RecordLayout, u16, u32, u64 } from "./layout_fields.ts";

/** By their C names without `sluice_`. */
export const REPORT_RECORDS = {
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
    size: 672,
    fields: {
      session: bytes(0, 144),
      state: u32(144),
      reserved0: u32(148),
      drain_in_ms: u64(152),
      text: bytes(160, 512),
    },
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
    size: 56,
    fields: {
      tenant: u32(0),
      backend: u32(4),
      id: u32(8),
      state: u32(12),
      sessions_active: u64(16),
      sessions_total: u64(24),
      connect_failures: u64(32),
      preconnect_idle: u64(40),
      health: u32(48),
      ejected: u32(52),
    },
  },
  backend_stats: {
    size: 200,
    fields: {
      tenant: u32(0),
      id: u32(4),
      circuit: u32(8),
      reserved0: u32(12),
      connects_total: u64(16),
      connect_failures: u64(24),
      connect_us_sum: u64(32),
      connect_bucket: bytes(40, 160),
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
} as const satisfies Readonly<Record<string, RecordLayout>>;
