/* SPDX-License-Identifier: MIT
 *
 * When the next operation is due. With a rate: at instants that depend on the seed alone, however slow the answers are
 * (latency counts from the instant that was intended). Without: at once.
 */
#ifndef LOAD_SCHEDULE_H
#define LOAD_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

struct schedule {
    uint64_t next_ns; /* the next intended instant; meaningless without a rate */
    uint64_t remaining;
    double gap_ns; /* mean gap; 0: no rate */
    uint64_t random;
};

/* A schedule of `count` operations that starts now; rate_per_s 0 means at once. */
struct schedule schedule_make(uint64_t count, double rate_per_s, uint64_t now_ns);

/* Takes the next operation if it is due; stores when it was meant to start. */
bool schedule_take(struct schedule *schedule, uint64_t now_ns, uint64_t *intended_ns);

/* When schedule_take will say yes; UINT64_MAX when nothing is left. */
uint64_t schedule_next(const struct schedule *schedule, uint64_t now_ns);

#endif
