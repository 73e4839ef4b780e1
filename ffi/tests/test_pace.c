/* SPDX-License-Identifier: MIT
 * path/pace: waits for tokens fire at their tick, never before, and the loop is told how long it may sleep. */
#include "path/pace.h"

#include "path/path.h"
#include "sys/clock.h"
#include "test.h"

#define PACES 500u
#define BASE_NS UINT64_C(123456789012345)

static struct path path;
static unsigned fired;

struct waiter {
    struct pace pace;
    uint64_t due_ns; /* UINT64_MAX: waits for nothing */
    unsigned fires;
};

static struct waiter waiters[PACES];

/* Fires in its time: not before it, and no more than a tick after the turn that could have fired it. */
static void fire(struct path *on, struct pace *pace)
{
    struct waiter *waiter = container_of(pace, struct waiter, pace);
    CHECK(on == &path);
    CHECK(!timer_armed(&pace->timer));
    CHECK(waiter->due_ns <= path.now_ns);
    waiter->due_ns = UINT64_MAX;
    waiter->fires++;
    fired++;
}

static void open_path(void)
{
    memset(&path, 0, sizeof path);
    path.now_ns = BASE_NS;
    timer_wheel_init(&path.paces, path.now_ns >> PACE_TICK_SHIFT);
    fired = 0;
    for (unsigned i = 0; i < PACES; i++) {
        waiters[i] = (struct waiter){.due_ns = UINT64_MAX};
        pace_init(&waiters[i].pace, fire);
    }
}

static void wait_for(struct waiter *waiter, uint64_t wait_ns)
{
    pace_arm(&path, &waiter->pace, wait_ns);
    waiter->due_ns = add_saturating_u64(path.now_ns, wait_ns);
}

static uint64_t earliest_ns(void)
{
    uint64_t earliest = UINT64_MAX;
    for (unsigned i = 0; i < PACES; i++) {
        earliest = waiters[i].due_ns < earliest ? waiters[i].due_ns : earliest;
    }
    return earliest;
}

/* What the worker's loop does when nothing else happens: sleeps as long as it may, then turns. */
static void sleep_and_turn(void)
{
    int64_t wait_ns = pace_wait_ns(&path);
    CHECK(wait_ns >= 0);
    path.now_ns += wait_ns > 0 ? (uint64_t)wait_ns : 0;
    pace_turn(&path);
    uint64_t earliest = earliest_ns();
    CHECK(earliest == UINT64_MAX || path.now_ns < earliest + PACE_TICK_NS);
}

TEST(with_nothing_armed_the_loop_sleeps_for_ever)
{
    open_path();
    CHECK_EQ(pace_wait_ns(&path), -1);
    pace_turn(&path);
    wait_for(&waiters[0], UINT64_MAX);
    CHECK_EQ(pace_wait_ns(&path), -1);
    wait_for(&waiters[0], NS_PER_MS);
    CHECK(pace_wait_ns(&path) > 0);
    pace_cancel(&path, &waiters[0].pace);
    CHECK_EQ(pace_wait_ns(&path), -1);
    pace_cancel(&path, &waiters[0].pace);
    /* Never also takes the place of a time. */
    wait_for(&waiters[0], NS_PER_MS);
    wait_for(&waiters[0], UINT64_MAX);
    CHECK_EQ(pace_wait_ns(&path), -1);
    path.now_ns += NS_PER_S;
    pace_turn(&path);
    CHECK_EQ(fired, 0);
}

TEST(a_wait_is_over_at_the_first_tick_that_is_not_before_it)
{
    uint64_t random = 1;
    for (unsigned i = 0; i < 20000; i++) {
        open_path();
        path.now_ns += test_random_below(&random, 10 * NS_PER_S);
        uint64_t wait_ns = test_random_below(&random, UINT64_C(1) << test_random_below(&random, 42));
        wait_for(&waiters[0], wait_ns);
        uint64_t due_ns = waiters[0].due_ns;
        uint64_t tick_ns = ((due_ns >> PACE_TICK_SHIFT) + 1) << PACE_TICK_SHIFT;
        path.now_ns = due_ns > path.now_ns ? due_ns - 1 : path.now_ns;
        pace_turn(&path);
        path.now_ns = tick_ns - 1;
        pace_turn(&path);
        CHECK_EQ(fired, 0);
        path.now_ns = tick_ns;
        pace_turn(&path);
        CHECK_EQ(fired, 1);
    }
}

