/* SPDX-License-Identifier: MIT
 * The exported functions: check arguments, call core, hand out the result. No state, no logic. */
#include <string.h>

#include "abi/decode.h"
#include "core/apply.h"
#include "core/engine.h"
#include "core/failure.h"

#define LOG_RING_MIN 4096u
#define LOG_RING_MAX (64u << 20)

uint32_t sluice_abi_version(void)
{
    return SLUICE_ABI_VERSION;
}

static int refuse_option(struct sluice_error *error, const char *field, const char *rule)
{
    return failure(error, SLUICE_E_ARGUMENT, 0, NO_RECORD, NO_RECORD, field, "Cannot create engine: %s must be %s",
                   field, rule);
}

int32_t sluice_engine_create(const void *options, uint64_t size_bytes, struct sluice_engine **engine, void *error)
{
    struct sluice_engine_options copy;
    if (options == NULL || engine == NULL || size_bytes != sizeof(copy)) {
        return refuse_option(error, "options", "an options record of this version");
    }
    memcpy(&copy, options, sizeof(copy));
    if (copy.abi_version != SLUICE_ABI_VERSION) {
        return refuse_option(error, "abi_version", "the library's");
    }
    if (copy.workers == 0 || copy.workers > SLUICE_MAX_WORKERS) {
        return refuse_option(error, "workers", "1 to 64");
    }
    if (copy.log_ring_bytes < LOG_RING_MIN || copy.log_ring_bytes > LOG_RING_MAX ||
        (copy.log_ring_bytes & (copy.log_ring_bytes - 1)) != 0) {
        return refuse_option(error, "log_ring_bytes", "a power of two from 4096 to 67108864");
    }
    if (copy.reserved0 != 0 || copy.reserved1 != 0) {
        return refuse_option(error, "reserved0", "zero");
    }
    return engine_create(&copy, engine, error);
}

int32_t sluice_engine_start(struct sluice_engine *engine, void *error)
{
    return engine == NULL ? SLUICE_E_ARGUMENT : engine_start(engine, error);
}

int32_t sluice_engine_apply(struct sluice_engine *engine, const void *blob, uint64_t size_bytes, uint32_t flags,
                            void *error)
{
    struct blob decoded;
    if (engine == NULL || blob == NULL || (flags & ~SLUICE_APPLY_DRY_RUN) != 0) {
        return failure(error, SLUICE_E_ARGUMENT, 0, NO_RECORD, NO_RECORD, "", "Cannot apply: argument is not valid");
    }
    int result = blob_decode(blob, size_bytes, &decoded, error);
    if (result != SLUICE_OK) {
        return result;
    }
    if ((flags & SLUICE_APPLY_DRY_RUN) == 0) {
        result = apply_blob(engine, &decoded, error);
    }
    blob_free(&decoded);
    return result;
}

int32_t sluice_engine_status(struct sluice_engine *engine, void *status, uint64_t size_bytes)
{
    struct sluice_engine_status now;
    if (engine == NULL || status == NULL) {
        return SLUICE_E_ARGUMENT;
    }
    if (size_bytes < sizeof(now)) {
        return SLUICE_E_BUFFER;
    }
    engine_status(engine, &now);
    memcpy(status, &now, sizeof(now));
    return SLUICE_OK;
}

int32_t sluice_engine_drain(struct sluice_engine *engine, uint64_t grace_ms)
{
    return engine == NULL ? SLUICE_E_ARGUMENT : engine_drain(engine, grace_ms);
}

int32_t sluice_engine_stop(struct sluice_engine *engine)
{
    return engine == NULL ? SLUICE_E_ARGUMENT : engine_stop(engine);
}

int32_t sluice_engine_destroy(struct sluice_engine *engine)
{
    return engine == NULL ? SLUICE_E_ARGUMENT : engine_destroy(engine);
}

