/* SPDX-License-Identifier: MIT
 * policy/balance_sequence: the smooth weighted order. */
#include "policy/balance_sequence.h"

#include <stdlib.h>

#include "test.h"

#define MEMBERS 8u

static uint16_t sequence[BALANCE_MAX_SEQUENCE + MEMBERS];
static int64_t scratch[2 * MEMBERS];

/* Checks the order for weights, written as letters. */
static void check_order(const uint32_t *weights, uint32_t count, const char *expected)
{
    char order[64] = "";
    uint32_t length = balance_sequence_length(weights, count);
    REQUIRE(length < sizeof order);
    balance_sequence_build(weights, count, sequence, scratch);
    for (uint32_t i = 0; i < length; i++) {
        order[i] = (char)('a' + sequence[i]);
    }
    CHECK_STRING(order, expected);
}

TEST(equal_weights_take_turns)
{
    check_order((uint32_t[]){100, 100, 100}, 3, "abc");
    check_order((uint32_t[]){0, 7, 0, 7}, 4, "bd");
    check_order((uint32_t[]){0, 0}, 2, "");
    check_order((uint32_t[]){9}, 1, "a");
}

TEST(weights_are_spread_smoothly)
{
    check_order((uint32_t[]){5, 1, 1}, 3, "aabacaa");
    check_order((uint32_t[]){200, 100}, 2, "aba");
    check_order((uint32_t[]){0, 2, 1}, 3, "bcb"); /* the sum of weights is the number of members */
}

TEST(every_sequence_is_exact_for_its_weights)
{
    uint64_t random = 5;
    for (unsigned round = 0; round < 300; round++) {
        uint32_t weights[MEMBERS];
        uint32_t count = 1 + (uint32_t)test_random_below(&random, MEMBERS);
        uint64_t limit = round % 3 == 0 ? 3 : round % 3 == 1 ? 101 : 65536;
        uint64_t sum = 0;
        for (uint32_t i = 0; i < count; i++) {
            weights[i] = (uint32_t)test_random_below(&random, limit);
            sum += weights[i];
        }
        uint32_t length = balance_sequence_length(weights, count);
        CHECK_EQ(length > 0, sum > 0);
        CHECK(length <= BALANCE_MAX_SEQUENCE + MEMBERS);
        balance_sequence_build(weights, count, sequence, scratch);
        uint32_t seen[MEMBERS] = {0};
        for (uint32_t i = 0; i < length; i++) {
            REQUIRE(sequence[i] < count);
            seen[sequence[i]]++;
        }
        for (uint32_t i = 0; i < count && sum > 0; i++) {
            /* Within one place of the exact share; exact where nothing was scaled down. */
            int64_t exact = (int64_t)((uint64_t)weights[i] * length / sum);
            CHECK(llabs((long long)seen[i] - exact) <= 1);
            CHECK_EQ(seen[i] > 0, weights[i] > 0);
        }
    }
}
