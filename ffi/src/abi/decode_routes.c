/* SPDX-License-Identifier: MIT
 * Records of listeners, routes, and what those name: prefixes, texts. Control thread. */
#include <stdlib.h>
#include <string.h>

#include "abi/decode_records.h"
#include "policy/route.h"

#define ADDRESSES_MAX (UINT32_C(1) << 20) /* of all listeners of a blob, ranges of ports counted out */

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

int decode_prefixes(struct decoder *decoder, struct blob *blob)
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

int decode_texts(struct decoder *decoder, struct blob *blob)
{
    uint32_t count = decoder->header.tables[SLUICE_TABLE_TEXT].count;
    blob->texts = calloc(count + 1u, sizeof(*blob->texts));
    if (blob->texts == NULL) {
        return decoder_no_memory(decoder);
    }
    blob->text_count = count;
    blob->strings = (const char *)decoder->strings;
    blob->strings_length = decoder->strings_length;
    for (uint32_t i = 0; i < count; i++) {
        struct sluice_text_record *record = &blob->texts[i];
        int result = decoder_read(decoder, SLUICE_TABLE_TEXT, i, record, sizeof(*record));
        if (result != SLUICE_OK) {
            return result;
        }
        if (record->length == 0 || record->length > ROUTE_KEY_BYTES ||
            !inside(record->offset, record->length, decoder->strings_length)) {
            return decoder_refuse(decoder, SLUICE_TABLE_TEXT, i, "length",
                                  "Must be 1 to 255 bytes inside the table of strings");
        }
    }
    return SLUICE_OK;
}

static int check_listener(struct decoder *decoder, const struct blob *blob, const struct sluice_listener_record *record,
                          uint32_t index)
{
    if (record->detect > SLUICE_DETECT_TLS || (record->detect != SLUICE_DETECT_NONE && record->backend != 0)) {
        return decoder_refuse(decoder, SLUICE_TABLE_LISTENER, index, "detect", "Value %u is not known here",
                              record->detect);
    }
    if (record->proxy_accept > SLUICE_PROXY_REQUIRED) {
        return decoder_refuse(decoder, SLUICE_TABLE_LISTENER, index, "proxy_accept", "Value %u is not known",
                              record->proxy_accept);
    }
    if (!inside(record->first_trusted, record->trusted_count, blob->prefix_count)) {
        return decoder_refuse(decoder, SLUICE_TABLE_LISTENER, index, "trusted_count",
                              "Not inside the table of prefixes");
    }
    if (record->proxy_timeout_ms > TIMEOUT_MAX_MS || record->detect_timeout_ms > TIMEOUT_MAX_MS) {
        return decoder_refuse(decoder, SLUICE_TABLE_LISTENER, index, "proxy_timeout_ms", "Must be at most %llu",
                              (unsigned long long)TIMEOUT_MAX_MS);
    }
    if (record->reserved0 != 0) {
        return decoder_refuse(decoder, SLUICE_TABLE_LISTENER, index, "reserved0", "Must be zero");
    }
    return SLUICE_OK;
}

int decode_listeners(struct decoder *decoder, struct blob *blob)
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
        result = check_listener(decoder, blob, record, i);
        if (result != SLUICE_OK) {
            return result;
        }
    }
    return SLUICE_OK;
}

int decode_routes(struct decoder *decoder, struct blob *blob)
{
    uint32_t count = decoder->header.tables[SLUICE_TABLE_ROUTE].count;
    blob->routes = calloc(count + 1u, sizeof(*blob->routes));
    if (blob->routes == NULL) {
        return decoder_no_memory(decoder);
    }
    blob->route_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct sluice_route_record *record = &blob->routes[i];
        int result = decoder_read(decoder, SLUICE_TABLE_ROUTE, i, record, sizeof(*record));
        if (result != SLUICE_OK) {
            return result;
        }
        if (record->id == 0 || record->listener == 0) {
            return decoder_refuse(decoder, SLUICE_TABLE_ROUTE, i, record->id == 0 ? "id" : "listener", "Must not be 0");
        }
        if ((record->flags & ~SLUICE_ROUTE_DEFAULT) != 0) {
            return decoder_refuse(decoder, SLUICE_TABLE_ROUTE, i, "flags", "Flags %#x are not known", record->flags);
        }
        if (!inside(record->first_name, record->name_count, blob->text_count)) {
            return decoder_refuse(decoder, SLUICE_TABLE_ROUTE, i, "name_count", "Not inside the table of texts");
        }
        if (!inside(record->first_protocol, record->protocol_count, blob->text_count)) {
            return decoder_refuse(decoder, SLUICE_TABLE_ROUTE, i, "protocol_count", "Not inside the table of texts");
        }
        if (!inside(record->first_source, record->source_count, blob->prefix_count)) {
            return decoder_refuse(decoder, SLUICE_TABLE_ROUTE, i, "source_count", "Not inside the table of prefixes");
        }
        if (record->reserved0 != 0) {
            return decoder_refuse(decoder, SLUICE_TABLE_ROUTE, i, "reserved0", "Must be zero");
        }
    }
    return SLUICE_OK;
}
