/* SPDX-License-Identifier: MIT
 * The blob decoder (fuzzed by ffi/fuzz/fuzz_blob.c). Control thread. */
#include "abi/decode.h"

#include <stdlib.h>
#include <string.h>

#include "abi/decoder.h"
#include "core/failure.h"
#include "policy/balance.h"

#define MILLION 1000000u
#define ATTEMPTS_MAX 64u                   /* as many as the set of tried endpoints can tell apart */
#define ADDRESSES_MAX (UINT32_C(1) << 20)  /* of all listeners of a blob, ranges of ports counted out */
#define TIMEOUT_MAX_MS (UINT64_C(1) << 41) /* seventy years */

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

static int read_endpoints(struct decoder *decoder, struct blob *blob)
{
    uint32_t count = decoder->header.tables[SLUICE_TABLE_ENDPOINT].count;
    blob->endpoints = calloc(count + 1u, sizeof(*blob->endpoints));
    if (blob->endpoints == NULL) {
        return decoder_no_memory(decoder);
    }
    blob->endpoint_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct sluice_endpoint_record *record = &blob->endpoints[i].record;
        int result = decoder_read(decoder, SLUICE_TABLE_ENDPOINT, i, record, sizeof(*record));
        if (result == SLUICE_OK) {
            result = decoder_read_address(decoder, SLUICE_TABLE_ENDPOINT, i, &record->address, false,
                                          &blob->endpoints[i].address);
        }
        if (result != SLUICE_OK) {
            return result;
        }
        if (record->id == 0) {
            return decoder_refuse(decoder, SLUICE_TABLE_ENDPOINT, i, "id", "Must not be 0");
        }
        if (record->weight > UINT16_MAX) {
            return decoder_refuse(decoder, SLUICE_TABLE_ENDPOINT, i, "weight", "Must be 0 to 65535");
        }
        if (record->state > SLUICE_ENDPOINT_MAINTENANCE) {
            return decoder_refuse(decoder, SLUICE_TABLE_ENDPOINT, i, "state", "State %u is not known", record->state);
        }
        if (record->tier >= BALANCE_TIERS) {
            return decoder_refuse(decoder, SLUICE_TABLE_ENDPOINT, i, "tier", "Must be 0 to %u", BALANCE_TIERS - 1);
        }
        if (record->reserved0 != 0) {
            return decoder_refuse(decoder, SLUICE_TABLE_ENDPOINT, i, "reserved0", "Must be zero");
        }
    }
    return SLUICE_OK;
}

/* Whether bits beyond the prefix are zero. */
static bool is_masked(const struct sluice_prefix_record *record)
{
    for (uint32_t bit = record->bits; bit < 128; bit++) {
        if ((record->ip[bit / 8] & 0x80u >> bit % 8) != 0) {
            return false;
        }
    }
    return true;
}

static int read_prefixes(struct decoder *decoder, struct blob *blob)
{
    uint32_t count = decoder->header.tables[SLUICE_TABLE_PREFIX].count;
    blob->prefixes = calloc(count + 1u, sizeof(*blob->prefixes));
    if (blob->prefixes == NULL) {
        return decoder_no_memory(decoder);
    }
    blob->prefix_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct sluice_prefix_record record;
        int result = decoder_read(decoder, SLUICE_TABLE_PREFIX, i, &record, sizeof(record));
        if (result != SLUICE_OK) {
            return result;
        }
        if (record.family != SLUICE_FAMILY_IPV4 && record.family != SLUICE_FAMILY_IPV6) {
            return decoder_refuse(decoder, SLUICE_TABLE_PREFIX, i, "family", "Family %u is not known", record.family);
        }
        if (record.bits > (record.family == SLUICE_FAMILY_IPV4 ? 32u : 128u)) {
            return decoder_refuse(decoder, SLUICE_TABLE_PREFIX, i, "bits", "Must be 0 to 32, or to 128 of IPv6");
        }
        if (!is_masked(&record)) {
            return decoder_refuse(decoder, SLUICE_TABLE_PREFIX, i, "ip", "Bits beyond the prefix must be zero");
        }
        blob->prefixes[i] = (struct prefix){.family = (uint8_t)record.family, .bits = (uint8_t)record.bits};
        memcpy(blob->prefixes[i].ip, record.ip, sizeof(record.ip));
    }
    return SLUICE_OK;
}

static bool inside(uint32_t first, uint32_t count, uint32_t total)
{
    return first <= total && count <= total - first;
}

static int read_backends(struct decoder *decoder, struct blob *blob)
{
    uint32_t count = decoder->header.tables[SLUICE_TABLE_BACKEND].count;
    blob->backends = calloc(count + 1u, sizeof(*blob->backends));
    if (blob->backends == NULL) {
        return decoder_no_memory(decoder);
    }
    blob->backend_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct sluice_backend_record *record = &blob->backends[i];
        int result = decoder_read(decoder, SLUICE_TABLE_BACKEND, i, record, sizeof(*record));
        if (result != SLUICE_OK) {
            return result;
        }
        if (record->id == 0) {
            return decoder_refuse(decoder, SLUICE_TABLE_BACKEND, i, "id", "Must not be 0");
        }
        if (record->balance > SLUICE_BALANCE_LEAST_TIME) {
            return decoder_refuse(decoder, SLUICE_TABLE_BACKEND, i, "balance", "Balance %u is not known",
                                  record->balance);
        }
        if (record->attempts == 0 || record->attempts > ATTEMPTS_MAX) {
            return decoder_refuse(decoder, SLUICE_TABLE_BACKEND, i, "attempts", "Must be 1 to %u", ATTEMPTS_MAX);
        }
        if (record->endpoint_count > BALANCE_MAX_MEMBERS ||
            !inside(record->first_endpoint, record->endpoint_count, blob->endpoint_count)) {
            return decoder_refuse(decoder, SLUICE_TABLE_BACKEND, i, "endpoint_count",
                                  "Must be 0 to %u records of the table", BALANCE_MAX_MEMBERS);
        }
        if (record->panic_ppm > MILLION) {
            return decoder_refuse(decoder, SLUICE_TABLE_BACKEND, i, "panic_ppm", "Must be 0 to 1000000");
        }
        if (record->slow_start_ms > TIMEOUT_MAX_MS) {
            return decoder_refuse(decoder, SLUICE_TABLE_BACKEND, i, "slow_start_ms", "Must be at most %llu",
                                  (unsigned long long)TIMEOUT_MAX_MS);
        }
    }
    return SLUICE_OK;
}

