/* SPDX-License-Identifier: MIT
 *
 * The truth about the ABI's records and constants, as rows that the other side compares with its own tables. A field
 * that is missing here is found by the comparison of sizes: rows of a record must cover it without a hole.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "sluice.h"

struct row {
    const char *record;
    const char *field;
    uint64_t offset;
    uint64_t size;
};

#define RECORD(name) {#name, "", 0, sizeof(struct sluice_##name)},
#define FIELD(name, field)                                                                                             \
    {#name, #field, offsetof(struct sluice_##name, field), sizeof(((struct sluice_##name *)0)->field)},
#define CONST(name) {"const", #name, (uint64_t)(int64_t)SLUICE_##name, 0},
#define REASON(upper, lower, number) {"const", "REASON_" #upper, number, 0},

/* clang-format off */
static const struct row rows[] = {
    RECORD(error)
    FIELD(error, code)
    FIELD(error, sys_errno)
    FIELD(error, table)
    FIELD(error, record)
    FIELD(error, field)
    FIELD(error, message)
    RECORD(engine_options)
    FIELD(engine_options, abi_version)
    FIELD(engine_options, workers)
    FIELD(engine_options, log_ring_bytes)
    FIELD(engine_options, reserved0)
    FIELD(engine_options, reserved1)
    RECORD(engine_status)
    FIELD(engine_status, state)
    FIELD(engine_status, workers)
    FIELD(engine_status, generation)
    FIELD(engine_status, sessions_active)
    FIELD(engine_status, tenants)
    FIELD(engine_status, listeners)
    FIELD(engine_status, snapshots_held)
    RECORD(table)
    FIELD(table, offset)
    FIELD(table, count)
    FIELD(table, record_size)
    FIELD(table, reserved0)
    RECORD(blob_header)
    FIELD(blob_header, magic)
    FIELD(blob_header, abi_version)
    FIELD(blob_header, total_size)
    FIELD(blob_header, generation)
    FIELD(blob_header, tables)
    RECORD(address)
    FIELD(address, family)
    FIELD(address, port)
    FIELD(address, ip)
    FIELD(address, scope_id)
    FIELD(address, path_offset)
    FIELD(address, path_length)
    FIELD(address, reserved0)
    RECORD(process_record)
    FIELD(process_record, max_connections)
    FIELD(process_record, access_log)
    FIELD(process_record, access_sample_ppm)
    FIELD(process_record, access_progress_ms)
    FIELD(process_record, reserved0)
    RECORD(bucket)
    FIELD(bucket, rate)
    FIELD(bucket, burst)
    RECORD(limits)
    FIELD(limits, flags)
    FIELD(limits, on_limit)
    FIELD(limits, max_connections)
    FIELD(limits, queue_size)
    FIELD(limits, queue_timeout_ms)
    FIELD(limits, session_rate)
    FIELD(limits, up)
    FIELD(limits, down)
    FIELD(limits, session_up)
    FIELD(limits, session_down)
    FIELD(limits, source_rate)
    FIELD(limits, source_max_connections)
    FIELD(limits, source_ipv4_bits)
    FIELD(limits, source_ipv6_bits)
    FIELD(limits, reserved0)
    RECORD(prefix_record)
    FIELD(prefix_record, ip)
    FIELD(prefix_record, family)
    FIELD(prefix_record, bits)
    RECORD(tenant_record)
    FIELD(tenant_record, id)
    FIELD(tenant_record, flags)
    FIELD(tenant_record, connect_ms)
    FIELD(tenant_record, first_byte_ms)
    FIELD(tenant_record, idle_ms)
    FIELD(tenant_record, half_close_ms)
    FIELD(tenant_record, max_duration_ms)
    FIELD(tenant_record, drain_ms)
    FIELD(tenant_record, max_duration_jitter_ppm)
    FIELD(tenant_record, user_timeout_ms)
    FIELD(tenant_record, keepalive_idle_s)
    FIELD(tenant_record, keepalive_interval_s)
    FIELD(tenant_record, keepalive_probes)
    FIELD(tenant_record, reset_propagation)
    FIELD(tenant_record, buffer_bytes)
    FIELD(tenant_record, first_listener)
    FIELD(tenant_record, listener_count)
    FIELD(tenant_record, first_backend)
    FIELD(tenant_record, backend_count)
    FIELD(tenant_record, first_prefix)
    FIELD(tenant_record, allow_count)
    FIELD(tenant_record, deny_count)
    FIELD(tenant_record, reserved0)
    FIELD(tenant_record, limits)
    RECORD(listener_record)
    FIELD(listener_record, id)
    FIELD(listener_record, backend)
    FIELD(listener_record, address)
    FIELD(listener_record, port_last)
    FIELD(listener_record, reserved0)
    RECORD(backend_record)
    FIELD(backend_record, id)
    FIELD(backend_record, balance)
    FIELD(backend_record, attempts)
    FIELD(backend_record, first_endpoint)
    FIELD(backend_record, endpoint_count)
    FIELD(backend_record, panic_ppm)
    FIELD(backend_record, slow_start_ms)
    RECORD(endpoint_record)
    FIELD(endpoint_record, id)
    FIELD(endpoint_record, weight)
    FIELD(endpoint_record, max_connections)
    FIELD(endpoint_record, state)
    FIELD(endpoint_record, address)
    FIELD(endpoint_record, tier)
    FIELD(endpoint_record, reserved0)
    RECORD(log_header)
    FIELD(log_header, size)
    FIELD(log_header, kind)
    FIELD(log_header, worker)
    RECORD(log_session)
    FIELD(log_session, header)
    FIELD(log_session, session)
    FIELD(log_session, tenant)
    FIELD(log_session, listener)
    FIELD(log_session, route)
    FIELD(log_session, backend)
    FIELD(log_session, endpoint)
    FIELD(log_session, attempts)
    FIELD(log_session, client_ip)
    FIELD(log_session, client_family)
    FIELD(log_session, client_port)
    FIELD(log_session, reason)
    FIELD(log_session, code)
    FIELD(log_session, bytes_up)
    FIELD(log_session, bytes_down)
    FIELD(log_session, queue_us)
    FIELD(log_session, connect_us)
    FIELD(log_session, first_byte_us)
    FIELD(log_session, total_us)
    FIELD(log_session, rtt_client_us)
    FIELD(log_session, rtt_server_us)
    FIELD(log_session, server_name_length)
    FIELD(log_session, alpn_length)
    RECORD(log_notice)
    FIELD(log_notice, header)
    FIELD(log_notice, time_ms)
    FIELD(log_notice, notice)
    FIELD(log_notice, tenant)
    FIELD(log_notice, value)
    RECORD(session_record)
    FIELD(session_record, session)
    FIELD(session_record, state)
    FIELD(session_record, reserved0)
    FIELD(session_record, drain_in_ms)
    RECORD(session_filter)
    FIELD(session_filter, id_kind)
    FIELD(session_filter, id_count)
    FIELD(session_filter, source_family)
    FIELD(session_filter, source_bits)
    FIELD(session_filter, source_ip)
    FIELD(session_filter, older_than_ms)
    FIELD(session_filter, session)
    RECORD(tenant_stats)
    FIELD(tenant_stats, id)
    FIELD(tenant_stats, reserved0)
    FIELD(tenant_stats, sessions_total)
    FIELD(tenant_stats, sessions_active)
    FIELD(tenant_stats, bytes_up)
    FIELD(tenant_stats, bytes_down)
    FIELD(tenant_stats, buffered_bytes)
    FIELD(tenant_stats, retries_total)
    FIELD(tenant_stats, queue_length)
    FIELD(tenant_stats, throttled_us_up)
    FIELD(tenant_stats, throttled_us_down)
    FIELD(tenant_stats, session_tokens)
    FIELD(tenant_stats, up_tokens)
    FIELD(tenant_stats, down_tokens)
    FIELD(tenant_stats, refused)
    FIELD(tenant_stats, dry_refused)
    FIELD(tenant_stats, closed)
    FIELD(tenant_stats, connect_us_sum)
    FIELD(tenant_stats, session_us_sum)
    FIELD(tenant_stats, connect_bucket)
    FIELD(tenant_stats, session_bucket)
    RECORD(source_stats)
    FIELD(source_stats, ip)
    FIELD(source_stats, family)
    FIELD(source_stats, sessions)
    RECORD(listener_stats)
    FIELD(listener_stats, tenant)
    FIELD(listener_stats, id)
    FIELD(listener_stats, sessions_total)
    FIELD(listener_stats, addresses)
    FIELD(listener_stats, bound)
    RECORD(endpoint_stats)
    FIELD(endpoint_stats, tenant)
    FIELD(endpoint_stats, backend)
    FIELD(endpoint_stats, id)
    FIELD(endpoint_stats, state)
    FIELD(endpoint_stats, sessions_active)
    FIELD(endpoint_stats, sessions_total)
    FIELD(endpoint_stats, connect_failures)
    RECORD(worker_stats)
    FIELD(worker_stats, sessions_active)
    FIELD(worker_stats, fds_in_use)
    FIELD(worker_stats, pipes_in_use)
    FIELD(worker_stats, buffer_bytes)
    FIELD(worker_stats, session_bytes)
    FIELD(worker_stats, loop_lag_ns)
    FIELD(worker_stats, turns_total)
    FIELD(worker_stats, accept_pauses_total)
    FIELD(worker_stats, log_dropped_total)
    FIELD(worker_stats, reserved0)
    RECORD(layout_row)
    FIELD(layout_row, record)
    FIELD(layout_row, field)
    FIELD(layout_row, offset)
    FIELD(layout_row, size)
    CONST(ABI_VERSION)
    CONST(BLOB_MAGIC)
    CONST(UNLIMITED32)
    CONST(UNLIMITED64)
    CONST(NEVER)
    CONST(MAX_WORKERS)
    CONST(OK)
    CONST(E_ARGUMENT)
    CONST(E_BLOB)
    CONST(E_BIND)
    CONST(E_MEMORY)
    CONST(E_STATE)
    CONST(E_THREAD)
    CONST(E_BUFFER)
    CONST(E_UNSUPPORTED)
    CONST(STATE_CREATED)
    CONST(STATE_RUNNING)
    CONST(STATE_DRAINING)
    CONST(STATE_STOPPED)
    CONST(TABLE_PROCESS)
    CONST(TABLE_TENANT)
    CONST(TABLE_REMOVED)
    CONST(TABLE_LISTENER)
    CONST(TABLE_BACKEND)
    CONST(TABLE_ENDPOINT)
    CONST(TABLE_PREFIX)
    CONST(TABLE_STRING)
    CONST(TABLE_COUNT)
    CONST(FAMILY_NONE)
    CONST(FAMILY_IPV4)
    CONST(FAMILY_IPV6)
    CONST(FAMILY_UNIX)
    CONST(ON_LIMIT_CLOSE)
    CONST(ON_LIMIT_RESET)
    CONST(ON_LIMIT_QUEUE)
    CONST(LIMITS_DRY_RUN)
    CONST(RATE_MAX)
    CONST(BURST_MAX)
    CONST(RESET_NONE)
    CONST(RESET_TO_BACKEND)
    CONST(RESET_BOTH)
    CONST(TENANT_ENABLED)
    CONST(TENANT_ALLOW_LIST)
    CONST(BALANCE_ROUND_ROBIN)
    CONST(BALANCE_LEAST_CONNECTIONS)
    CONST(BALANCE_RANDOM_TWO)
    CONST(BALANCE_SOURCE_HASH)
    CONST(BALANCE_FIRST)
    CONST(BALANCE_LEAST_TIME)
    CONST(HEALTH_UNKNOWN)
    CONST(HEALTH_UP)
    CONST(HEALTH_DOWN)
    CONST(ENDPOINT_READY)
    CONST(ENDPOINT_DRAIN)
    CONST(ENDPOINT_MAINTENANCE)
    CONST(CODE_COUNT)
    CONST(LOG_SESSION)
    CONST(LOG_PROGRESS)
    CONST(LOG_NOTICE)
    CONST(SESSION_CONNECTING)
    CONST(SESSION_RELAYING)
    CONST(SESSION_LINGERING)
    CONST(SESSION_QUEUED)
    CONST(FILTER_ANY)
    CONST(FILTER_TENANT)
    CONST(FILTER_BACKEND)
    CONST(FILTER_ENDPOINT)
    CONST(NOTICE_ACCEPT_PAUSED)
    CONST(NOTICE_ACCEPT_RESUMED)
    CONST(NOTICE_REFUSING)
    CONST(BUCKET_COUNT)
    CONST(APPLY_DRY_RUN)
    SLUICE_REASON_LIST(REASON)
    CONST(REASON_COUNT)
};
/* clang-format on */

