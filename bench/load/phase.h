/* SPDX-License-Identifier: MIT
 *
 * A measured phase: what every watched family and the machine used between two moments of rest.
 */
#ifndef LOAD_PHASE_H
#define LOAD_PHASE_H

#include "loop.h"
#include "options.h"
#include "tally.h"
#include "watch.h"

struct phase {
    const struct options *options;
    uint64_t start_ns;
    uint64_t stop_ns;
    struct machine machine[2]; /* before, after */
    struct usage self[2];
    struct usage watched[OPTIONS_MAX_WATCHED][2];
    struct family self_family;
    struct family families[OPTIONS_MAX_WATCHED];
};

/* Finds the families that the options name. */
void phase_open(struct phase *phase, const struct options *options);

/* Lets the proxy and the backend finish what the last operation left to do, then reads the counters. */
void phase_begin(struct phase *phase, struct loop *loop);
void phase_end(struct phase *phase, struct loop *loop);

/* Reads the counters without a rest: 0 before, 1 after. */
void phase_mark(struct phase *phase, size_t moment);

/* Prints what it cost as members of an object in JSON, each after a comma. */
void phase_print_costs(const struct phase *phase);

/* Prints the phase as one line of JSON; `before` is what earlier phases counted. */
void phase_print(const struct phase *phase, const struct tally *tally, const struct tally *before);

#endif
