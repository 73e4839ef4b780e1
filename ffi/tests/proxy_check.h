/* SPDX-License-Identifier: MIT
 *
 * Reading PROXY headers in every way they may arrive: each prefix by itself, in memory that ends where it ends. For the
 * tests of policy/proxy_protocol. */
#ifndef SLUICE_TESTS_PROXY_CHECK_H
#define SLUICE_TESTS_PROXY_CHECK_H

#include <stdlib.h>

#include "policy/proxy_protocol.h"
#include "test.h"

/* Bytes that a header is put together in. */
struct bytes {
    uint8_t at[PROXY_HEADER_MOST_BYTES + 256u];
    uint32_t length;
};

static inline void bytes_add(struct bytes *bytes, const void *more, size_t length)
{
    if (length > sizeof bytes->at - bytes->length) {
        abort();
    }
    memcpy(bytes->at + bytes->length, more, length);
    bytes->length += (uint32_t)length;
}

static inline void bytes_add_u16(struct bytes *bytes, uint32_t number)
{
    bytes_add(bytes, (uint8_t[]){(uint8_t)(number >> 8), (uint8_t)number}, 2);
}

static inline struct bytes bytes_of_text(const char *text)
{
    struct bytes bytes = {.length = 0};
    bytes_add(&bytes, text, strlen(text));
    return bytes;
}

/* Reads the first `length` bytes alone: AddressSanitizer sees a read beyond. */
static inline enum proxy_header_result read_alone(const struct bytes *bytes, uint32_t length,
                                                  struct proxy_header *header)
{
    uint8_t *copy = malloc(length > 0 ? length : 1);
    if (copy == NULL) {
        abort();
    }
    memcpy(copy, bytes->at, length);
    enum proxy_header_result result = proxy_header_read(copy, length, header);
    free(copy);
    return result;
}

/* The shortest prefix that is not MORE, or UINT32_MAX; what it is goes to `result` and `header`. */
static inline uint32_t decided_at(const struct bytes *bytes, enum proxy_header_result *result,
                                  struct proxy_header *header)
{
    for (uint32_t length = 0; length <= bytes->length; length++) {
        *result = read_alone(bytes, length, header);
        if (*result != PROXY_HEADER_MORE) {
            return length;
        }
    }
    return UINT32_MAX;
}

/* It is BAD from its last byte on and whatever follows, and MORE before that. */
static inline bool is_bad_at_its_end(const struct bytes *bytes)
{
    struct proxy_header header;
    struct bytes longer = *bytes;
    enum proxy_header_result result;
    bytes_add(&longer, "\r\n\r\n", 4);
    return decided_at(bytes, &result, &header) == bytes->length && result == PROXY_HEADER_BAD &&
           read_alone(&longer, longer.length, &header) == PROXY_HEADER_BAD;
}

static inline bool same_header(const struct proxy_header *a, const struct proxy_header *b)
{
    return a->length == b->length && a->local == b->local && a->family == b->family &&
           memcmp(a->source_ip, b->source_ip, 16) == 0 && memcmp(a->destination_ip, b->destination_ip, 16) == 0 &&
           a->source_port == b->source_port && a->destination_port == b->destination_port;
}

/* It is a whole header at its last byte, and no sooner; nothing that follows changes it. Writes what it says. */
static inline bool is_whole(const struct bytes *bytes, struct proxy_header *header)
{
    enum proxy_header_result result;
    if (decided_at(bytes, &result, header) != bytes->length || result != PROXY_HEADER_DONE ||
        header->length != bytes->length) {
        return false;
    }
    struct bytes longer = *bytes;
    struct proxy_header again;
    bytes_add(&longer, "\r\nPROXY \x03", 9);
    for (uint32_t length = bytes->length; length <= longer.length; length++) {
        if (read_alone(&longer, length, &again) != PROXY_HEADER_DONE || !same_header(&again, header)) {
            return false;
        }
    }
    return true;
}

#endif
