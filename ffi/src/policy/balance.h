/* SPDX-License-Identifier: MIT
 *
 * Choice of an endpoint among the members of a backend. Pure: state is the members' counters and one shared ticket,
 * so that a choice is exact for the process and not for each worker.
 *
 * Round robin walks a precomputed sequence (the smooth weighted order, as nginx made it known: the member with the
 * largest current weight goes next) by tickets from one atomic counter. A member that cannot be used is skipped by
 * taking the next ticket, so the others keep their proportion and their order. A second choice takes no ticket.
 */
#ifndef SLUICE_POLICY_BALANCE_H
#define SLUICE_POLICY_BALANCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define BALANCE_NONE UINT32_MAX
#define BALANCE_MAX_MEMBERS 4096u
#define BALANCE_MAX_SEQUENCE 4096u

/* What balancing knows of an endpoint. */
struct balance_member {
    _Atomic uint32_t *active; /* sessions that it serves now, all workers */
    uint32_t max_active;      /* UINT32_MAX: no cap */
    uint32_t weight;          /* 0: not used */
    bool usable;              /* ready for new sessions */
};

struct balance_pool {
    const struct balance_member *members;
    uint32_t member_count;
    const uint16_t *sequence; /* member indexes in the order of round robin */
    uint32_t sequence_length; /* 0 when all weights are 0 */
    _Atomic uint64_t *ticket; /* shared by the workers, relaxed */
};

/* Length of the sequence for these weights: their sum over their greatest common divisor, or, when that is more than
 * BALANCE_MAX_SEQUENCE, of weights scaled down in proportion (each at least 1). */
uint32_t balance_sequence_length(const uint32_t *weights, uint32_t count);

/* Writes that sequence. `scratch` has room for 2 * count int64_t. */
void balance_sequence_build(const uint32_t *weights, uint32_t count, uint16_t *sequence, int64_t *scratch);

/* Each chooses a member, takes one of its max_active, and returns its index; BALANCE_NONE when no member is free.
 * Members whose bit (index modulo 64) is set in `tried` are passed over: a session's further attempts. */
uint32_t balance_round_robin(const struct balance_pool *pool, uint64_t tried);
uint32_t balance_least_connections(const struct balance_pool *pool, uint64_t tried);

/* The bit of a member in `tried`. */
static inline uint64_t balance_tried_bit(uint32_t index)
{
    return UINT64_C(1) << (index & 63u);
}

#endif
