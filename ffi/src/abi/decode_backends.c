/* SPDX-License-Identifier: MIT
 * Records of backends, their endpoints and parts. Control thread. */
#include <stdlib.h>

#include "abi/decode_records.h"
#include "policy/balance.h"

#define ATTEMPTS_MAX 64u     /* as many as the set of tried endpoints can tell apart */
#define PRECONNECT_MAX 1024u /* connections ahead for an endpoint */

int decode_endpoints(struct decoder *decoder, struct blob *blob)
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
        if (record->health > SLUICE_HEALTH_DOWN) {
            return decoder_refuse(decoder, SLUICE_TABLE_ENDPOINT, i, "health", "Health %u is not known",
                                  record->health);
        }
    }
    return SLUICE_OK;
}

int decode_splits(struct decoder *decoder, struct blob *blob)
{
    uint32_t count = decoder->header.tables[SLUICE_TABLE_SPLIT].count;
    blob->splits = calloc(count + 1u, sizeof(*blob->splits));
    if (blob->splits == NULL) {
        return decoder_no_memory(decoder);
    }
    blob->split_count = count;
    for (uint32_t i = 0; i < count; i++) {
        int result = decoder_read(decoder, SLUICE_TABLE_SPLIT, i, &blob->splits[i], sizeof(blob->splits[i]));
        if (result != SLUICE_OK) {
            return result;
        }
        if (blob->splits[i].weight > UINT16_MAX) {
            return decoder_refuse(decoder, SLUICE_TABLE_SPLIT, i, "weight", "Must be 0 to 65535");
        }
    }
    return SLUICE_OK;
}

static int check_shares(struct decoder *decoder, const struct sluice_backend_record *record, uint32_t index)
{
    const struct {
        const char *field;
        uint32_t ppm;
    } shares[] = {
        {"max_ejected_ppm", record->max_ejected_ppm},
        {"breaker_error_ppm", record->breaker_error_ppm},
        {"panic_ppm", record->panic_ppm},
    };
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        if (shares[i].ppm > MILLION) {
            return decoder_refuse(decoder, SLUICE_TABLE_BACKEND, index, shares[i].field, "Must be 0 to 1000000");
        }
    }
    if (record->retry_budget_ppm > MILLION && record->retry_budget_ppm != UINT32_MAX) {
        return decoder_refuse(decoder, SLUICE_TABLE_BACKEND, index, "retry_budget_ppm",
                              "Must be 0 to 1000000, or unbounded");
    }
    return SLUICE_OK;
}

static int check_backend(struct decoder *decoder, const struct blob *blob, const struct sluice_backend_record *record,
                         uint32_t index)
{
    const struct {
        const char *field;
        uint64_t value_ms;
    } times[] = {
        {"backoff_ms", record->backoff_ms},
        {"passive_window_ms", record->passive_window_ms},
        {"eject_ms", record->eject_ms},
        {"breaker_window_ms", record->breaker_window_ms},
        {"breaker_open_ms", record->breaker_open_ms},
        {"slow_start_ms", record->slow_start_ms},
        {"preconnect_idle_ms", record->preconnect_idle_ms},
    };
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        if (times[i].value_ms > TIMEOUT_MAX_MS) {
            return decoder_refuse(decoder, SLUICE_TABLE_BACKEND, index, times[i].field, "Must be at most %llu",
                                  (unsigned long long)TIMEOUT_MAX_MS);
        }
    }
    if (!inside(record->first_split, record->split_count, blob->split_count) ||
        (record->split_count > 0 && record->endpoint_count > 0)) {
        return decoder_refuse(decoder, SLUICE_TABLE_BACKEND, index, "split_count",
                              "Must be records of the table, and of a backend without endpoints");
    }
    if (record->send_proxy > SLUICE_SEND_PROXY_V2) {
        return decoder_refuse(decoder, SLUICE_TABLE_BACKEND, index, "send_proxy", "Value %u is not known",
                              record->send_proxy);
    }
    if ((record->passive_failures > 0 && record->passive_window_ms == 0) ||
        (record->breaker_requests > 0 && record->breaker_window_ms == 0)) {
        return decoder_refuse(decoder, SLUICE_TABLE_BACKEND, index,
                              record->passive_window_ms == 0 && record->passive_failures > 0 ? "passive_window_ms"
                                                                                             : "breaker_window_ms",
                              "Must not be 0");
    }
    if (record->preconnect_max > PRECONNECT_MAX || record->preconnect_min > record->preconnect_max) {
        return decoder_refuse(decoder, SLUICE_TABLE_BACKEND, index, "preconnect_max",
                              "Must be at least preconnect_min and at most %u", PRECONNECT_MAX);
    }
    if (record->reserved0 != 0) {
        return decoder_refuse(decoder, SLUICE_TABLE_BACKEND, index, "reserved0", "Must be zero");
    }
    return check_shares(decoder, record, index);
}

/* The local address of connections to endpoints; its length is 0 where the kernel chooses. */
static int read_source_address(struct decoder *decoder, struct blob *blob, uint32_t index)
{
    const struct sluice_address *from = &blob->backends[index].source_address;
    if (from->family == SLUICE_FAMILY_NONE) {
        blob->sources[index].length = 0;
        return SLUICE_OK;
    }
    if ((from->family != SLUICE_FAMILY_IPV4 && from->family != SLUICE_FAMILY_IPV6) || from->port != 0) {
        return decoder_refuse(decoder, SLUICE_TABLE_BACKEND, index, "source_address",
                              "Must be an IP address without port");
    }
    return decoder_read_address(decoder, SLUICE_TABLE_BACKEND, index, from, true, &blob->sources[index]);
}

int decode_backends(struct decoder *decoder, struct blob *blob)
{
    uint32_t count = decoder->header.tables[SLUICE_TABLE_BACKEND].count;
    blob->backends = calloc(count + 1u, sizeof(*blob->backends));
    if (blob->backends == NULL) {
        return decoder_no_memory(decoder);
    }
    blob->sources = calloc(count + 1u, sizeof(*blob->sources));
    if (blob->sources == NULL) {
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
        result = check_backend(decoder, blob, record, i);
        if (result == SLUICE_OK) {
            result = read_source_address(decoder, blob, i);
        }
        if (result != SLUICE_OK) {
            return result;
        }
    }
    return SLUICE_OK;
}
