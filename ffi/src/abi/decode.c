/* SPDX-License-Identifier: MIT
 * The blob decoder (fuzzed by ffi/fuzz/fuzz_blob.c). Control thread. */
#include "abi/decode.h"

#include <stdlib.h>
#include <string.h>

#include "abi/decode_records.h"
#include "core/failure.h"

static int read_process(struct decoder *decoder, struct blob *blob)
{
    uint32_t count = decoder->header.tables[SLUICE_TABLE_PROCESS].count;
    if (count == 0) {
        return SLUICE_OK;
    }
    if (count > 1) {
        return decoder_refuse(decoder, SLUICE_TABLE_PROCESS, 1, "", "There can be one process record only");
    }
    blob->process = calloc(1, sizeof(*blob->process));
    if (blob->process == NULL) {
        return decoder_no_memory(decoder);
    }
    int result = decoder_read(decoder, SLUICE_TABLE_PROCESS, 0, blob->process, sizeof(*blob->process));
    if (result != SLUICE_OK) {
        return result;
    }
    if (blob->process->access_log > 1) {
        return decoder_refuse(decoder, SLUICE_TABLE_PROCESS, 0, "access_log", "Must be 0 or 1");
    }
    if (blob->process->access_sample_ppm > MILLION) {
        return decoder_refuse(decoder, SLUICE_TABLE_PROCESS, 0, "access_sample_ppm", "Must be 0 to 1000000");
    }
    if (!all_zero(blob->process->reserved0, sizeof(blob->process->reserved0))) {
        return decoder_refuse(decoder, SLUICE_TABLE_PROCESS, 0, "reserved0", "Must be zero");
    }
    return SLUICE_OK;
}

static int check_timeouts(struct decoder *decoder, const struct sluice_tenant_record *record, uint32_t index)
{
    const struct {
        const char *field;
        uint64_t value;
    } timeouts[] = {
        {"connect_ms", record->connect_ms},
        {"first_byte_ms", record->first_byte_ms},
        {"idle_ms", record->idle_ms},
        {"half_close_ms", record->half_close_ms},
        {"max_duration_ms", record->max_duration_ms},
        {"drain_ms", record->drain_ms},
    };
    for (size_t i = 0; i < sizeof(timeouts) / sizeof(timeouts[0]); i++) {
        if (timeouts[i].value > TIMEOUT_MAX_MS) {
            return decoder_refuse(decoder, SLUICE_TABLE_TENANT, index, timeouts[i].field, "Must be at most %llu",
                                  (unsigned long long)TIMEOUT_MAX_MS);
        }
    }
    if (record->max_duration_jitter_ppm > MILLION) {
        return decoder_refuse(decoder, SLUICE_TABLE_TENANT, index, "max_duration_jitter_ppm", "Must be 0 to 1000000");
    }
    if (record->user_timeout_ms > INT32_MAX) {
        return decoder_refuse(decoder, SLUICE_TABLE_TENANT, index, "user_timeout_ms", "Must be at most %d", INT32_MAX);
    }
    /* The bounds of tcp(7). */
    if (record->keepalive_idle_s > 32767 || record->keepalive_interval_s > 32767 || record->keepalive_probes > 127 ||
        (record->keepalive_idle_s != 0 && (record->keepalive_interval_s == 0 || record->keepalive_probes == 0))) {
        return decoder_refuse(decoder, SLUICE_TABLE_TENANT, index, "keepalive_idle_s",
                              "Idle and interval must be 1 to 32767 s, probes 1 to 127");
    }
    return SLUICE_OK;
}

