/* SPDX-License-Identifier: MIT
 * policy/balance: the share of an endpoint that comes up grows, with every algorithm. */
#include "balance_scene.h"

#define ALGORITHMS 6u
#define START (16 * SECOND)

/* Member 0 of three comes up now. */
static void open_rising(uint32_t algorithm)
{
    scene_open(algorithm, (uint32_t[]){200, 100, 100}, 3);
    scene.settings.slow_start_ns = START;
    scene_build();
    set_down(0);
    set_up(0);
}

/* Makes choices at a moment of the start, and checks the part of member 0: `sixteenths` of its weight. */
static void check_at(uint64_t after_ns, uint64_t sixteenths, bool keep)
{
    scene.now_ns = BASE + after_ns;
    choose_many(CHOICES, keep);
    for (uint32_t i = 0; i < 3; i++) {
        scene.signals[i].active -= keep ? scene.chosen[i] : 0;
    }
    switch (scene.settings.algorithm) {
    case SLUICE_BALANCE_FIRST:
        check_parts((uint64_t[]){sixteenths, 16 - sixteenths, 0}, 3, 10000);
        break;
    case SLUICE_BALANCE_SOURCE_HASH: /* of its own clients, which are half of all */
        check_parts((uint64_t[]){2 * sixteenths, 32 - sixteenths, 32 - sixteenths}, 3, 10000);
        break;
    default:
        check_parts((uint64_t[]){2 * sixteenths, 16, 16}, 3, 10000);
        break;
    }
}

TEST(the_share_grows_from_a_sixteenth_to_all)
{
    for (uint32_t algorithm = 0; algorithm < ALGORITHMS; algorithm++) {
        open_rising(algorithm);
        check_at(0, 1, true);
        check_at(SECOND, 1, true);
        check_at(4 * SECOND, 4, true);
        check_at(8 * SECOND, 8, true);
        check_at(15 * SECOND, 15, true);
        check_at(START, 16, true);
        check_at(1000 * START, 16, true);
    }
}

TEST(turns_are_passed_on_in_proportion_without_load)
{
    open_rising(SLUICE_BALANCE_ROUND_ROBIN);
    check_at(0, 1, false);
    check_at(4 * SECOND, 4, false);
    check_at(12 * SECOND, 12, false);
    check_at(START, 16, false);
}

TEST(an_ejection_that_has_ended_begins_a_slow_start)
{
    for (uint32_t algorithm = 0; algorithm < ALGORITHMS; algorithm++) {
        scene_open(algorithm, (uint32_t[]){200, 100, 100}, 3);
        scene.settings.slow_start_ns = START;
        scene_build();
        scene.now_ns = BASE - SECOND;
        eject(0, SECOND);
        CHECK(look_up(0) != 0);
        check_at(0, 1, true);
        check_at(4 * SECOND, 4, true);
        check_at(START, 16, true);
    }
}

TEST(an_endpoint_that_was_added_begins_slowly)
{
    scene_open(SLUICE_BALANCE_ROUND_ROBIN, (uint32_t[]){200, 100, 100}, 3);
    scene.settings.slow_start_ns = START;
    scene_build();
    check_at(0, 16, false); /* nobody has said that it was added */
    scene.signals[0].up_since_ns = BASE;
    check_at(4 * SECOND, 4, false);
}

TEST(a_clock_that_is_behind_finds_the_start)
{
    open_rising(SLUICE_BALANCE_ROUND_ROBIN);
    scene.signals[0].up_since_ns = BASE + SECOND;
    check_at(0, 1, false);
}

TEST(when_all_begin_slowly_they_share_by_weight)
{
    for (uint32_t algorithm = 0; algorithm < ALGORITHMS; algorithm++) {
        open_rising(algorithm);
        for (uint32_t i = 0; i < 3; i++) {
            scene.signals[i].up_since_ns = BASE;
        }
        choose_many(CHOICES, true);
        CHECK_EQ(scene.chosen[0] + scene.chosen[1] + scene.chosen[2], CHOICES);
        if (algorithm != SLUICE_BALANCE_FIRST) {
            check_parts((uint64_t[]){2, 1, 1}, 3, 10000);
        } else {
            CHECK(scene.chosen[0] > CHOICES * 8 / 10);
        }
    }
}

TEST(the_only_one_takes_all)
{
    for (uint32_t algorithm = 0; algorithm < ALGORITHMS; algorithm++) {
        open_rising(algorithm);
        set_down(1);
        set_down(2);
        for (unsigned i = 0; i < 100; i++) {
            CHECK_EQ(choose(0), 0);
        }
    }
}

TEST(clients_come_back_one_by_one_and_stay)
{
    open_rising(SLUICE_BALANCE_SOURCE_HASH);
    static bool back[CHOICES];
    memset(back, 0, sizeof back);
    uint32_t count = 0;
    for (uint64_t after_ns = 0; after_ns <= START; after_ns += SECOND) {
        scene.now_ns = BASE + after_ns;
        for (uint64_t client = 0; client < CHOICES; client++) {
            bool is_here = look_up(client) == 0;
            CHECK(is_here || !back[client]);
            count += is_here && !back[client];
            back[client] = is_here;
        }
    }
    CHECK(llabs((long long)count - CHOICES / 2) <= CHOICES / 100);
}
