/* SPDX-License-Identifier: MIT
 * Balancing. Called by workers when a session needs an endpoint, and by the control thread for the sequence. */
#include "policy/balance.h"

#include "policy/limit.h"

#define TICKETS_MAX 128u /* tickets that one choice may use up before it looks at the members one by one */

static uint32_t greatest_common_divisor(uint32_t a, uint32_t b)
{
    while (b != 0) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* How weights are reduced: divided by the common divisor, then scaled by numerator/denominator when still too many. */
struct reduction {
    uint32_t divisor;
    uint64_t sum; /* after the division */
};

static struct reduction reduce(const uint32_t *weights, uint32_t count)
{
    struct reduction reduction = {.divisor = 0, .sum = 0};
    for (uint32_t i = 0; i < count; i++) {
        reduction.divisor = greatest_common_divisor(weights[i], reduction.divisor);
        reduction.sum += weights[i];
    }
    if (reduction.divisor != 0) {
        reduction.sum /= reduction.divisor;
    }
    return reduction;
}

static uint32_t reduced_weight(struct reduction reduction, uint32_t weight)
{
    if (weight == 0) {
        return 0;
    }
    uint64_t reduced = weight / reduction.divisor;
    if (reduction.sum <= BALANCE_MAX_SEQUENCE) {
        return (uint32_t)reduced;
    }
    uint64_t scaled = (reduced * BALANCE_MAX_SEQUENCE + reduction.sum / 2) / reduction.sum;
    return scaled == 0 ? 1u : (uint32_t)scaled;
}

uint32_t balance_sequence_length(const uint32_t *weights, uint32_t count)
{
    struct reduction reduction = reduce(weights, count);
    uint32_t length = 0;
    for (uint32_t i = 0; i < count; i++) {
        length += reduced_weight(reduction, weights[i]);
    }
    return length;
}

void balance_sequence_build(const uint32_t *weights, uint32_t count, uint16_t *sequence, int64_t *scratch)
{
    struct reduction reduction = reduce(weights, count);
    int64_t *step = scratch;
    int64_t *current = scratch + count;
    uint32_t length = 0;
    bool equal = true;
    for (uint32_t i = 0; i < count; i++) {
        step[i] = reduced_weight(reduction, weights[i]);
        current[i] = 0;
        length += (uint32_t)step[i];
        equal = equal && step[i] == 1;
    }
    if (equal) {
        for (uint32_t i = 0; i < count; i++) {
            sequence[i] = (uint16_t)i; /* equal weights: no need to play it through */
        }
        return;
    }
    for (uint32_t position = 0; position < length; position++) {
        uint32_t best = 0;
        for (uint32_t i = 0; i < count; i++) {
            current[i] += step[i];
            if (current[i] > current[best]) {
                best = i;
            }
        }
        current[best] -= length;
        sequence[position] = (uint16_t)best;
    }
}

static bool member_take(const struct balance_member *member, uint32_t index, uint64_t tried)
{
    return member->usable && member->weight != 0 && (tried & balance_tried_bit(index)) == 0 &&
           limit_take(member->active, member->max_active);
}

uint32_t balance_round_robin(const struct balance_pool *pool, uint64_t tried)
{
    if (pool->sequence_length == 0) {
        return BALANCE_NONE;
    }
    /* A further attempt of a session looks ahead without taking tickets: the next session gets the turn it would have
     * had anyway, so an endpoint that fails does not shift who is first. */
    bool takes = tried == 0;
    uint64_t ticket = atomic_load_explicit(pool->ticket, memory_order_relaxed);
    for (uint32_t used = 0; used < TICKETS_MAX; used++, ticket++) {
        if (takes) {
            ticket = atomic_fetch_add_explicit(pool->ticket, 1, memory_order_relaxed);
        }
        uint32_t index = pool->sequence[ticket % pool->sequence_length];
        if (member_take(&pool->members[index], index, tried)) {
            return index;
        }
    }
    /* Almost all of the sequence is out of use: look at each member once, from where the last ticket pointed. */
    uint32_t start = pool->sequence[ticket % pool->sequence_length];
    for (uint32_t i = 0; i < pool->member_count; i++) {
        uint32_t index = (start + i) % pool->member_count;
        if (member_take(&pool->members[index], index, tried)) {
            return index;
        }
    }
    return BALANCE_NONE;
}

/* Whether a session more weighs less on a than on b. */
static bool lighter(uint32_t active_a, uint32_t weight_a, uint32_t active_b, uint32_t weight_b)
{
    return ((uint64_t)active_a + 1) * weight_b < ((uint64_t)active_b + 1) * weight_a;
}

uint32_t balance_least_connections(const struct balance_pool *pool, uint64_t tried)
{
    if (pool->member_count == 0) {
        return BALANCE_NONE;
    }
    uint64_t ticket = atomic_fetch_add_explicit(pool->ticket, 1, memory_order_relaxed);
    for (;;) {
        uint32_t best = BALANCE_NONE;
        uint32_t best_active = 0;
        for (uint32_t i = 0; i < pool->member_count; i++) {
            /* Starting elsewhere each time spreads equals. */
            uint32_t index = (uint32_t)((ticket + i) % pool->member_count);
            const struct balance_member *member = &pool->members[index];
            uint32_t active = atomic_load_explicit(member->active, memory_order_relaxed);
            if (!member->usable || member->weight == 0 || active >= member->max_active ||
                (tried & balance_tried_bit(index)) != 0) {
                continue;
            }
            if (best == BALANCE_NONE || lighter(active, member->weight, best_active, pool->members[best].weight)) {
                best = index;
                best_active = active;
            }
        }
        if (best == BALANCE_NONE || limit_take(pool->members[best].active, pool->members[best].max_active)) {
            return best;
        }
        /* Another worker took its last place: choose again among the rest. */
    }
}
