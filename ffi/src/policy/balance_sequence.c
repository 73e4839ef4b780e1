/* SPDX-License-Identifier: MIT
 * The smooth weighted order. Called by the control thread. */
#include "policy/balance_sequence.h"

#include <stdbool.h>

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
        equal = equal && step[i] <= 1;
    }
    if (equal) {
        for (uint32_t i = 0, position = 0; i < count; i++) {
            if (step[i] != 0) {
                sequence[position++] = (uint16_t)i; /* equal weights: no need to play it through */
            }
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
