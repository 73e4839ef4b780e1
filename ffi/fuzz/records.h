/* SPDX-License-Identifier: MIT
 *
 * The stream of a TLS handshake as other records carry it. Used by the fuzzer of hellos and by their tests. */
#ifndef SLUICE_FUZZ_RECORDS_H
#define SLUICE_FUZZ_RECORDS_H

#include <stdint.h>
#include <string.h>

#define RECORDS_HEADER 5u

/* Writes what the records of a well-formed stream hold, without their headers, and returns its size: at most `size`. */
static inline uint32_t records_join(const uint8_t *stream, uint32_t size, uint8_t *content)
{
    uint32_t filled = 0;
    for (uint32_t at = 0; at + RECORDS_HEADER <= size;) {
        uint32_t part = (uint32_t)stream[at + 3] << 8 | stream[at + 4];
        at += RECORDS_HEADER;
        part = part < size - at ? part : size - at;
        memcpy(content + filled, stream + at, part);
        filled += part;
        at += part;
    }
    return filled;
}

/* Puts content into records of `part` bytes, and returns the size of them all: records_size. */
static inline uint32_t records_split(const uint8_t *content, uint32_t size, uint32_t part, uint8_t *stream)
{
    uint32_t filled = 0;
    for (uint32_t at = 0; at < size; at += part) {
        uint32_t here = part < size - at ? part : size - at;
        const uint8_t header[RECORDS_HEADER] = {22, 3, 1, (uint8_t)(here >> 8), (uint8_t)here};
        memcpy(stream + filled, header, RECORDS_HEADER);
        memcpy(stream + filled + RECORDS_HEADER, content + at, here);
        filled += RECORDS_HEADER + here;
    }
    return filled;
}

static inline uint32_t records_size(uint32_t size, uint32_t part)
{
    return size + (size + part - 1) / part * RECORDS_HEADER;
}

#endif
