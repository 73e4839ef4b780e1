/* SPDX-License-Identifier: MIT
 *
 * When bytes arrived, in bins of a millisecond: how far the rate in every window of a length, wherever it begins, is
 * from the one that it should be, and how large the burst at the beginning was. One thread.
 */
#ifndef LOAD_WINDOWS_H
#define LOAD_WINDOWS_H

#include <stdint.h>

#include "clock.h"

#define WINDOWS_BIN_NS NS_PER_MS

struct windows {
    double rate_per_s;   /* as it should be */
    uint64_t start_ns;   /* of the first bin */
    uint64_t settled_ns; /* windows begin here at the earliest */
    uint64_t end_ns;
    uint64_t count; /* of bins */
    uint64_t *bins;
    uint64_t total;
    uint64_t settled_total; /* of what came after settled_ns */
    uint64_t first_ns;      /* the first arrival since the start, or since the silence; 0: none yet */
    uint64_t last_ns;
    uint64_t since_first;
    double excess;        /* most that came beyond the rate since the first arrival: the burst */
    uint64_t silence_ns;  /* a gap longer than this ends what `excess` is of; 0: none does */
    double excess_before; /* of what came before the silence */
};

/* From start_ns to end_ns. Its bins last as long as the process. */
void windows_open(struct windows *windows, double rate_per_s, uint64_t start_ns, uint64_t settled_ns, uint64_t end_ns);

void windows_add(struct windows *windows, uint64_t now_ns, uint64_t amount);

/* Deviations from the rate, as shares of it, of all windows of a length that neither begin nor end in a pause. */
struct deviation {
    double least; /* signed */
    double most;
    double p99; /* of the absolute values */
    double median;
    double beyond;   /* share of the windows that are off by more than a twentieth */
    double all_most; /* of the absolute values, also of the windows that are left out */
    uint64_t count;
    uint64_t left_out; /* begin or end in a pause of the machine */
};

struct deviation windows_deviation(const struct windows *windows, uint64_t length_ms);

#endif