static int check_limits(struct decoder *decoder, const struct sluice_tenant_record *record, uint32_t index)
{
    const struct sluice_limits *limits = &record->limits;
    const struct {
        const char *field;
        const struct sluice_bucket *bucket;
    } buckets[] = {
        {"limits.session_rate", &limits->session_rate},
        {"limits.up", &limits->up},
        {"limits.down", &limits->down},
        {"limits.session_up", &limits->session_up},
        {"limits.session_down", &limits->session_down},
        {"limits.source_rate", &limits->source_rate},
    };
    for (size_t i = 0; i < sizeof(buckets) / sizeof(buckets[0]); i++) {
        const struct sluice_bucket *bucket = buckets[i].bucket;
        if (bucket->rate != SLUICE_UNLIMITED64 &&
            (bucket->rate > SLUICE_RATE_MAX || bucket->burst > SLUICE_BURST_MAX)) {
            return decoder_refuse(decoder, SLUICE_TABLE_TENANT, index, buckets[i].field,
                                  "Rate must be at most %llu, burst %llu", (unsigned long long)SLUICE_RATE_MAX,
                                  (unsigned long long)SLUICE_BURST_MAX);
        }
    }
    if ((limits->flags & ~SLUICE_LIMITS_DRY_RUN) != 0) {
        return decoder_refuse(decoder, SLUICE_TABLE_TENANT, index, "limits.flags", "Flags %#x are not known",
                              limits->flags);
    }
    if (limits->on_limit > SLUICE_ON_LIMIT_QUEUE) {
        return decoder_refuse(decoder, SLUICE_TABLE_TENANT, index, "limits.on_limit", "Value %u is not known",
                              limits->on_limit);
    }
    if (limits->queue_timeout_ms > TIMEOUT_MAX_MS) {
        return decoder_refuse(decoder, SLUICE_TABLE_TENANT, index, "limits.queue_timeout_ms", "Must be at most %llu",
                              (unsigned long long)TIMEOUT_MAX_MS);
    }
    if (limits->source_ipv4_bits > 32 || limits->source_ipv6_bits > 128) {
        return decoder_refuse(decoder, SLUICE_TABLE_TENANT, index, "limits.source_ipv4_bits",
                              "Must be 0 to 32, and 0 to 128 of IPv6");
    }
    if (limits->reserved0 != 0) {
        return decoder_refuse(decoder, SLUICE_TABLE_TENANT, index, "limits.reserved0", "Must be zero");
    }
    return SLUICE_OK;
}

