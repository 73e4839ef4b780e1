/* SPDX-License-Identifier: MIT
 * policy/limit: a cap is exact, also when threads race for the last place. */
#include "policy/limit.h"

#include <pthread.h>

#include "test.h"

TEST(a_cap_of_zero_lets_nothing_through)
{
    _Atomic uint32_t used = 0;
    CHECK(!limit_take(&used, 0));
    CHECK_EQ(used, 0);
}

TEST(as_many_as_the_cap_and_not_one_more)
{
    _Atomic uint32_t used = 0;
    for (unsigned i = 0; i < 5; i++) {
        CHECK(limit_take(&used, 5));
    }
    CHECK(!limit_take(&used, 5));
    CHECK_EQ(used, 5);
    limit_give(&used);
    CHECK(limit_take(&used, 5));
    CHECK(!limit_take(&used, 5));
}

TEST(no_cap_at_all)
{
    _Atomic uint32_t used = 4000000000u;
    CHECK(limit_take(&used, UINT32_MAX));
    CHECK_EQ(used, 4000000001u);
}

TEST(a_cap_lowered_under_use_refuses_until_enough_are_given_back)
{
    _Atomic uint32_t used = 10;
    CHECK(!limit_take(&used, 3));
    for (unsigned i = 0; i < 8; i++) {
        limit_give(&used);
    }
    CHECK(limit_take(&used, 3));
    CHECK(!limit_take(&used, 3));
}

#define THREADS 4u
#define ROUNDS 100000u
#define CAP 3u

static _Atomic uint32_t shared_used;
static atomic_uint holders; /* counted apart from the limit itself */
static atomic_uint most_holders;
static atomic_uint taken;

static void *take_and_give(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (!limit_take(&shared_used, CAP)) {
            continue;
        }
        unsigned now = atomic_fetch_add(&holders, 1) + 1;
        unsigned most = atomic_load(&most_holders);
        while (now > most && !atomic_compare_exchange_weak(&most_holders, &most, now)) {
        }
        atomic_fetch_add(&taken, 1);
        atomic_fetch_sub(&holders, 1);
        limit_give(&shared_used);
    }
    return NULL;
}

TEST(threads_never_hold_more_than_the_cap)
{
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, take_and_give, NULL) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK_EQ(shared_used, 0);
    CHECK(most_holders <= CAP);
    CHECK(taken > ROUNDS);
}
