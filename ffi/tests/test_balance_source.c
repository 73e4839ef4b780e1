/* SPDX-License-Identifier: MIT
 * policy/balance, policy/balance_maglev: who is sent where by source hash, and how few move when something changes. */
#include "balance_scene.h"
#include "policy/balance_maglev.h"
#include "policy/mix.h"

static uint64_t homes[CHOICES]; /* key of the member that each client is sent to */

static uint64_t home(uint64_t client)
{
    uint32_t index = look_up(client);
    return index == BALANCE_NONE ? 0 : scene.members[index].key;
}

static void note_homes(void)
{
    for (uint64_t client = 0; client < CHOICES; client++) {
        homes[client] = home(client);
    }
}

static uint32_t count_moved(void)
{
    uint32_t moved = 0;
    for (uint64_t client = 0; client < CHOICES; client++) {
        moved += homes[client] != home(client);
    }
    return moved;
}

/* The most that may move when a member of this part of all weight goes: that part, and one in a hundred. */
static uint32_t most(uint64_t weight, uint64_t sum)
{
    return (uint32_t)(CHOICES * weight / sum + CHOICES / 100);
}

static void open_random(uint64_t *random, uint32_t count, bool has_weights)
{
    scene_open(SLUICE_BALANCE_SOURCE_HASH, NULL, count);
    for (uint32_t i = 0; i < count; i++) {
        scene.members[i].key = test_random(random);
        scene.members[i].weight = has_weights ? 1 + (uint32_t)test_random_below(random, 10) : 100;
    }
    scene_build();
}

static uint64_t weight_sum(void)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < scene.count; i++) {
        sum += scene.members[i].weight;
    }
    return sum;
}

TEST(a_client_stays_where_it_is)
{
    uint64_t random = 1;
    open_random(&random, 7, true);
    note_homes();
    scene.now_ns += 1000 * SECOND;
    CHECK_EQ(count_moved(), 0);
    scene_build();
    CHECK_EQ(count_moved(), 0);
    for (uint32_t i = 0; i < 3; i++) { /* another order in the file */
        struct balance_member member = scene.members[i];
        scene.members[i] = scene.members[6 - i];
        scene.members[6 - i] = member;
    }
    scene_build();
    CHECK_EQ(count_moved(), 0);
}

TEST(when_a_member_is_down_only_its_clients_move_and_they_come_back)
{
    uint64_t random = 2;
    static const uint32_t counts[] = {2, 3, 5, 10, 100};
    for (uint32_t round = 0; round < 10; round++) {
        open_random(&random, counts[round / 2], round % 2 != 0);
        uint32_t gone = (uint32_t)test_random_below(&random, scene.count);
        note_homes();
        set_down(gone);
        uint32_t moved = count_moved();
        CHECK(moved > 0 && moved <= most(scene.members[gone].weight, weight_sum()));
        for (uint64_t client = 0; client < CHOICES; client++) {
            CHECK(homes[client] == scene.members[gone].key || home(client) == homes[client]);
        }
        /* A second one, too: those that moved because of the first move no more than they must. */
        uint32_t second = (gone + 1) % scene.count;
        note_homes();
        set_down(second);
        for (uint64_t client = 0; client < CHOICES; client++) {
            CHECK(homes[client] == scene.members[second].key || home(client) == homes[client]);
        }
        set_up(second);
        CHECK_EQ(count_moved(), 0);
        set_up(gone);
        set_down(gone);
        CHECK_EQ(count_moved(), 0);
    }
}

TEST(clients_of_one_that_is_gone_spread_over_the_others_by_weight)
{
    scene_open(SLUICE_BALANCE_SOURCE_HASH, (uint32_t[]){5, 1, 2, 3}, 4);
    set_down(0);
    choose_many(CHOICES, false);
    check_parts((uint64_t[]){0, 1, 2, 3}, 4, 10000);
}

/* Whose a slot of the table is. */
static uint64_t slot_key(uint32_t slot)
{
    return scene.members[scene.pool.tiers[0].slots[slot]].key;
}