TEST(a_loop_that_sleeps_as_it_is_told_is_never_late)
{
    uint64_t random = 2;
    open_path();
    unsigned armed = 0;
    for (unsigned step = 0; step < 50000; step++) {
        struct waiter *waiter = &waiters[test_random_below(&random, PACES)];
        switch (test_random_below(&random, 6)) {
        case 0:
            pace_cancel(&path, &waiter->pace);
            waiter->due_ns = UINT64_MAX;
            break;
        case 1:
            path.now_ns += test_random_below(&random, NS_PER_MS); /* the turn took its time */
            pace_turn(&path);
            break;
        default:
            wait_for(waiter, test_random_below(&random, UINT64_C(1) << test_random_below(&random, 34)));
            armed++;
        }
        if (pace_wait_ns(&path) >= 0 && test_random_below(&random, 3) == 0) {
            sleep_and_turn();
        }
    }
    while (earliest_ns() != UINT64_MAX) {
        sleep_and_turn();
    }
    CHECK_EQ(pace_wait_ns(&path), -1);
    CHECK(fired > 1000 && fired <= armed);
}

/* A wheel that stood still for long, since nobody waited, does not fire what is armed then too early or too late. */
TEST(a_wheel_that_stood_still_goes_on_from_now)
{
    open_path();
    wait_for(&waiters[0], NS_PER_MS);
    while (fired == 0) {
        sleep_and_turn();
    }
    path.now_ns += 3600 * NS_PER_S;
    wait_for(&waiters[1], 2 * NS_PER_MS);
    CHECK(pace_wait_ns(&path) > 0);
    pace_turn(&path);
    CHECK_EQ(fired, 1);
    while (fired == 1) {
        sleep_and_turn();
    }
    CHECK(path.now_ns < BASE_NS + 3600 * NS_PER_S + 4 * NS_PER_MS);
}

static void fire_again(struct path *on, struct pace *pace)
{
    struct waiter *waiter = container_of(pace, struct waiter, pace);
    waiter->fires++;
    if (waiter->fires < 10) {
        pace_arm(on, pace, 0);
    }
}

/* Even who does not wait at all gives the others their turn: one fire a tick. */
TEST(who_arms_itself_as_it_fires_fires_in_the_next_tick)
{
    open_path();
    pace_init(&waiters[0].pace, fire_again);
    pace_arm(&path, &waiters[0].pace, 0);
    for (unsigned i = 1; i <= 10; i++) {
        path.now_ns += PACE_TICK_NS;
        pace_turn(&path);
        CHECK_EQ(waiters[0].fires, i);
        pace_turn(&path);
        CHECK_EQ(waiters[0].fires, i);
    }
    CHECK_EQ(pace_wait_ns(&path), -1);
}

static void fire_and_cancel(struct path *on, struct pace *pace)
{
    (void)pace;
    fired++;
    pace_cancel(on, &waiters[1].pace);
    pace_cancel(on, &waiters[2].pace);
}

/* A session that ends as another is served takes its wait with it, due as it may be. */
TEST(what_is_cancelled_by_who_fires_does_not_fire)
{
    open_path();
    for (unsigned i = 0; i < 3; i++) {
        pace_init(&waiters[i].pace, fire_and_cancel);
        pace_arm(&path, &waiters[i].pace, i == 2 ? NS_PER_S : NS_PER_MS);
    }
    path.now_ns += 2 * NS_PER_MS;
    pace_turn(&path);
    CHECK_EQ(fired, 1);
    CHECK_EQ(pace_wait_ns(&path), -1);
}

#define CROWD 9000u /* more than fire in one turn */

static struct waiter crowd[CROWD];

TEST(a_crowd_is_spread_over_turns)
{
    open_path();
    for (unsigned i = 0; i < CROWD; i++) {
        pace_init(&crowd[i].pace, fire);
        crowd[i].due_ns = path.now_ns + NS_PER_MS;
        pace_arm(&path, &crowd[i].pace, NS_PER_MS);
    }
    path.now_ns += 2 * NS_PER_MS;
    pace_turn(&path);
    CHECK(fired > 0 && fired < CROWD);
    unsigned turns = 1;
    for (; fired < CROWD && turns < 100; turns++) {
        CHECK_EQ(pace_wait_ns(&path), 0);
        pace_turn(&path);
    }
    CHECK_EQ(fired, CROWD);
    CHECK(turns <= 5);
    CHECK_EQ(pace_wait_ns(&path), -1);
    for (unsigned i = 0; i < CROWD; i++) {
        CHECK_EQ(crowd[i].fires, 1);
    }
}
