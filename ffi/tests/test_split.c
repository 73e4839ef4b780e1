/* SPDX-License-Identifier: MIT
 * path/split: which part of a split backend a client goes to. */
#include "path/split.h"

#include "test.h"

#define MOST_PARTS 5u
#define CLIENTS 10000u

static struct backend parts[MOST_PARTS];
static struct split splits[MOST_PARTS];

static struct backend split(uint32_t id, uint32_t count, const uint32_t *weights)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        sum += weights[i];
        parts[i].id = 1000 + i;
        splits[i] = (struct split){.backend = &parts[i], .weights = sum};
    }
    return (struct backend){.split_seed = id, .splits = splits, .split_count = count};
}

/* As of an IPv4 address in a network where they follow each other: bytes in network order. */
static uint64_t client(uint32_t number)
{
    uint32_t ip = UINT32_C(0x0a000000) + number;
    return (uint64_t)__builtin_bswap32(ip) ^ 4;
}

static uint32_t part_of(const struct backend *backend, uint32_t number)
{
    const struct backend *part = split_part(backend, client(number));
    return part == NULL ? UINT32_MAX : (uint32_t)(part - parts);
}

static void check_shares(uint32_t id, uint32_t count, const uint32_t *weights)
{
    uint32_t got[MOST_PARTS] = {0};
    uint32_t sum = 0;
    struct backend backend = split(id, count, weights);
    for (uint32_t i = 0; i < count; i++) {
        sum += weights[i];
    }
    for (uint32_t i = 0; i < CLIENTS; i++) {
        got[part_of(&backend, i)]++;
    }
    for (uint32_t i = 0; i < count; i++) {
        double share = (double)got[i] / CLIENTS;
        double wanted = (double)weights[i] / sum;
        CHECK(share - wanted < 0.01 && wanted - share < 0.01);
        CHECK(weights[i] > 0 || got[i] == 0);
    }
}

TEST(shares_go_by_weight)
{
    for (uint32_t id = 1; id < 100; id++) {
        check_shares(id, 2, (uint32_t[]){95, 5});
    }
    check_shares(7, 1, (uint32_t[]){1});
    check_shares(7, 2, (uint32_t[]){1, 1});
    check_shares(7, 3, (uint32_t[]){0, 100, 0});
    check_shares(7, 5, (uint32_t[]){0, 65535, 1, 0, 30000});
    check_shares(7, 4, (uint32_t[]){10, 0, 0, 10});
    check_shares(7, 5, (uint32_t[]){65535, 65535, 65535, 65535, 65535});
}

TEST(without_a_weight_there_is_none)
{
    struct backend backend = split(7, 2, (uint32_t[]){0, 0});
    CHECK(split_part(&backend, client(1)) == NULL);
}

/* Clients that were in the last part are in it when it has grown, whatever became of the sum. */
TEST(who_is_in_the_canary_stays_in_it)
{
    static const uint32_t steps[][2] = {{100, 0}, {95, 5}, {95, 20}, {70, 30}, {35, 15}, {20, 80}, {0, 100}};
    uint8_t inside[CLIENTS] = {0};
    for (uint32_t step = 0; step < sizeof steps / sizeof steps[0]; step++) {
        struct backend backend = split(7, 2, steps[step]);
        for (uint32_t i = 0; i < CLIENTS; i++) {
            uint32_t part = part_of(&backend, i);
            CHECK(inside[i] == 0 || part == 1);
            inside[i] = part == 1;
        }
    }
}

/* Of three parts the last takes from the one before it; the first keeps its clients while its weight stays. */
TEST(the_others_move_little)
{
    uint32_t before[CLIENTS];
    struct backend backend = split(7, 3, (uint32_t[]){50, 45, 5});
    for (uint32_t i = 0; i < CLIENTS; i++) {
        before[i] = part_of(&backend, i);
    }
    backend = split(7, 3, (uint32_t[]){50, 20, 30});
    for (uint32_t i = 0; i < CLIENTS; i++) {
        CHECK(part_of(&backend, i) == before[i] || (before[i] == 1 && part_of(&backend, i) == 2));
    }
}

TEST(one_backends_canary_is_not_anothers)
{
    uint32_t both = 0;
    struct backend one = split(7, 2, (uint32_t[]){90, 10});
    struct backend other = one;
    other.split_seed = 8;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        both += part_of(&one, i) == 1 && part_of(&other, i) == 1;
    }
    CHECK(both > 40 && both < 180); /* about a hundredth */
}