int32_t sluice_sessions_read(struct sluice_engine *engine, const void *filter, uint64_t filter_size, uint64_t cursor,
                             void *records, uint64_t size_bytes, void *next_cursor)
{
    struct session_filter checked;
    uint64_t next = 0;
    if (engine == NULL || records == NULL || (uintptr_t)records % _Alignof(struct sluice_session_record) != 0 ||
        next_cursor == NULL || !session_filter_read(filter, filter_size, &checked)) {
        return SLUICE_E_ARGUMENT;
    }
    uint64_t room = size_bytes / sizeof(struct sluice_session_record);
    if (room == 0) {
        return SLUICE_E_BUFFER;
    }
    int32_t count = sessions_read(engine, &checked, cursor, records, room < INT32_MAX ? room : INT32_MAX, &next);
    memcpy(next_cursor, &next, sizeof(next));
    return count;
}

int64_t sluice_sessions_kill(struct sluice_engine *engine, const void *filter, uint64_t filter_size, uint32_t reason)
{
    struct session_filter checked;
    bool known = reason == SLUICE_REASON_KILLED || reason == SLUICE_REASON_ENDPOINT_DOWN;
    if (engine == NULL || !known || !session_filter_read(filter, filter_size, &checked)) {
        return SLUICE_E_ARGUMENT;
    }
    return sessions_kill(engine, &checked, (enum sluice_reason)reason);
}

int64_t sluice_sessions_drain(struct sluice_engine *engine, const void *filter, uint64_t filter_size, uint64_t grace_ms)
{
    struct session_filter checked;
    if (engine == NULL || !session_filter_read(filter, filter_size, &checked)) {
        return SLUICE_E_ARGUMENT;
    }
    return sessions_drain(engine, &checked, grace_ms);
}

int32_t sluice_endpoints_health(struct sluice_engine *engine, const void *records, uint64_t size_bytes)
{
    const struct sluice_health_record *checked = records;
    uint64_t count = size_bytes / sizeof(*checked);
    if (engine == NULL || records == NULL || (uintptr_t)records % _Alignof(struct sluice_health_record) != 0 ||
        size_bytes % sizeof(*checked) != 0) {
        return SLUICE_E_ARGUMENT;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (checked[i].health > SLUICE_HEALTH_DOWN) {
            return SLUICE_E_ARGUMENT;
        }
    }
    return health_set(engine, checked, count);
}

int64_t sluice_log_drain(struct sluice_engine *engine, void *buffer, uint64_t size_bytes)
{
    return engine == NULL || buffer == NULL ? SLUICE_E_ARGUMENT : engine_log_drain(engine, buffer, size_bytes);
}

int32_t sluice_stats_tenant(struct sluice_engine *engine, uint32_t tenant, void *record, uint64_t size_bytes)
{
    if (engine == NULL || record == NULL || (uintptr_t)record % _Alignof(struct sluice_tenant_stats) != 0) {
        return SLUICE_E_ARGUMENT;
    }
    return size_bytes < sizeof(struct sluice_tenant_stats) ? SLUICE_E_BUFFER : report_tenant(engine, tenant, record);
}

/* Every reader of statistics: how many records the buffer has room for, then core/report. */
#define READER(name, record, report)                                                                                   \
    int32_t name(struct sluice_engine *engine, uint32_t first, void *records, uint64_t size_bytes)                     \
    {                                                                                                                  \
        if (engine == NULL || records == NULL || (uintptr_t)records % _Alignof(record) != 0) {                         \
            return SLUICE_E_ARGUMENT;                                                                                  \
        }                                                                                                              \
        uint64_t room = size_bytes / sizeof(record);                                                                   \
        return room == 0 ? SLUICE_E_BUFFER : report(engine, first, records, room < INT32_MAX ? room : INT32_MAX);      \
    }

READER(sluice_stats_tenants, struct sluice_tenant_stats, report_tenants)
READER(sluice_stats_listeners, struct sluice_listener_stats, report_listeners)
READER(sluice_stats_endpoints, struct sluice_endpoint_stats, report_endpoints)
READER(sluice_stats_backends, struct sluice_backend_stats, report_backends)
READER(sluice_stats_workers, struct sluice_worker_stats, report_workers)
READER(sluice_stats_sources, struct sluice_source_stats, report_sources)