static int read_listeners(struct decoder *decoder, struct blob *blob)
{
    uint32_t count = decoder->header.tables[SLUICE_TABLE_LISTENER].count;
    blob->listeners = calloc(count + 1u, sizeof(*blob->listeners));
    if (blob->listeners == NULL) {
        return decoder_no_memory(decoder);
    }
    blob->listener_count = count;
    uint32_t addresses = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct sluice_listener_record *record = &blob->listeners[i].record;
        int result = decoder_read(decoder, SLUICE_TABLE_LISTENER, i, record, sizeof(*record));
        if (result == SLUICE_OK) {
            result = decoder_read_address(decoder, SLUICE_TABLE_LISTENER, i, &record->address, true,
                                          &blob->listeners[i].address);
        }
        if (result != SLUICE_OK) {
            return result;
        }
        if (record->id == 0) {
            return decoder_refuse(decoder, SLUICE_TABLE_LISTENER, i, "id", "Must not be 0");
        }
        if (record->port_last > UINT16_MAX || record->port_last < record->address.port ||
            (record->address.port == 0 && record->port_last != 0)) {
            return decoder_refuse(decoder, SLUICE_TABLE_LISTENER, i, "port_last", "Must be the first port up to 65535");
        }
        addresses += record->port_last - record->address.port + 1u;
        if (addresses > ADDRESSES_MAX) {
            return decoder_refuse(decoder, SLUICE_TABLE_LISTENER, i, "port_last",
                                  "All listeners have more than %u addresses", ADDRESSES_MAX);
        }
        if (record->reserved0 != 0) {
            return decoder_refuse(decoder, SLUICE_TABLE_LISTENER, i, "reserved0", "Must be zero");
        }
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

/* Ids are unique in their tenant, and listeners name backends of it. */
static int check_parts(struct decoder *decoder, const struct blob *blob, const struct sluice_tenant_record *tenant)
{
    const struct sluice_backend_record *backends = &blob->backends[tenant->first_backend];
    const struct blob_listener *listeners = &blob->listeners[tenant->first_listener];
    for (uint32_t i = 0; i < tenant->backend_count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (backends[k].id == backends[i].id) {
                return decoder_refuse(decoder, SLUICE_TABLE_BACKEND, tenant->first_backend + i, "id",
                                      "Id is used twice");
            }
        }
    }
    for (uint32_t i = 0; i < tenant->listener_count; i++) {
        bool found = false;
        for (uint32_t k = 0; k < tenant->backend_count; k++) {
            found = found || backends[k].id == listeners[i].record.backend;
        }
        if (!found) {
            return decoder_refuse(decoder, SLUICE_TABLE_LISTENER, tenant->first_listener + i, "backend",
                                  "Backend %u is not one of the tenant's", listeners[i].record.backend);
        }
        for (uint32_t k = 0; k < i; k++) {
            if (listeners[k].record.id == listeners[i].record.id) {
                return decoder_refuse(decoder, SLUICE_TABLE_LISTENER, tenant->first_listener + i, "id",
                                      "Id is used twice");
            }
        }
    }
    return SLUICE_OK;
}

static int check_tenant(struct decoder *decoder, const struct blob *blob, uint32_t index)
{
    const struct sluice_tenant_record *record = &blob->tenants[index];
    if (record->id == 0) {
        return decoder_refuse(decoder, SLUICE_TABLE_TENANT, index, "id", "Must not be 0");
    }
    if ((record->flags & ~(SLUICE_TENANT_ENABLED | SLUICE_TENANT_ALLOW_LIST)) != 0) {
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
    if (record->allow_count > blob->prefix_count || record->deny_count > blob->prefix_count ||
        !inside(record->first_prefix, record->allow_count + record->deny_count, blob->prefix_count)) {
        return decoder_refuse(decoder, SLUICE_TABLE_TENANT, index, "allow_count", "Not inside the table of prefixes");
    }
    if (record->reserved0 != 0) {
        return decoder_refuse(decoder, SLUICE_TABLE_TENANT, index, "reserved0", "Must be zero");
    }
    int result = check_timeouts(decoder, record, index);
    result = result != SLUICE_OK ? result : check_limits(decoder, record, index);
    return result != SLUICE_OK ? result : check_parts(decoder, blob, record);
}

static int compare_ids(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
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
    qsort(ids, count, sizeof(*ids), compare_ids);
    int result = SLUICE_OK;
    for (uint32_t i = 1; i < count && result == SLUICE_OK; i++) {
        if (ids[i] == ids[i - 1]) {
            result = decoder_refuse(decoder, SLUICE_TABLE_TENANT, NO_RECORD, "id", "Tenant %u is named twice", ids[i]);
        }
    }
    free(ids);
    return result;
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
        read_process, read_endpoints, read_backends, read_listeners, read_prefixes, read_tenants, read_removed};
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
    free(blob->prefixes);
    memset(blob, 0, sizeof(*blob));
}
