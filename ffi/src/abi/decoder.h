/* SPDX-License-Identifier: MIT
 *
 * The lower half of decoding a blob: header, tables, single records, addresses. What the records mean to each other is
 * decode.c's. Control thread. */
#ifndef SLUICE_ABI_DECODER_H
#define SLUICE_ABI_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice.h"
#include "sys/net.h"

#define MILLION 1000000u
#define TIMEOUT_MAX_MS (UINT64_C(1) << 41) /* seventy years */

struct decoder {
    const uint8_t *bytes;
    uint64_t size;
    struct sluice_blob_header header;
    const uint8_t *strings;
    uint32_t strings_length;
    struct sluice_error *error;
};

/* Fills in the error and returns SLUICE_E_BLOB. */
__attribute__((format(printf, 5, 6))) int decoder_refuse(struct decoder *decoder, uint32_t table, uint32_t record,
                                                         const char *field, const char *format, ...);

/* The same for SLUICE_E_MEMORY. */
int decoder_no_memory(struct decoder *decoder);

/* Copies the header and checks it. */
int decoder_check_header(struct decoder *decoder);

/* Checks that a table is inside the blob and its records have a possible size. */
int decoder_check_table(struct decoder *decoder, uint32_t number);

/* Copies record `index` of a checked table into a record of the library's size: missing bytes read as zero, bytes
 * beyond must be zero. */
int decoder_read(struct decoder *decoder, uint32_t number, uint32_t index, void *record, size_t size);

/* Turns an address of a record into one for the kernel. */
int decoder_read_address(struct decoder *decoder, uint32_t table, uint32_t record, const struct sluice_address *from,
                         bool port_may_be_zero, struct net_address *to);

/* Whether records first..first+count are among `total`. */
static inline bool inside(uint32_t first, uint32_t count, uint32_t total)
{
    return first <= total && count <= total - first;
}

/* Whether reserved bytes are zero. */
static inline bool all_zero(const void *from, size_t size)
{
    const uint8_t *bytes = from;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

#endif
