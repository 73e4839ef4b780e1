/* SPDX-License-Identifier: MIT
 * policy/balance: shares by weight of every algorithm, the order of round robin, members that are passed over. */
#include "balance_scene.h"

#define RR SLUICE_BALANCE_ROUND_ROBIN
#define LEAST SLUICE_BALANCE_LEAST_CONNECTIONS
#define ALGORITHMS 6u

/* Checks that the next choices are these, written as letters. */
static void check_choices(const char *expected)
{
    char chosen[64] = "";
    for (size_t i = 0; i < strlen(expected) && i < sizeof chosen - 1; i++) {
        uint32_t index = choose(0);
        chosen[i] = index == BALANCE_NONE ? '-' : (char)('a' + (int)index);
    }
    CHECK_STRING(chosen, expected);
}

TEST(shares_go_by_weight)
{
    static const uint32_t weights[][5] = {{1, 1, 1, 1, 1}, {1, 2, 3, 4, 10}, {65535, 1, 30000, 0, 7}, {0, 0, 3, 0, 0}};
    for (uint32_t algorithm = 0; algorithm < ALGORITHMS; algorithm++) {
        if (algorithm == SLUICE_BALANCE_FIRST) {
            continue;
        }
        for (uint32_t i = 0; i < sizeof weights / sizeof weights[0]; i++) {
            uint64_t parts[5];
            for (uint32_t j = 0; j < 5; j++) {
                parts[j] = weights[i][j];
            }
            scene_open(algorithm, weights[i], 5);
            choose_many(CHOICES, true);
            check_parts(parts, 5, 10000);
            if (algorithm == RR || algorithm == SLUICE_BALANCE_RANDOM_TWO) { /* without load, too */
                scene_open(algorithm, weights[i], 5);
                choose_many(CHOICES, false);
                check_parts(parts, 5, 10000);
            }
        }
    }
}

TEST(round_robin_is_exact)
{
    scene_open(RR, (uint32_t[]){5, 3, 2}, 3);
    choose_many(CHOICES, false);
    check_parts((uint64_t[]){5, 3, 2}, 3, 0);
    set_down(1);
    choose_many(7000, false);
    CHECK_EQ(scene.chosen[0], 5000);
    CHECK_EQ(scene.chosen[2], 2000);
}

TEST(equal_weights_take_turns)
{
    scene_open(RR, (uint32_t[]){100, 100, 100}, 3);
    check_choices("abcabcabc");
    CHECK_EQ(scene.signals[0].active, 3);
    scene_open(RR, (uint32_t[]){5, 1, 1}, 3);
    check_choices("aabacaaaabacaa");
    scene_build(); /* another version goes on where the one before was */
    check_choices("aaba");
    scene_build();
    check_choices("caa");
}

TEST(a_member_that_is_not_offered_is_never_chosen)
{
    for (uint32_t algorithm = 0; algorithm < ALGORITHMS; algorithm++) {
        scene_open(algorithm, (uint32_t[]){0, 3, 2, 3, 1}, 5);
        scene.members[2].usable = false;
        scene.members[4].max_active = 0;
        scene_build();
        CHECK_EQ(scene.pool.offered_count, 2);
        choose_many(1000, true);
        CHECK_EQ(scene.chosen[1] + scene.chosen[3], 1000);
        CHECK_EQ(scene.chosen[3] > 0, algorithm != SLUICE_BALANCE_FIRST);
    }
}

TEST(without_members_there_is_none)
{
    for (uint32_t algorithm = 0; algorithm < ALGORITHMS; algorithm++) {
        for (uint32_t count = 0; count <= 2; count++) {
            scene_open(algorithm, (uint32_t[]){0, 0}, count);
            CHECK_EQ(scene.pool.tier_count, 0);
            CHECK_EQ(choose(0), BALANCE_NONE);
            CHECK(!balance_has_place(&scene.pool, BASE));
            CHECK(!balance_in_use(&scene.pool, BASE));
        }
    }
}

TEST(a_full_member_is_passed_over_and_the_others_keep_their_order)
{
    scene_open(RR, NULL, 3);
    scene.members[1].max_active = 2;
    check_choices("abcabcacac");
    limit_give(&scene.signals[1].active);
    uint32_t chosen = 0;
    for (unsigned i = 0; i < 3; i++) {
        chosen |= UINT32_C(1) << choose(0);
    }
    CHECK(chosen & 2u);
    CHECK_EQ(scene.signals[1].active, 2);
}