static int compare_ids(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

/* Sorts ids and finds one that is there twice; 0: none is. */
static uint32_t find_twice(uint32_t *ids, uint32_t count)
{
    qsort(ids, count, sizeof(*ids), compare_ids);
    for (uint32_t i = 1; i < count; i++) {
        if (ids[i] == ids[i - 1]) {
            return ids[i];
        }
    }
    return 0;
}

/* What check_parts knows of a tenant: ids of its backends, in order. */
struct parts {
    const struct sluice_tenant_record *tenant;
    uint32_t *backends;
    uint32_t *scratch; /* room for the ids of any of its lists */
};

static bool has_backend(const struct parts *parts, uint32_t id)
{
    return bsearch(&id, parts->backends, parts->tenant->backend_count, sizeof(id), compare_ids) != NULL;
}

static bool is_split(const struct blob *blob, const struct sluice_tenant_record *tenant, uint32_t id)
{
    for (uint32_t i = 0; i < tenant->backend_count; i++) {
        const struct sluice_backend_record *backend = &blob->backends[tenant->first_backend + i];
        if (backend->id == id) {
            return backend->split_count > 0;
        }
    }
    return false;
}

static int check_backends(struct decoder *decoder, const struct blob *blob, const struct parts *parts)
{
    const struct sluice_tenant_record *tenant = parts->tenant;
    const struct sluice_backend_record *backends = &blob->backends[tenant->first_backend];
    for (uint32_t i = 0; i < tenant->backend_count; i++) {
        parts->backends[i] = backends[i].id;
    }
    uint32_t twice = find_twice(parts->backends, tenant->backend_count);
    if (twice != 0) {
        uint32_t last = tenant->backend_count - 1;
        while (backends[last].id != twice) {
            last--;
        }
        return decoder_refuse(decoder, SLUICE_TABLE_BACKEND, tenant->first_backend + last, "id", "Id is used twice");
    }
    for (uint32_t i = 0; i < tenant->backend_count; i++) {
        for (uint32_t k = 0; k < backends[i].split_count; k++) {
            uint32_t part = backends[i].first_split + k;
            if (!has_backend(parts, blob->splits[part].backend) || is_split(blob, tenant, blob->splits[part].backend)) {
                return decoder_refuse(decoder, SLUICE_TABLE_SPLIT, part, "backend",
                                      "Backend %u is not one of the tenant's, or split itself",
                                      blob->splits[part].backend);
            }
        }
    }
    if (tenant->mirror_backend != 0 && !has_backend(parts, tenant->mirror_backend)) {
        return decoder_refuse(decoder, SLUICE_TABLE_TENANT, NO_RECORD, "mirror_backend",
                              "Backend %u is not one of the tenant's", tenant->mirror_backend);
    }
    return SLUICE_OK;
}

static int check_listeners(struct decoder *decoder, const struct blob *blob, const struct parts *parts)
{
    const struct sluice_tenant_record *tenant = parts->tenant;
    bool shared = (tenant->flags & SLUICE_TENANT_SHARED) != 0;
    for (uint32_t i = 0; i < tenant->listener_count; i++) {
        const struct sluice_listener_record *listener = &blob->listeners[tenant->first_listener + i].record;
        parts->scratch[i] = listener->id;
        if (shared != (listener->backend == 0) || (!shared && !has_backend(parts, listener->backend))) {
            return decoder_refuse(decoder, SLUICE_TABLE_LISTENER, tenant->first_listener + i, "backend",
                                  "Backend %u is not one of the tenant's", listener->backend);
        }
    }
    uint32_t twice = find_twice(parts->scratch, tenant->listener_count);
    if (twice != 0) {
        uint32_t last = tenant->listener_count - 1;
        while (blob->listeners[tenant->first_listener + last].record.id != twice) {
            last--;
        }
        return decoder_refuse(decoder, SLUICE_TABLE_LISTENER, tenant->first_listener + last, "id", "Id is used twice");
    }
    return SLUICE_OK;
}

static int check_routes(struct decoder *decoder, const struct blob *blob, const struct parts *parts)
{
    const struct sluice_tenant_record *tenant = parts->tenant;
    for (uint32_t i = 0; i < tenant->route_count; i++) {
        const struct sluice_route_record *route = &blob->routes[tenant->first_route + i];
        parts->scratch[i] = route->id;
        if (!has_backend(parts, route->backend)) {
            return decoder_refuse(decoder, SLUICE_TABLE_ROUTE, tenant->first_route + i, "backend",
                                  "Backend %u is not one of the tenant's", route->backend);
        }
    }
    uint32_t twice = find_twice(parts->scratch, tenant->route_count);
    if (twice != 0) {
        uint32_t last = tenant->route_count - 1;
        while (blob->routes[tenant->first_route + last].id != twice) {
            last--;
        }
        return decoder_refuse(decoder, SLUICE_TABLE_ROUTE, tenant->first_route + last, "id", "Id is used twice");
    }
    return SLUICE_OK;
}

/* Ids are unique in their tenant, and what names a backend names one of it. Parts of a split are not split. */
static int check_parts(struct decoder *decoder, const struct blob *blob, const struct sluice_tenant_record *tenant)
{
    uint32_t most = tenant->listener_count > tenant->route_count ? tenant->listener_count : tenant->route_count;
    struct parts parts = {.tenant = tenant};
    parts.backends = calloc((size_t)tenant->backend_count + most + 1u, sizeof(*parts.backends));
    if (parts.backends == NULL) {
        return decoder_no_memory(decoder);
    }
    parts.scratch = parts.backends + tenant->backend_count;
    int result = check_backends(decoder, blob, &parts);
    result = result != SLUICE_OK ? result : check_listeners(decoder, blob, &parts);
    result = result != SLUICE_OK ? result : check_routes(decoder, blob, &parts);
    free(parts.backends);
    return result;
}

static int check_faults(struct decoder *decoder, const struct sluice_tenant_record *record, uint32_t index)
{
    if (record->mirror_share_ppm > MILLION) {
        return decoder_refuse(decoder, SLUICE_TABLE_TENANT, index, "mirror_share_ppm", "Must be 0 to 1000000");
    }
    if (record->fault_delay_ppm > MILLION || record->fault_reset_ppm > MILLION || record->fault_refuse_ppm > MILLION) {
        return decoder_refuse(decoder, SLUICE_TABLE_TENANT, index, "fault_delay_ppm",
                              "Shares of faults must be 0 to 1000000");
    }
    if (record->fault_delay_ms > TIMEOUT_MAX_MS) {
        return decoder_refuse(decoder, SLUICE_TABLE_TENANT, index, "fault_delay_ms", "Must be at most %llu",
                              (unsigned long long)TIMEOUT_MAX_MS);
    }
    return SLUICE_OK;
}

static int check_tenant(struct decoder *decoder, const struct blob *blob, uint32_t index)
{
    const struct sluice_tenant_record *record = &blob->tenants[index];
    if (record->id == 0) {
        return decoder_refuse(decoder, SLUICE_TABLE_TENANT, index, "id", "Must not be 0");
    }
    if ((record->flags & ~(SLUICE_TENANT_ENABLED | SLUICE_TENANT_ALLOW_LIST | SLUICE_TENANT_SHARED)) != 0) {
        return decoder_refuse(decoder, SLUICE_TABLE_TENANT, index, "flags", "Flags %#x are not known", record->flags);
    }
    if (record->reset_propagation > SLUICE_RESET_BOTH) {
        return decoder_refuse(decoder, SLUICE_TABLE_TENANT, index, "reset_propagation", "Value %u is not known",
                              record->reset_propagation);
    }
    if (!inside(record->first_listener, record->listener_count, blob->listener_count)) {
        return decoder_refuse(decoder, SLUICE_TABLE_TENANT, index, "listener_count",
                              "Not inside the table of listeners");
    }
    if (!inside(record->first_backend, record->backend_count, blob->backend_count)) {
        return decoder_refuse(decoder, SLUICE_TABLE_TENANT, index, "backend_count", "Not inside the table of backends");
    }
    if (!inside(record->first_route, record->route_count, blob->route_count)) {
        return decoder_refuse(decoder, SLUICE_TABLE_TENANT, index, "route_count", "Not inside the table of routes");
    }
    if ((record->flags & SLUICE_TENANT_SHARED) != 0 && (record->backend_count > 0 || record->route_count > 0)) {
        return decoder_refuse(decoder, SLUICE_TABLE_TENANT, index, "flags", "Who holds shared listeners has no more");
    }
    if (record->allow_count > blob->prefix_count || record->deny_count > blob->prefix_count ||
        !inside(record->first_prefix, record->allow_count + record->deny_count, blob->prefix_count)) {
        return decoder_refuse(decoder, SLUICE_TABLE_TENANT, index, "allow_count", "Not inside the table of prefixes");
    }
    if (record->reserved0 != 0) {
        return decoder_refuse(decoder, SLUICE_TABLE_TENANT, index, "reserved0", "Must be zero");
    }
    int result = check_timeouts(decoder, record, index);
    result = result != SLUICE_OK ? result : check_limits(decoder, record, index);
    result = result != SLUICE_OK ? result : check_faults(decoder, record, index);
    return result != SLUICE_OK ? result : check_parts(decoder, blob, record);
}

/* No tenant is named twice, neither to be changed nor to be removed. */
static int check_unique(struct decoder *decoder, const struct blob *blob)
{
    uint32_t count = blob->tenant_count + blob->removed_count;
    uint32_t *ids = calloc(count + 1u, sizeof(*ids));
    if (ids == NULL) {
        return decoder_no_memory(decoder);
    }
    for (uint32_t i = 0; i < blob->tenant_count; i++) {
        ids[i] = blob->tenants[i].id;
    }
    for (uint32_t i = 0; i < blob->removed_count; i++) {
        ids[blob->tenant_count + i] = blob->removed[i];
    }
    uint32_t twice = find_twice(ids, count);
    free(ids);
    if (twice != 0) {
        return decoder_refuse(decoder, SLUICE_TABLE_TENANT, NO_RECORD, "id", "Tenant %u is named twice", twice);
    }
    return SLUICE_OK;
}

static int read_tenants(struct decoder *decoder, struct blob *blob)
{
    uint32_t count = decoder->header.tables[SLUICE_TABLE_TENANT].count;
    blob->tenants = calloc(count + 1u, sizeof(*blob->tenants));
    if (blob->tenants == NULL) {
        return decoder_no_memory(decoder);
    }
    blob->tenant_count = count;
    for (uint32_t i = 0; i < count; i++) {
        int result = decoder_read(decoder, SLUICE_TABLE_TENANT, i, &blob->tenants[i], sizeof(blob->tenants[i]));
        if (result == SLUICE_OK) {
            result = check_tenant(decoder, blob, i);
        }
        if (result != SLUICE_OK) {
            return result;
        }
    }
    return SLUICE_OK;
}

static int read_removed(struct decoder *decoder, struct blob *blob)
{
    uint32_t count = decoder->header.tables[SLUICE_TABLE_REMOVED].count;
    blob->removed = calloc(count + 1u, sizeof(*blob->removed));
    if (blob->removed == NULL) {
        return decoder_no_memory(decoder);
    }
    blob->removed_count = count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t pair[2];
        int result = decoder_read(decoder, SLUICE_TABLE_REMOVED, i, pair, sizeof(pair));
        if (result != SLUICE_OK) {
            return result;
        }
        if (pair[0] == 0 || pair[1] != 0) {
            return decoder_refuse(decoder, SLUICE_TABLE_REMOVED, i, "id", "Must not be 0");
        }
        blob->removed[i] = pair[0];
    }
    return SLUICE_OK;
}

