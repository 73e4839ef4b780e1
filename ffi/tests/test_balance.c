/* SPDX-License-Identifier: MIT
 * policy/balance: the smooth order, shares by weight, caps that hold over threads, and members passed over. */
#include "policy/balance.h"

#include <pthread.h>
#include <stdlib.h>

#include "policy/limit.h"
#include "test.h"

#define MEMBERS 8u

/* A pool with all that it points to. */
struct scene {
    struct balance_pool pool;
    struct balance_member members[MEMBERS];
    _Atomic uint32_t active[MEMBERS];
    _Atomic uint64_t ticket;
    uint16_t sequence[BALANCE_MAX_SEQUENCE + MEMBERS];
    int64_t scratch[2 * MEMBERS];
};

static struct scene scene;

static void scene_open(const uint32_t *weights, uint32_t count)
{
    memset(&scene, 0, sizeof scene);
    for (uint32_t i = 0; i < count; i++) {
        scene.members[i] = (struct balance_member){
            .active = &scene.active[i], .max_active = UINT32_MAX, .weight = weights[i], .usable = true};
    }
    uint32_t length = balance_sequence_length(weights, count);
    if (length > 0) {
        balance_sequence_build(weights, count, scene.sequence, scene.scratch);
    }
    scene.pool = (struct balance_pool){.members = scene.members,
                                       .member_count = count,
                                       .sequence = scene.sequence,
                                       .sequence_length = length,
                                       .ticket = &scene.ticket};
}

/* Checks that the next choices are these, written as letters. */
static void check_round_robin(const char *expected)
{
    char chosen[64] = "";
    for (size_t i = 0; i < strlen(expected) && i < sizeof chosen - 1; i++) {
        uint32_t index = balance_round_robin(&scene.pool, 0);
        chosen[i] = index == BALANCE_NONE ? '-' : (char)('a' + (int)index);
    }
    CHECK_STRING(chosen, expected);
}

TEST(equal_weights_take_turns)
{
    scene_open((uint32_t[]){100, 100, 100}, 3);
    CHECK_EQ(scene.pool.sequence_length, 3);
    check_round_robin("abcabcabc");
    CHECK_EQ(scene.active[0], 3);
}

TEST(weights_are_spread_smoothly)
{
    scene_open((uint32_t[]){5, 1, 1}, 3);
    CHECK_EQ(scene.pool.sequence_length, 7);
    check_round_robin("aabacaaaabacaa");
    scene_open((uint32_t[]){200, 100}, 2);
    CHECK_EQ(scene.pool.sequence_length, 3);
    check_round_robin("abaaba");
}

TEST(a_member_of_weight_zero_is_never_chosen)
{
    scene_open((uint32_t[]){0, 3, 0, 3}, 4);
    check_round_robin("bdbdbd");
    for (unsigned i = 0; i < 20; i++) {
        CHECK(balance_least_connections(&scene.pool, 0) % 2 == 1);
    }
    scene_open((uint32_t[]){0, 2, 1}, 3); /* the sum of weights is the number of members */
    check_round_robin("bcbbcb");
    scene_open((uint32_t[]){0, 0}, 2);
    CHECK_EQ(scene.pool.sequence_length, 0);
    CHECK_EQ(balance_round_robin(&scene.pool, 0), BALANCE_NONE);
    CHECK_EQ(balance_least_connections(&scene.pool, 0), BALANCE_NONE);
}

TEST(an_empty_pool_has_none)
{
    scene_open((uint32_t[]){0}, 0);
    CHECK_EQ(balance_round_robin(&scene.pool, 0), BALANCE_NONE);
    CHECK_EQ(balance_least_connections(&scene.pool, 0), BALANCE_NONE);
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
        scene_open(weights, count);
        uint32_t length = scene.pool.sequence_length;
        CHECK_EQ(length > 0, sum > 0);
        CHECK(length <= BALANCE_MAX_SEQUENCE + MEMBERS);
        uint32_t seen[MEMBERS] = {0};
        for (uint32_t i = 0; i < length; i++) {
            REQUIRE(scene.sequence[i] < count);
            seen[scene.sequence[i]]++;
        }
        for (uint32_t i = 0; i < count && sum > 0; i++) {
            /* Within one place of the exact share; exact where nothing was scaled down. */
            int64_t exact = (int64_t)((uint64_t)weights[i] * length / sum);
            CHECK(llabs((long long)seen[i] - exact) <= 1);
            CHECK_EQ(seen[i] > 0, weights[i] > 0);
        }
    }
}

