/* SPDX-License-Identifier: MIT
 * path/overload: who is refused first when something that tenants share runs short. */
#include "path/overload.h"

#include "test.h"

/* Tenants that share `total`; each takes as much as it is let. */
struct shared {
    uint64_t total;
    uint64_t used;
    uint32_t tenants;
};

static bool take(struct shared *shared, uint64_t *mine)
{
    uint64_t left = shared->total - shared->used;
    if (left == 0 || overload_refuses(*mine, shared->total, left, shared->tenants)) {
        return false;
    }
    shared->used++;
    ++*mine;
    return true;
}

static uint64_t take_all(struct shared *shared, uint64_t *mine)
{
    while (take(shared, mine)) {
    }
    return *mine;
}

TEST(one_tenant_may_use_all)
{
    for (uint64_t total = 0; total <= 3000; total++) {
        struct shared shared = {.total = total, .tenants = 1};
        uint64_t mine = 0;
        CHECK_EQ(take_all(&shared, &mine), total);
    }
}

/* Before the first change there is no tenant; that is as good as one. */
TEST(no_tenant_is_as_one)
{
    struct shared shared = {.total = 50};
    uint64_t mine = 0;
    CHECK_EQ(take_all(&shared, &mine), 50);
}

TEST(nobody_below_its_share_is_refused)
{
    uint64_t random = 1;
    for (unsigned i = 0; i < 100000; i++) {
        uint32_t tenants = 1 + (uint32_t)test_random_below(&random, 50);
        uint64_t total = test_random_below(&random, 100000);
        uint64_t left = test_random_below(&random, total + 1);
        uint64_t share = total / tenants;
        if (share > 0) {
            CHECK(!overload_refuses(test_random_below(&random, share), total, left, tenants));
        }
    }
    /* More tenants than there is of it: the first of each still may. */
    CHECK(!overload_refuses(0, 3, 1, 10));
    CHECK(overload_refuses(1, 3, 0, 10));
}

TEST(who_has_more_is_refused_before_who_has_less)
{
    uint64_t random = 2;
    for (unsigned i = 0; i < 100000; i++) {
        uint32_t tenants = 1 + (uint32_t)test_random_below(&random, 50);
        uint64_t total = test_random_below(&random, 10000);
        uint64_t left = test_random_below(&random, total + 1);
        uint64_t mine = test_random_below(&random, total + 1);
        if (overload_refuses(mine, total, left, tenants)) {
            CHECK(overload_refuses(mine + 1 + test_random_below(&random, 10), total, left, tenants));
            CHECK(overload_refuses(mine, total, test_random_below(&random, left + 1), tenants));
        }
    }
}

/* The first may take eight ninths of all while nobody else comes; the next finds a ninth, if there are nine. */
TEST(something_is_left_for_the_others)
{
    for (uint32_t tenants = 2; tenants <= 20; tenants++) {
        for (uint64_t total = OVERLOAD_FACTOR + 1; total <= 2000; total += 13) {
            struct shared shared = {.total = total, .tenants = tenants};
            uint64_t first = 0;
            uint64_t share = total / tenants;
            uint64_t rest = total / (OVERLOAD_FACTOR + 1);
            take_all(&shared, &first);
            CHECK(first >= share);
            CHECK(first == share || total - first == rest || total - first == rest + 1);
            uint64_t second = 0;
            CHECK(take_all(&shared, &second) > 0);
        }
    }
}

/* As places come free they go to those who are below their share, until everybody has it. */
TEST(who_is_over_its_share_gives_way)
{
    for (uint32_t tenants = 2; tenants <= 20; tenants++) {
        for (uint64_t share = OVERLOAD_FACTOR; share <= 200; share += 7) {
            struct shared shared = {.total = tenants * share, .tenants = tenants};
            uint64_t first = 0;
            uint64_t second = 0;
            take_all(&shared, &first);
            take_all(&shared, &second);
            while (first > share && second < share) {
                first--;
                shared.used--;
                uint64_t before = first;
                CHECK(!take(&shared, &before));
                CHECK(take(&shared, &second));
            }
            CHECK(second >= share || first == share);
        }
    }
}
