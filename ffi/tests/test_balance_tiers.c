/* SPDX-License-Identifier: MIT
 * policy/balance: tiers, and panic. */
#include "balance_scene.h"

#define ALGORITHMS 6u

/* Members 0 and 1 in tier 0, 2 and 3 in tier 1, 4 in tier 7. */
static void open_tiers(uint32_t algorithm)
{
    scene_open(algorithm, (uint32_t[]){2, 1, 2, 1, 1}, 5);
    for (uint32_t i = 0; i < 5; i++) {
        scene.members[i].tier = i < 2 ? 0 : i < 4 ? 1 : 7;
    }
    scene_build();
    CHECK_EQ(scene.pool.tier_count, 3);
}

/* Which members 300 choices found, as bits. */
static unsigned used(void)
{
    unsigned bits = 0;
    choose_many(300, true);
    for (uint32_t i = 0; i < scene.count; i++) {
        bits |= scene.chosen[i] > 0 ? 1u << i : 0;
        scene.signals[i].active -= scene.chosen[i];
    }
    return bits;
}

/* `first` finds only the first of what is meant. */
static void check_used(unsigned expected)
{
    bool is_first = scene.settings.algorithm == SLUICE_BALANCE_FIRST;
    CHECK_EQ(used(), is_first ? expected & (0u - expected) : expected);
}

#define FOR_EACH_ALGORITHM for (uint32_t algorithm = 0; algorithm < ALGORITHMS; algorithm++)

TEST(a_tier_is_used_when_none_is_left_in_the_one_before)
{
    FOR_EACH_ALGORITHM
    {
        open_tiers(algorithm);
        check_used(0x03);
        set_down(0);
        check_used(0x02);
        eject(1, SECOND);
        check_used(0x0c);
        set_down(2);
        set_down(3);
        check_used(0x10);
        set_down(4);
        check_used(0);
        CHECK(!balance_in_use(&scene.pool, scene.now_ns));
        scene.now_ns += SECOND; /* the ejection of 1 is over */
        check_used(0x02);
        set_up(0);
        check_used(0x03);
    }
}

TEST(what_the_operator_takes_away_is_not_left)
{
    FOR_EACH_ALGORITHM
    {
        open_tiers(algorithm);
        scene.members[0].usable = false;
        scene.members[1].weight = 0;
        scene_build();
        check_used(0x0c);
        scene.members[2].max_active = 0;
        scene.members[3].usable = false;
        scene_build();
        check_used(0x10);
    }
}

TEST(a_full_tier_does_not_open_the_next)
{
    FOR_EACH_ALGORITHM
    {
        open_tiers(algorithm);
        scene.members[0].max_active = 3;
        scene.members[1].max_active = 3;
        for (unsigned i = 0; i < 6; i++) {
            CHECK(choose(0) < 2);
        }
        CHECK_EQ(choose(0), BALANCE_NONE);
        CHECK(!balance_has_place(&scene.pool, scene.now_ns));
        CHECK(balance_in_use(&scene.pool, scene.now_ns));
        /* One full, one down: the full one is left. */
        set_down(0);
        CHECK_EQ(choose(0), BALANCE_NONE);
        CHECK(balance_in_use(&scene.pool, scene.now_ns));
        set_down(1);
        check_used(0x0c);
        CHECK(balance_has_place(&scene.pool, scene.now_ns));
    }
}

TEST(further_attempts_go_on_to_the_next_tier)
{
    FOR_EACH_ALGORITHM
    {
        open_tiers(algorithm);
        uint64_t tried = 0;
        for (unsigned i = 0; i < 5; i++) {
            uint32_t index = choose_for(tried, 5);
            CHECK_EQ(scene.members[index % 5].tier, i < 2 ? 0 : i < 4 ? 1 : 7);
            tried |= balance_tried_bit(index);
        }
        CHECK_EQ(choose(tried), BALANCE_NONE);
    }
}

