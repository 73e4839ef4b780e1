/* SPDX-License-Identifier: MIT
 * policy/retry_budget: a share of connects may be tried again, and a few always. */
#include "policy/retry_budget.h"

#include <pthread.h>

#include "test.h"

#define SECOND UINT64_C(1000000000)
#define WINDOW RETRY_BUDGET_WINDOW_NS
#define BASE (100 * WINDOW)
#define SHARE 200000u /* 20 % */

static struct retry_budget budget;

static void open_budget(unsigned connects)
{
    memset(&budget, 0, sizeof budget);
    for (unsigned i = 0; i < connects; i++) {
        retry_budget_connect(&budget, BASE);
    }
}

/* Further attempts that are let through at a moment. */
static unsigned take_all(uint32_t ppm, uint64_t now_ns)
{
    unsigned taken = 0;
    while (taken < 10000 && retry_budget_take(&budget, ppm, now_ns)) {
        taken++;
    }
    return taken;
}

TEST(a_share_of_connects_may_be_tried_again)
{
    open_budget(1000);
    CHECK_EQ(take_all(SHARE, BASE), 200);
    for (unsigned i = 0; i < 4; i++) {
        retry_budget_connect(&budget, BASE);
        CHECK(!retry_budget_take(&budget, SHARE, BASE));
    }
    retry_budget_connect(&budget, BASE);
    CHECK(retry_budget_take(&budget, SHARE, BASE)); /* the fifth one */
    CHECK(!retry_budget_take(&budget, SHARE, BASE));
}

TEST(a_few_are_always_allowed)
{
    open_budget(0);
    CHECK_EQ(take_all(SHARE, BASE), RETRY_BUDGET_LEAST);
    CHECK_EQ(take_all(SHARE, BASE + WINDOW - WINDOW / 8 - 1), 0);
    CHECK_EQ(take_all(SHARE, BASE + WINDOW), RETRY_BUDGET_LEAST);
    open_budget(10);
    CHECK_EQ(take_all(SHARE, BASE), RETRY_BUDGET_LEAST); /* 20 % would be two */
}

TEST(no_share_is_none_and_no_bound_is_all)
{
    open_budget(1000);
    CHECK_EQ(take_all(0, BASE), 0);
    CHECK_EQ(take_all(RETRY_BUDGET_UNBOUNDED, BASE), 10000);
    CHECK_EQ(take_all(SHARE, BASE), 200); /* those did not count */
    open_budget(1000);
    CHECK_EQ(take_all(1, BASE), RETRY_BUDGET_LEAST);
    open_budget(1000);
    CHECK_EQ(take_all(1000000, BASE), 1000);
}

TEST(what_is_older_than_the_window_does_not_count)
{
    open_budget(1000);
    CHECK_EQ(take_all(SHARE, BASE + WINDOW), RETRY_BUDGET_LEAST);
    open_budget(1000);
    CHECK_EQ(take_all(SHARE, BASE + WINDOW / 2), 200);
    for (unsigned i = 0; i < 1000; i++) {
        retry_budget_connect(&budget, BASE + WINDOW);
    }
    CHECK_EQ(take_all(SHARE, BASE + WINDOW), 0); /* those of half a window ago still do */
    CHECK_EQ(take_all(SHARE, BASE + WINDOW + WINDOW / 2), 200);
}

TEST(over_a_long_time_the_share_holds)
{
    uint64_t random = 4;
    unsigned connects = 0;
    unsigned retries = 0;
    open_budget(0);
    for (uint64_t now_ns = BASE; now_ns < BASE + 20 * WINDOW; now_ns += test_random_below(&random, SECOND / 10)) {
        retry_budget_connect(&budget, now_ns);
        connects++;
        retries += retry_budget_take(&budget, SHARE, now_ns); /* all of them would like to */
    }
    CHECK(retries <= connects / 5 + 20 * RETRY_BUDGET_LEAST);
    CHECK(retries >= connects * 17 / 100);
}

#define THREADS 4u

static atomic_uint taken_in_all;

static void *take_at_once(void *argument)
{
    for (unsigned i = 0; i < 20000; i++) {
        atomic_fetch_add(&taken_in_all, retry_budget_take(&budget, SHARE, BASE));
    }
    return argument;
}

TEST(threads_never_take_more)
{
    open_budget(50000);
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, take_at_once, NULL) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK_EQ(taken_in_all, 10000);
}
