/* SPDX-License-Identifier: MIT
 *
 * Ring of log records from one worker (producer) to the control thread (consumer). The producer never waits: a record
 * that does not fit is dropped and counted. Records are whole: a reader never sees a part of one.
 */
#ifndef SLUICE_OBSERVE_LOG_RING_H
#define SLUICE_OBSERVE_LOG_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "sys/util.h"

struct log_ring {
    uint8_t *bytes; /* `size` of them */
    uint64_t size;  /* a power of two */
    _Alignas(
        CACHE_LINE) _Atomic uint64_t head; /* bytes ever written; producer stores (release), consumer loads (acquire) */
    _Atomic uint64_t dropped;              /* records that did not fit; producer adds (relaxed) */
    uint64_t known_tail;                   /* producer: tail as it last saw it, to leave the reader's line alone */
    _Alignas(
        CACHE_LINE) _Atomic uint64_t tail; /* bytes ever read; consumer stores (release), producer loads (acquire) */
};

/* Returns 0 or -ENOMEM. */
int log_ring_init(struct log_ring *ring, uint32_t size);

void log_ring_destroy(struct log_ring *ring);

/* Producer: writes one record, given as up to three parts whose sizes sum to a multiple of 8 (a part may be empty).
 * The record starts with struct sluice_log_header whose size field is that sum. False when it was dropped. */
struct log_part {
    const void *bytes;
    uint32_t size;
};
bool log_ring_write(struct log_ring *ring, const struct log_part *parts, uint32_t part_count);

/* Consumer: copies whole records into buffer, returns bytes copied (0: none, or the first one does not fit). */
uint64_t log_ring_read(struct log_ring *ring, void *buffer, uint64_t size);

#endif
