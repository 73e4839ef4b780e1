/* SPDX-License-Identifier: MIT
 *
 * What the client side counts. One a phase; the totals of all phases are compared with what the backend counted.
 */
#ifndef LOAD_TALLY_H
#define LOAD_TALLY_H

#include <stdint.h>

#include "histogram.h"

struct tally {
    uint64_t done;       /* operations that ended as they should */
    uint64_t bytes_up;   /* sent by the client */
    uint64_t bytes_down; /* received by the client */
    uint64_t failed_connect;
    uint64_t failed_io;       /* a reset, or another error of a socket */
    uint64_t failed_early;    /* the end of the stream before the last byte */
    uint64_t failed_mismatch; /* bytes that are not those that were sent */
    uint64_t failed_late;     /* not done when the client stopped waiting */
    struct histogram latency; /* from the intended start */
};

static inline uint64_t tally_failed(const struct tally *tally)
{
    return tally->failed_connect + tally->failed_io + tally->failed_early + tally->failed_mismatch + tally->failed_late;
}

#endif