#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

_Static_assert(sizeof(struct sluice_error) % 8 == 0, "records are a multiple of 8");
_Static_assert(sizeof(struct sluice_engine_options) % 8 == 0, "records are a multiple of 8");
_Static_assert(sizeof(struct sluice_engine_status) % 8 == 0, "records are a multiple of 8");
_Static_assert(sizeof(struct sluice_table) % 8 == 0, "records are a multiple of 8");
_Static_assert(sizeof(struct sluice_blob_header) % 8 == 0, "records are a multiple of 8");
_Static_assert(sizeof(struct sluice_address) % 8 == 0, "records are a multiple of 8");
_Static_assert(sizeof(struct sluice_process_record) % 8 == 0, "records are a multiple of 8");
_Static_assert(sizeof(struct sluice_limits) % 8 == 0, "records are a multiple of 8");
_Static_assert(sizeof(struct sluice_prefix_record) % 8 == 0, "records are a multiple of 8");
_Static_assert(sizeof(struct sluice_source_stats) % 8 == 0, "records are a multiple of 8");
_Static_assert(sizeof(struct sluice_tenant_record) % 8 == 0, "records are a multiple of 8");
_Static_assert(sizeof(struct sluice_listener_record) % 8 == 0, "records are a multiple of 8");
_Static_assert(sizeof(struct sluice_backend_record) % 8 == 0, "records are a multiple of 8");
_Static_assert(sizeof(struct sluice_endpoint_record) % 8 == 0, "records are a multiple of 8");
_Static_assert(sizeof(struct sluice_log_header) % 8 == 0, "records are a multiple of 8");
_Static_assert(sizeof(struct sluice_log_session) % 8 == 0, "records are a multiple of 8");
_Static_assert(sizeof(struct sluice_log_notice) % 8 == 0, "records are a multiple of 8");
_Static_assert(sizeof(struct sluice_session_record) % 8 == 0, "records are a multiple of 8");
_Static_assert(sizeof(struct sluice_session_filter) % 8 == 0, "records are a multiple of 8");
_Static_assert(sizeof(struct sluice_tenant_stats) % 8 == 0, "records are a multiple of 8");
_Static_assert(sizeof(struct sluice_listener_stats) % 8 == 0, "records are a multiple of 8");
_Static_assert(sizeof(struct sluice_endpoint_stats) % 8 == 0, "records are a multiple of 8");
_Static_assert(sizeof(struct sluice_worker_stats) % 8 == 0, "records are a multiple of 8");
_Static_assert(sizeof(struct sluice_layout_row) % 8 == 0, "records are a multiple of 8");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the other side reads little-endian");

int32_t sluice_abi_layout(uint32_t first, void *records, uint64_t size_bytes)
{
    uint64_t room = size_bytes / sizeof(struct sluice_layout_row);
    uint64_t count = 0;
    if (records == NULL) {
        return SLUICE_E_ARGUMENT;
    }
    if (room == 0) {
        return SLUICE_E_BUFFER;
    }
    for (size_t i = first; i < ROW_COUNT && count < room; i++, count++) {
        struct sluice_layout_row row = {.offset = rows[i].offset, .size = rows[i].size};
        snprintf(row.record, sizeof(row.record), "%s", rows[i].record);
        snprintf(row.field, sizeof(row.field), "%s", rows[i].field);
        memcpy((char *)records + count * sizeof(row), &row, sizeof(row));
    }
    return (int32_t)count;
}