int blob_decode(const uint8_t *bytes, uint64_t size, struct blob *blob, struct sluice_error *error)
{
    struct decoder decoder = {.bytes = bytes, .size = size, .error = error};
    memset(blob, 0, sizeof(*blob));
    int result = decoder_check_header(&decoder);
    for (uint32_t i = 0; i < SLUICE_TABLE_COUNT && result == SLUICE_OK; i++) {
        result = decoder_check_table(&decoder, i);
    }
    if (result != SLUICE_OK) {
        return result;
    }
    blob->generation = decoder.header.generation;
    if (decoder.header.tables[SLUICE_TABLE_STRING].count > 0) {
        decoder.strings = bytes + decoder.header.tables[SLUICE_TABLE_STRING].offset;
        decoder.strings_length = decoder.header.tables[SLUICE_TABLE_STRING].count;
    }

    /* What others refer to comes first. */
    int (*const steps[])(struct decoder *, struct blob *) = {
        read_process, decode_endpoints, decode_splits, decode_backends, decode_prefixes,
        decode_texts, decode_listeners, decode_routes, read_tenants,    read_removed};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && result == SLUICE_OK; i++) {
        result = steps[i](&decoder, blob);
    }
    if (result == SLUICE_OK) {
        result = check_unique(&decoder, blob);
    }
    if (result != SLUICE_OK) {
        blob_free(blob);
    }
    return result;
}

void blob_free(struct blob *blob)
{
    free(blob->process);
    free(blob->tenants);
    free(blob->removed);
    free(blob->listeners);
    free(blob->backends);
    free(blob->endpoints);
    free(blob->sources);
    free(blob->prefixes);
    free(blob->routes);
    free(blob->texts);
    free(blob->splits);
    memset(blob, 0, sizeof(*blob));
}