TEST(caps_are_filled_and_never_exceeded)
{
    for (uint32_t algorithm = 0; algorithm < ALGORITHMS; algorithm++) {
        scene_open(algorithm, (uint32_t[]){1, 50, 7, 1, 3}, 5);
        uint32_t places = 0;
        for (uint32_t i = 0; i < 5; i++) {
            scene.members[i].max_active = 1 + 3 * i;
            places += 1 + 3 * i;
        }
        set_down(3);
        places -= 10;
        for (uint32_t i = 0; i < places; i++) {
            CHECK(balance_has_place(&scene.pool, scene.now_ns));
            CHECK(choose(0) != BALANCE_NONE);
        }
        CHECK_EQ(choose(0), BALANCE_NONE);
        CHECK(!balance_has_place(&scene.pool, scene.now_ns));
        CHECK(balance_in_use(&scene.pool, scene.now_ns)); /* it is worth waiting */
        for (uint32_t i = 0; i < 5; i++) {
            CHECK_EQ(scene.signals[i].active, i == 3 ? 0 : scene.members[i].max_active);
        }
        limit_give(&scene.signals[4].active);
        CHECK_EQ(choose(0), 4);
    }
}

TEST(the_last_free_member_is_found_behind_a_heavy_one)
{
    for (uint32_t algorithm = 0; algorithm < ALGORITHMS; algorithm++) {
        scene_open(algorithm, (uint32_t[]){60000, 1, 1}, 3);
        set_down(0);
        eject(2, SECOND);
        for (unsigned i = 0; i < 100; i++) {
            CHECK_EQ(choose(0), 1);
        }
    }
}

TEST(behind_a_heavy_one_the_others_share_by_weight)
{
    for (uint32_t algorithm = 0; algorithm < ALGORITHMS; algorithm++) {
        if (algorithm == SLUICE_BALANCE_FIRST) {
            continue;
        }
        scene_open(algorithm, (uint32_t[]){60000, 200, 100}, 3);
        set_down(0);
        choose_many(CHOICES, true);
        /* A source hash has too few slots left for that: 41 of 8191. */
        check_parts((uint64_t[]){0, 2, 1}, 3, algorithm == SLUICE_BALANCE_SOURCE_HASH ? 40000 : 10000);
    }
}

TEST(members_that_were_tried_are_passed_over)
{
    for (uint32_t algorithm = 0; algorithm < ALGORITHMS; algorithm++) {
        scene_open(algorithm, (uint32_t[]){1, 900, 4}, 3);
        uint64_t tried = 0;
        for (unsigned i = 0; i < 3; i++) {
            uint32_t index = choose_for(tried, 77);
            REQUIRE(index != BALANCE_NONE);
            CHECK((tried & balance_tried_bit(index)) == 0);
            tried |= balance_tried_bit(index);
        }
        CHECK_EQ(choose(tried), BALANCE_NONE);
        CHECK_EQ(choose(tried & ~balance_tried_bit(2)), 2);
    }
}

TEST(a_second_choice_takes_no_turn_from_the_first_ones)
{
    scene_open(RR, NULL, 2);
    /* Member a fails every session that begins with it; still only every other session does. */
    unsigned began_with_a = 0;
    for (unsigned i = 0; i < 10; i++) {
        if (choose(0) == 0) {
            began_with_a++;
            CHECK_EQ(choose(balance_tried_bit(0)), 1);
        }
    }
    CHECK_EQ(began_with_a, 5);
}

TEST(least_connections_fills_by_weight)
{
    scene_open(LEAST, (uint32_t[]){1, 2, 4}, 3);
    choose_many(700, true);
    CHECK(llabs((long long)scene.chosen[0] - 100) <= 1);
    CHECK(llabs((long long)scene.chosen[1] - 200) <= 1);
    CHECK(llabs((long long)scene.chosen[2] - 400) <= 1);
}

TEST(least_connections_prefers_the_idle_one_and_spreads_equals)
{
    scene_open(LEAST, NULL, 3);
    scene.signals[0].active = 5;
    scene.signals[1].active = 4;
    CHECK_EQ(choose(0), 2);
    scene_open(LEAST, NULL, 4);
    uint32_t chosen = 0;
    for (unsigned i = 0; i < 4; i++) {
        uint32_t index = choose(0);
        chosen |= UINT32_C(1) << index;
        limit_give(&scene.signals[index].active); /* so that all are equal again */
    }
    CHECK_EQ(chosen, 15);
}