TEST(shares_in_a_later_tier_go_by_weight)
{
    for (uint32_t algorithm = 0; algorithm < ALGORITHMS; algorithm++) {
        if (algorithm != SLUICE_BALANCE_FIRST) {
            open_tiers(algorithm);
            set_down(0);
            set_down(1);
            choose_many(CHOICES, true);
            check_parts((uint64_t[]){0, 0, 2, 1, 0}, 5, 10000);
        }
    }
}

TEST(in_panic_health_does_not_count)
{
    FOR_EACH_ALGORITHM
    {
        scene_open(algorithm, NULL, 10);
        scene.settings.panic_ppm = 500000;
        scene_build();
        for (uint32_t i = 0; i < 5; i++) {
            i % 2 == 0 ? set_down(i) : eject(i, SECOND);
        }
        CHECK(!balance_in_panic(&scene.pool, scene.now_ns)); /* half of them is not less than half */
        check_used(0x3e0);
        set_down(9);
        CHECK(balance_in_panic(&scene.pool, scene.now_ns));
        check_used(0x3ff);
        set_up(9);
        check_used(0x3e0);
        eject(9, SECOND / 2);
        check_used(0x3ff);
        scene.now_ns += SECOND / 2;
        check_used(0x3e0);
    }
}

TEST(in_panic_shares_go_by_weight)
{
    for (uint32_t algorithm = 0; algorithm < ALGORITHMS; algorithm++) {
        if (algorithm != SLUICE_BALANCE_FIRST) {
            scene_open(algorithm, (uint32_t[]){1, 2, 3, 4}, 4);
            scene.settings.panic_ppm = 300000;
            scene_build();
            set_down(0);
            set_down(2);
            set_down(3);
            choose_many(CHOICES, true);
            check_parts((uint64_t[]){1, 2, 3, 4}, 4, 10000);
        }
    }
}

TEST(panic_counts_what_is_offered_in_all_tiers)
{
    FOR_EACH_ALGORITHM
    {
        open_tiers(algorithm);
        scene.settings.panic_ppm = 600000;
        scene.members[4].usable = false;
        scene_build();
        set_down(0);
        CHECK(!balance_in_panic(&scene.pool, scene.now_ns)); /* 3 of 4 */
        set_down(3);
        CHECK(balance_in_panic(&scene.pool, scene.now_ns)); /* 2 of 4 */
        check_used(0x03);
        set_down(1);
        set_down(2);
        check_used(0x03); /* never the one that its operator took away, and tier 0 as long as something is in it */
        CHECK(balance_in_use(&scene.pool, scene.now_ns));
        CHECK_EQ(scene.members[choose(balance_tried_bit(0) | balance_tried_bit(1)) % 5].tier, 1);
    }
}

TEST(without_a_threshold_there_is_no_panic)
{
    FOR_EACH_ALGORITHM
    {
        scene_open(algorithm, NULL, 3);
        for (uint32_t i = 0; i < 3; i++) {
            set_down(i);
        }
        CHECK(!balance_in_panic(&scene.pool, scene.now_ns));
        CHECK_EQ(choose(0), BALANCE_NONE);
        CHECK(!balance_in_use(&scene.pool, scene.now_ns));
    }
}

TEST(an_endpoint_whose_health_is_not_known_is_used)
{
    scene_open(SLUICE_BALANCE_ROUND_ROBIN, NULL, 2);
    CHECK_EQ(balance_set_health(&scene.signals[0], SLUICE_HEALTH_UP, BASE), SLUICE_HEALTH_UNKNOWN);
    CHECK_EQ(used(), 3);
    CHECK_EQ(balance_set_health(&scene.signals[0], SLUICE_HEALTH_DOWN, BASE), SLUICE_HEALTH_UP);
    CHECK_EQ(balance_set_health(&scene.signals[0], SLUICE_HEALTH_UNKNOWN, BASE), SLUICE_HEALTH_DOWN);
    CHECK_EQ(used(), 3);
}
