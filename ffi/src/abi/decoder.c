/* SPDX-License-Identifier: MIT
 * Header, tables, records and addresses of a blob. Called by decode.c. */
#include "abi/decoder.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "core/failure.h"

#define RECORD_MAX 4096u /* bytes of a record of a newer caller */

int decoder_refuse(struct decoder *decoder, uint32_t table, uint32_t record, const char *field, const char *format, ...)
{
    char message[sizeof(decoder->error->message)];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    return failure(decoder->error, SLUICE_E_BLOB, 0, table, record, field, "%s", message);
}

int decoder_no_memory(struct decoder *decoder)
{
    return failure(decoder->error, SLUICE_E_MEMORY, ENOMEM, NO_RECORD, NO_RECORD, "", "Out of memory");
}

/* ---- Header and tables ---- */

int decoder_check_header(struct decoder *decoder)
{
    struct sluice_blob_header *header = &decoder->header;
    if (decoder->size < sizeof(*header)) {
        return decoder_refuse(decoder, NO_RECORD, NO_RECORD, "total_size", "Blob is shorter than its header");
    }
    memcpy(header, decoder->bytes, sizeof(*header));
    if (header->magic != SLUICE_BLOB_MAGIC) {
        return decoder_refuse(decoder, NO_RECORD, NO_RECORD, "magic", "Not a configuration blob");
    }
    if (header->abi_version != SLUICE_ABI_VERSION) {
        return decoder_refuse(decoder, NO_RECORD, NO_RECORD, "abi_version", "Blob has ABI version %u, the library %u",
                              header->abi_version, SLUICE_ABI_VERSION);
    }
    if (header->total_size != decoder->size) {
        return decoder_refuse(decoder, NO_RECORD, NO_RECORD, "total_size", "Blob says %llu bytes and has %llu",
                              (unsigned long long)header->total_size, (unsigned long long)decoder->size);
    }
    if (decoder->size > UINT32_MAX) {
        return decoder_refuse(decoder, NO_RECORD, NO_RECORD, "total_size", "Blob must be smaller than 4 GiB");
    }
    return SLUICE_OK;
}

int decoder_check_table(struct decoder *decoder, uint32_t number)
{
    const struct sluice_table *table = &decoder->header.tables[number];
    uint64_t bytes = (uint64_t)table->count * table->record_size;
    if (table->reserved0 != 0) {
        return decoder_refuse(decoder, number, NO_RECORD, "reserved0", "Reserved field of the table is not zero");
    }
    if (table->count == 0) {
        return SLUICE_OK;
    }
    if (number == SLUICE_TABLE_STRING
            ? table->record_size != 1
            : table->record_size == 0 || table->record_size % 8 != 0 || table->record_size > RECORD_MAX) {
        return decoder_refuse(decoder, number, NO_RECORD, "record_size", "Record size %u is not possible",
                              table->record_size);
    }
    if (table->offset % 8 != 0 || table->offset < sizeof(decoder->header) || table->offset > decoder->size ||
        bytes > decoder->size - table->offset) {
        return decoder_refuse(decoder, number, NO_RECORD, "offset", "Table is not inside the blob");
    }
    return SLUICE_OK;
}

int decoder_read(struct decoder *decoder, uint32_t number, uint32_t index, void *record, size_t size)
{
    const struct sluice_table *table = &decoder->header.tables[number];
    const uint8_t *from = decoder->bytes + table->offset + (size_t)index * table->record_size;
    size_t known = table->record_size < size ? table->record_size : size;
    memset(record, 0, size);
    memcpy(record, from, known);
    if (!all_zero(from + known, table->record_size - known)) {
        return decoder_refuse(decoder, number, index, "", "Record has a field that this library does not know");
    }
    return SLUICE_OK;
}

/* ---- Addresses ---- */

static int read_unix(struct decoder *decoder, uint32_t table, uint32_t record, const struct sluice_address *from,
                     struct net_address *to)
{
    if (from->path_length == 0 || from->path_length > sizeof(to->local.sun_path) - 1 || from->port != 0) {
        return decoder_refuse(decoder, table, record, "address", "Path of a unix socket must be 1 to %zu bytes",
                              sizeof(to->local.sun_path) - 1);
    }
    if (from->path_offset > decoder->strings_length ||
        from->path_length > decoder->strings_length - from->path_offset) {
        return decoder_refuse(decoder, table, record, "address", "Path is not inside the string table");
    }
    const char *path = (const char *)decoder->strings + from->path_offset;
    bool abstract = path[0] == '\0';
    if (memchr(path + 1, '\0', from->path_length - 1u) != NULL || (abstract && from->path_length == 1)) {
        return decoder_refuse(decoder, table, record, "address", "Path of a unix socket has a NUL in it");
    }
    to->local.sun_family = AF_UNIX;
    memcpy(to->local.sun_path, path, from->path_length);
    /* An abstract name counts by its length, a path by its terminator. */
    to->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + from->path_length + (abstract ? 0u : 1u));
    return SLUICE_OK;
}

int decoder_read_address(struct decoder *decoder, uint32_t table, uint32_t record, const struct sluice_address *from,
                         bool port_may_be_zero, struct net_address *to)
{
    memset(to, 0, sizeof(*to));
    if (from->family != SLUICE_FAMILY_UNIX &&
        (from->port > UINT16_MAX || (from->port == 0 && !port_may_be_zero) || from->path_length != 0)) {
        return decoder_refuse(decoder, table, record, "address", "Port %u is not possible", from->port);
    }
    if (from->reserved0 != 0) {
        return decoder_refuse(decoder, table, record, "address", "Reserved field of the address is not zero");
    }
    switch (from->family) {
    case SLUICE_FAMILY_IPV4:
        to->length = sizeof(to->ipv4);
        to->ipv4.sin_family = AF_INET;
        to->ipv4.sin_port = htons((uint16_t)from->port);
        memcpy(&to->ipv4.sin_addr, from->ip, 4);
        return SLUICE_OK;
    case SLUICE_FAMILY_IPV6:
        to->length = sizeof(to->ipv6);
        to->ipv6.sin6_family = AF_INET6;
        to->ipv6.sin6_port = htons((uint16_t)from->port);
        to->ipv6.sin6_scope_id = from->scope_id;
        memcpy(&to->ipv6.sin6_addr, from->ip, 16);
        return SLUICE_OK;
    case SLUICE_FAMILY_UNIX:
        return read_unix(decoder, table, record, from, to);
    default:
        return decoder_refuse(decoder, table, record, "address", "Address family %u is not known", from->family);
    }
}