TEST(random_two_evens_out)
{
    /* With one choice, the fullest of 100 members has some 15 more than 100 of 10,000; with the better of two, 3. */
    scene_open(SLUICE_BALANCE_RANDOM_TWO, NULL, 100);
    choose_many(CHOICES, true);
    for (uint32_t i = 0; i < 100; i++) {
        CHECK(scene.chosen[i] >= 90 && scene.chosen[i] <= 104);
    }
    /* A loaded member is taken only when nothing better is drawn. */
    scene_open(SLUICE_BALANCE_RANDOM_TWO, NULL, 2);
    scene.signals[0].active = 100;
    for (unsigned i = 0; i < 100; i++) {
        choose(0);
    }
    CHECK(scene.signals[0].active < 105);
}

TEST(random_two_takes_the_other_when_one_cannot_be_used)
{
    scene_open(SLUICE_BALANCE_RANDOM_TWO, (uint32_t[]){3, 2, 1}, 3);
    set_down(0);
    choose_many(CHOICES, false);
    CHECK_EQ(scene.chosen[0], 0);
    check_parts((uint64_t[]){0, 2, 1}, 3, 10000);
}

TEST(first_fills_in_order)
{
    scene_open(SLUICE_BALANCE_FIRST, (uint32_t[]){1, 1000, 1}, 3);
    scene.members[0].max_active = 2;
    scene.members[1].max_active = 3;
    check_choices("aabbbcc");
    limit_give(&scene.signals[0].active);
    check_choices("ac");
}

static void note(uint32_t index, uint64_t took_ns, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        balance_note_connect(&scene.signals[index], took_ns, scene.now_ns);
    }
}

TEST(least_time_prefers_the_one_that_answers_sooner)
{
    scene_open(SLUICE_BALANCE_LEAST_TIME, NULL, 3);
    note(0, 10 * MS, 50);
    note(1, 5 * MS, 50);
    note(2, 1 * MS, 50);
    check_choices("cccc");
    /* Sessions weigh: in proportion to the inverse of the time. */
    choose_many(CHOICES, true);
    check_parts((uint64_t[]){10, 20, 100}, 3, 10000);
    scene_open(SLUICE_BALANCE_LEAST_TIME, (uint32_t[]){8, 2, 1}, 3);
    note(0, 4 * MS, 1);
    note(1, 1 * MS, 1);
    note(2, 1 * MS, 1);
    choose_many(CHOICES, true);
    check_parts((uint64_t[]){2, 2, 1}, 3, 10000);
}

TEST(least_time_tries_what_it_does_not_know)
{
    scene_open(SLUICE_BALANCE_LEAST_TIME, NULL, 3);
    note(0, 4 * MS, 1);
    note(1, 1 * MS, 1);
    uint32_t unknown = 0;
    for (unsigned i = 0; i < 8; i++) {
        unknown += choose(0) == 2;
    }
    CHECK(unknown >= 3 && unknown <= 5); /* as the fastest one, not as one without cost */
    /* One that was slow is tried again, when its time is old. */
    scene_open(SLUICE_BALANCE_LEAST_TIME, NULL, 2);
    note(0, 8 * MS, 1);
    note(1, 1 * MS, 1);
    CHECK_EQ(look_up(0), 1);
    scene.now_ns += 4 * BALANCE_CONNECT_HALF_NS;
    note(1, 1 * MS, 1);
    CHECK_EQ(look_up(0), 0);
}

TEST(connect_times_are_smoothed)
{
    scene_open(SLUICE_BALANCE_LEAST_TIME, NULL, 1);
    struct balance_signals *signals = &scene.signals[0];
    CHECK_EQ(balance_connect_time_ns(signals, BASE), 0);
    note(0, 8000, 1);
    CHECK_EQ(balance_connect_time_ns(signals, BASE), 8000);
    note(0, 16000, 1);
    CHECK_EQ(balance_connect_time_ns(signals, BASE), 9000);
    note(0, 16000, 100);
    CHECK(balance_connect_time_ns(signals, BASE) > 15900 && balance_connect_time_ns(signals, BASE) <= 16000);
    CHECK_EQ(balance_connect_time_ns(signals, 0), balance_connect_time_ns(signals, BASE)); /* a clock behind */
    CHECK_EQ(balance_connect_time_ns(signals, UINT64_MAX), 1);
    scene.now_ns += BALANCE_CONNECT_HALF_NS;
    note(0, 400, 1); /* the old one is of another time */
    CHECK_EQ(balance_connect_time_ns(signals, scene.now_ns), 400);
    note(0, 0, 1000);
    CHECK(balance_connect_time_ns(signals, scene.now_ns) >= 1);
}