TEST(a_full_member_is_passed_over_and_the_others_keep_their_order)
{
    scene_open((uint32_t[]){1, 1, 1}, 3);
    scene.members[1].max_active = 2;
    check_round_robin("abcabcacac");
    limit_give(&scene.active[1]);
    uint32_t chosen = 0;
    for (unsigned i = 0; i < 3; i++) {
        chosen |= UINT32_C(1) << balance_round_robin(&scene.pool, 0);
    }
    CHECK(chosen & 2u);
    CHECK_EQ(scene.active[1], 2);
    for (unsigned i = 0; i < 3; i++) {
        scene.members[i].max_active = 0;
    }
    CHECK_EQ(balance_round_robin(&scene.pool, 0), BALANCE_NONE);
    CHECK_EQ(balance_least_connections(&scene.pool, 0), BALANCE_NONE);
}

TEST(the_last_free_member_is_found_behind_a_heavy_one)
{
    scene_open((uint32_t[]){4000, 1}, 2);
    scene.members[0].usable = false;
    for (unsigned i = 0; i < 10; i++) {
        CHECK_EQ(balance_round_robin(&scene.pool, 0), 1);
    }
}

TEST(members_that_were_tried_are_passed_over)
{
    scene_open((uint32_t[]){1, 1, 1}, 3);
    uint64_t tried = 0;
    for (unsigned i = 0; i < 3; i++) {
        uint32_t index = balance_round_robin(&scene.pool, tried);
        REQUIRE(index != BALANCE_NONE);
        CHECK((tried & balance_tried_bit(index)) == 0);
        tried |= balance_tried_bit(index);
    }
    CHECK_EQ(balance_round_robin(&scene.pool, tried), BALANCE_NONE);
    CHECK_EQ(balance_least_connections(&scene.pool, tried), BALANCE_NONE);
    tried &= ~balance_tried_bit(2);
    CHECK_EQ(balance_least_connections(&scene.pool, tried), 2);
}

TEST(a_second_choice_takes_no_turn_from_the_first_ones)
{
    scene_open((uint32_t[]){1, 1}, 2);
    /* Member a fails every session that begins with it; still only every other session does. */
    unsigned began_with_a = 0;
    for (unsigned i = 0; i < 10; i++) {
        uint32_t index = balance_round_robin(&scene.pool, 0);
        if (index == 0) {
            began_with_a++;
            CHECK_EQ(balance_round_robin(&scene.pool, balance_tried_bit(0)), 1);
        }
    }
    CHECK_EQ(began_with_a, 5);
}

TEST(a_drained_member_takes_nothing_new)
{
    scene_open((uint32_t[]){1, 1}, 2);
    scene.members[0].usable = false;
    check_round_robin("bbb");
    for (unsigned i = 0; i < 4; i++) {
        CHECK_EQ(balance_least_connections(&scene.pool, 0), 1);
    }
    CHECK_EQ(scene.active[0], 0);
}

TEST(least_connections_fills_by_weight)
{
    scene_open((uint32_t[]){1, 2, 4}, 3);
    for (unsigned i = 0; i < 700; i++) {
        CHECK(balance_least_connections(&scene.pool, 0) != BALANCE_NONE);
    }
    CHECK(llabs((long long)scene.active[0] - 100) <= 1);
    CHECK(llabs((long long)scene.active[1] - 200) <= 1);
    CHECK(llabs((long long)scene.active[2] - 400) <= 1);
}

TEST(least_connections_prefers_the_idle_one_and_spreads_equals)
{
    scene_open((uint32_t[]){1, 1, 1}, 3);
    scene.active[0] = 5;
    scene.active[1] = 4;
    CHECK_EQ(balance_least_connections(&scene.pool, 0), 2);
    scene_open((uint32_t[]){1, 1, 1, 1}, 4);
    uint32_t chosen = 0;
    for (unsigned i = 0; i < 4; i++) {
        uint32_t index = balance_least_connections(&scene.pool, 0);
        chosen |= UINT32_C(1) << index;
        limit_give(&scene.active[index]); /* so that all are equal again */
    }
    CHECK_EQ(chosen, 15);
}

#define THREADS 4u
#define ROUNDS 20000u
#define CAP 3u

static atomic_uint over_the_cap;
static atomic_uint chosen_in_all;

static void *choose_and_give(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t index = test_random_below(&random, 2) == 0 ? balance_round_robin(&scene.pool, 0)
                                                            : balance_least_connections(&scene.pool, 0);
        if (index == BALANCE_NONE) {
            continue;
        }
        atomic_fetch_add(&chosen_in_all, 1);
        if (atomic_load(&scene.active[index]) > CAP) {
            atomic_fetch_add(&over_the_cap, 1);
        }
        limit_give(&scene.active[index]);
    }
    return NULL;
}

TEST(caps_hold_over_threads)
{
    scene_open((uint32_t[]){1, 2, 1}, 3);
    for (unsigned i = 0; i < 3; i++) {
        scene.members[i].max_active = i == 0 ? 1 : CAP;
    }
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, choose_and_give, (void *)(uintptr_t)(i + 1)) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK_EQ(over_the_cap, 0);
    CHECK(chosen_in_all > ROUNDS);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(scene.active[i], 0);
    }
}