TEST(when_a_member_is_removed_few_others_move)
{
    static uint64_t before[1 << 17];
    static const uint32_t counts[] = {2, 3, 4, 5, 8, 9, 16, 33, 100, 200};
    uint64_t random = 3;
    for (uint32_t round = 0; round < 40; round++) {
        open_random(&random, counts[round % 10], round % 20 >= 10);
        uint32_t gone = (uint32_t)test_random_below(&random, scene.count);
        double part = (double)scene.members[gone].weight / (double)weight_sum();
        uint32_t size = scene.pool.tiers[0].slot_count;
        for (uint32_t slot = 0; slot < size; slot++) {
            before[slot] = slot_key(slot);
        }
        scene.count--;
        scene.members[gone] = scene.members[scene.count];
        scene_build();
        REQUIRE(scene.pool.tiers[0].slot_count == size);
        uint32_t moved = 0;
        for (uint32_t slot = 0; slot < size; slot++) {
            moved += before[slot] != slot_key(slot);
        }
        double beyond = (double)moved / size - part;
        if (beyond > (scene.count < 5 ? 0.003 : 0.01)) {
            TEST_FAIL("%.2f %% of clients move beyond those that must, of %u members", 100 * beyond, scene.count + 1);
        }
    }
}

TEST(a_full_member_sends_new_clients_on)
{
    scene_open(SLUICE_BALANCE_SOURCE_HASH, NULL, 3);
    uint64_t client = 99;
    uint32_t own = look_up(client);
    scene.members[own].max_active = 1;
    CHECK_EQ(choose_for(0, client), own);
    uint32_t other = look_up(client);
    CHECK(other != own);
    CHECK_EQ(look_up(client), other);
    limit_give(&scene.signals[own].active);
    CHECK_EQ(look_up(client), own);
}

TEST(a_second_attempt_goes_where_the_client_would_be_without_the_first)
{
    scene_open(SLUICE_BALANCE_SOURCE_HASH, NULL, 5);
    for (uint64_t client = 0; client < 100; client++) {
        uint32_t first = look_up(client);
        uint32_t second = choose_for(balance_tried_bit(first), client);
        set_down(first);
        CHECK_EQ(look_up(client), second);
        set_up(first);
    }
}

TEST(with_nearly_all_down_clients_still_have_a_home)
{
    scene_open(SLUICE_BALANCE_SOURCE_HASH, NULL, 1000);
    for (uint32_t i = 0; i < 998; i++) {
        set_down(i);
    }
    choose_many(CHOICES, false);
    CHECK(llabs((long long)scene.chosen[998] - CHOICES / 2) < CHOICES / 20);
    CHECK_EQ(scene.chosen[998] + scene.chosen[999], CHOICES);
    note_homes();
    CHECK_EQ(count_moved(), 0);
}

TEST(two_endpoints_of_one_key_share)
{
    scene_open(SLUICE_BALANCE_SOURCE_HASH, NULL, 3);
    scene.members[1].key = scene.members[0].key;
    scene_build();
    choose_many(CHOICES, false);
    check_parts((uint64_t[]){1, 1, 1}, 3, 10000);
}

static bool is_prime(uint32_t number)
{
    for (uint32_t i = 2; i * i <= number; i++) {
        if (number % i == 0) {
            return false;
        }
    }
    return number > 1;
}

TEST(tables_are_even)
{
    static const uint32_t counts[] = {1, 2, 4, 5, 8, 16, 33, 655, 656, 1000};
    for (uint32_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        uint32_t size = balance_maglev_size(counts[i]);
        CHECK(is_prime(size));
        CHECK(size >= 100 * counts[i]);
        scene_open(SLUICE_BALANCE_SOURCE_HASH, NULL, counts[i]);
        const struct balance_tier *tier = &scene.pool.tiers[0];
        REQUIRE(tier->slot_count == size);
        for (uint32_t slot = 0; slot < size; slot++) {
            REQUIRE(tier->slots[slot] < counts[i]);
            scene.chosen[tier->slots[slot]]++;
        }
        for (uint32_t member = 0; member < counts[i]; member++) {
            uint32_t share = size / counts[i];
            CHECK(scene.chosen[member] == share || scene.chosen[member] == share + 1);
        }
    }
    CHECK(is_prime(balance_maglev_size(BALANCE_MAX_MEMBERS)));
    CHECK(balance_maglev_size(BALANCE_MAX_MEMBERS) < UINT16_MAX * 4);
}

TEST(the_smallest_weight_has_a_slot)
{
    uint32_t weights[] = {65535, 1, 65535, 1};
    scene_open(SLUICE_BALANCE_SOURCE_HASH, weights, 4);
    const struct balance_tier *tier = &scene.pool.tiers[0];
    for (uint32_t slot = 0; slot < tier->slot_count; slot++) {
        scene.chosen[tier->slots[slot]]++;
    }
    for (uint32_t i = 0; i < 4; i++) {
        CHECK(scene.chosen[i] > 0);
    }
}
