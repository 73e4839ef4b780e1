/* SPDX-License-Identifier: MIT
 * Checking filters (control thread) and holding sessions against them (workers). */
#include "path/session_filter.h"

#include <string.h>

#include "sys/clock.h"

static uint32_t most_bits(uint32_t family)
{
    switch (family) {
    case SLUICE_FAMILY_IPV4:
        return 32;
    case SLUICE_FAMILY_IPV6:
        return 128;
    default:
        return 0;
    }
}

static bool is_family(uint32_t family)
{
    return family == SLUICE_FAMILY_NONE || family == SLUICE_FAMILY_UNIX || family == SLUICE_FAMILY_IPV4 ||
           family == SLUICE_FAMILY_IPV6;
}

bool session_filter_read(const void *bytes, uint64_t size, struct session_filter *filter)
{
    struct sluice_session_filter *record = &filter->record;
    if (bytes == NULL || (uintptr_t)bytes % _Alignof(uint32_t) != 0 || size < sizeof(*record)) {
        return false;
    }
    memcpy(record, bytes, sizeof(*record));
    filter->ids = (const uint32_t *)(const void *)((const uint8_t *)bytes + sizeof(*record));
    if (size - sizeof(*record) != (uint64_t)record->id_count * sizeof(uint32_t) ||
        record->id_kind > SLUICE_FILTER_ENDPOINT || (record->id_kind == SLUICE_FILTER_ANY && record->id_count != 0) ||
        !is_family(record->source_family) || record->source_bits > most_bits(record->source_family)) {
        return false;
    }
    for (uint32_t i = 1; i < record->id_count; i++) {
        if (filter->ids[i - 1] >= filter->ids[i]) {
            return false;
        }
    }
    return true;
}

static bool has_id(const struct session_filter *filter, uint32_t id)
{
    uint32_t low = 0;
    uint32_t high = filter->record.id_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (filter->ids[middle] < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < filter->record.id_count && filter->ids[low] == id;
}

static bool is_of(const struct session_filter *filter, const struct session *session)
{
    switch (filter->record.id_kind) {
    case SLUICE_FILTER_TENANT:
        return has_id(filter, session->view->tenant->id);
    case SLUICE_FILTER_BACKEND:
        return session->backend != NULL && has_id(filter, session->backend->id);
    case SLUICE_FILTER_ENDPOINT:
        return session->endpoint != NULL && has_id(filter, session->endpoint->id);
    default:
        return true;
    }
}

static bool comes_from(const struct sluice_session_filter *record, const struct session *session)
{
    if (record->source_family == SLUICE_FAMILY_NONE) {
        return true;
    }
    uint32_t whole = record->source_bits / 8;
    uint32_t rest = record->source_bits % 8;
    if (session->client_family != record->source_family || memcmp(session->client_ip, record->source_ip, whole) != 0) {
        return false;
    }
    return rest == 0 || (session->client_ip[whole] ^ record->source_ip[whole]) >> (8 - rest) == 0;
}

static bool is_session(const struct sluice_session_filter *record, const struct session *session)
{
    static const uint8_t any[sizeof(record->session)] = {0};
    return memcmp(record->session, any, sizeof(any)) == 0 ||
           memcmp(record->session, session->id, sizeof(session->id)) == 0;
}

bool session_filter_matches(const struct session_filter *filter, const struct session *session, uint64_t now_ns)
{
    const struct sluice_session_filter *record = &filter->record;
    return is_session(record, session) && is_of(filter, session) && comes_from(record, session) &&
           (now_ns - session->accepted_ns) / NS_PER_MS >= record->older_than_ms;
}
