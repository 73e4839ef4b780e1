/* SPDX-License-Identifier: MIT
 * sys/timer_wheel against a model that looks at every timer. */
#include "sys/timer_wheel.h"

#include "sys/util.h"
#include "test.h"

#define TIMERS 400u
#define NO_BUDGET UINT32_MAX

/* A timer and what the model knows of it. */
struct subject {
    struct timer timer;
    bool armed;
    uint64_t expiry_ms; /* as asked for */
    uint32_t fired;
};

struct scene {
    struct timer_wheel wheel;
    struct subject subjects[TIMERS];
    uint64_t now_ms;
    uint64_t random;
    bool rearm;           /* what fires is armed again now and then, also for the past */
    uint64_t last_fired;  /* of this turn */
    uint32_t fired_early; /* although their tick had not come */
};

static struct scene scene;

static void scene_open(uint64_t now_ms, uint64_t seed)
{
    memset(&scene, 0, sizeof scene);
    scene.now_ms = now_ms;
    scene.random = seed;
    timer_wheel_init(&scene.wheel, now_ms);
    for (unsigned i = 0; i < TIMERS; i++) {
        timer_init(&scene.subjects[i].timer);
    }
}

static void arm(struct subject *subject, uint64_t expiry_ms)
{
    timer_wheel_arm(&scene.wheel, &subject->timer, expiry_ms);
    subject->armed = true;
    subject->expiry_ms = expiry_ms;
}

static void cancel(struct subject *subject)
{
    timer_wheel_cancel(&scene.wheel, &subject->timer);
    subject->armed = false;
}

static void on_fire(struct timer *timer, void *context)
{
    struct scene *at = context;
    struct subject *subject = container_of(timer, struct subject, timer);
    CHECK(!timer_armed(timer));
    CHECK(subject->armed);
    if (subject->expiry_ms > at->now_ms) {
        at->fired_early++;
    }
    subject->armed = false;
    subject->fired++;
    if (at->rearm) {
        uint64_t choice = test_random_below(&at->random, 8);
        if (choice == 0) {
            arm(subject, at->now_ms - test_random_below(&at->random, 50)); /* for the past: with the next turn */
        } else if (choice == 1) {
            arm(subject, at->now_ms + 1 + test_random_below(&at->random, 5000));
        } else if (choice == 2) {
            cancel(&at->subjects[test_random_below(&at->random, TIMERS)]); /* perhaps one that waits in this turn */
        }
    }
}

static uint32_t turn(uint32_t budget)
{
    return timer_wheel_turn(&scene.wheel, scene.now_ms, budget, on_fire, &scene);
}

/* The model's first deadline; UINT64_MAX without one. */
static uint64_t first_deadline(void)
{
    uint64_t first = UINT64_MAX;
    for (unsigned i = 0; i < TIMERS; i++) {
        if (scene.subjects[i].armed && scene.subjects[i].expiry_ms < first) {
            first = scene.subjects[i].expiry_ms;
        }
    }
    return first;
}

static void check_against_model(bool all_fired)
{
    uint64_t armed = 0;
    for (unsigned i = 0; i < TIMERS; i++) {
        const struct subject *subject = &scene.subjects[i];
        CHECK_EQ(timer_armed(&subject->timer), subject->armed);
        armed += subject->armed;
        if (all_fired && subject->armed) {
            CHECK(subject->expiry_ms > scene.now_ms);
        }
    }
    CHECK_EQ(scene.wheel.armed, armed);
    uint64_t first = first_deadline();
    int32_t wait_ms = timer_wheel_wait_ms(&scene.wheel, scene.now_ms);
    if (first == UINT64_MAX) {
        CHECK_EQ(wait_ms, -1);
    } else {
        CHECK(wait_ms >= 0);
        CHECK(first <= scene.now_ms ? wait_ms == 0 : (uint64_t)wait_ms <= first - scene.now_ms);
    }
}

TEST(an_empty_wheel_never_wakes)
{
    scene_open(1000, 1);
    CHECK_EQ(timer_wheel_wait_ms(&scene.wheel, 1000), -1);
    scene.now_ms = 1000000;
    CHECK_EQ(turn(NO_BUDGET), 0);
    CHECK_EQ(timer_wheel_wait_ms(&scene.wheel, scene.now_ms), -1);
}

TEST(a_timer_fires_at_its_tick_and_not_before)
{
    static const uint64_t delays[] = {1, 2, 62, 63, 64, 65, 127, 128, 4095, 4096, 4097, 262143, 262144, 262145, 600000};
    static const uint64_t starts[] = {0, 1, 63, 64, 4095, 4096, 262143, 16777215, 16777216, 123456789012};
    for (unsigned s = 0; s < sizeof starts / sizeof *starts; s++) {
        for (unsigned d = 0; d < sizeof delays / sizeof *delays; d++) {
            scene_open(starts[s], 1);
            arm(&scene.subjects[0], starts[s] + delays[d]);
            scene.now_ms = starts[s] + delays[d] - 1;
            CHECK_EQ(turn(NO_BUDGET), 0);
            CHECK_EQ(timer_wheel_wait_ms(&scene.wheel, scene.now_ms), 1);
            scene.now_ms++;
            CHECK_EQ(turn(NO_BUDGET), 1);
            CHECK_EQ(scene.subjects[0].fired, 1);
        }
    }
}

TEST(following_the_wait_reaches_a_far_deadline_in_few_turns)
{
    scene_open(987654321, 1);
    uint64_t deadline = scene.now_ms + 86400000; /* a day */
    arm(&scene.subjects[0], deadline);
    unsigned turns = 0;
    while (scene.subjects[0].armed && turns < 100) {
        int32_t wait_ms = timer_wheel_wait_ms(&scene.wheel, scene.now_ms);
        CHECK(wait_ms > 0);
        scene.now_ms += (uint64_t)wait_ms;
        turn(NO_BUDGET);
        turns++;
    }
    CHECK_EQ(scene.now_ms, deadline);
    CHECK(turns <= TIMER_WHEEL_LEVELS);
}

TEST(a_tick_in_the_past_fires_with_the_next_turn_even_at_the_same_ms)
{
    scene_open(5000, 1);
    arm(&scene.subjects[0], 5000);
    arm(&scene.subjects[1], 0);
    CHECK_EQ(timer_wheel_wait_ms(&scene.wheel, 5000), 0);
    CHECK_EQ(turn(NO_BUDGET), 2);
    CHECK_EQ(turn(NO_BUDGET), 0);
}

TEST(a_timer_armed_twice_fires_once_at_the_later_word)
{
    scene_open(100, 1);
    arm(&scene.subjects[0], 200);
    arm(&scene.subjects[0], 9000);
    CHECK_EQ(scene.wheel.armed, 1);
    scene.now_ms = 8999;
    CHECK_EQ(turn(NO_BUDGET), 0);
    arm(&scene.subjects[0], 9001);
    arm(&scene.subjects[0], 9000);
    scene.now_ms = 9001;
    CHECK_EQ(turn(NO_BUDGET), 1);
    CHECK_EQ(scene.subjects[0].fired, 1);
}

TEST(cancel_leaves_no_early_wake_behind)
{
    scene_open(100, 1);
    arm(&scene.subjects[0], 150);
    arm(&scene.subjects[1], 5000000);
    cancel(&scene.subjects[0]);
    CHECK(timer_wheel_wait_ms(&scene.wheel, 100) > 50);
    cancel(&scene.subjects[1]);
    cancel(&scene.subjects[1]);
    CHECK_EQ(timer_wheel_wait_ms(&scene.wheel, 100), -1);
    CHECK_EQ(scene.wheel.armed, 0);
}

TEST(the_budget_bounds_a_turn_and_loses_nothing)
{
    scene_open(100, 1);
    for (unsigned i = 0; i < TIMERS; i++) {
        arm(&scene.subjects[i], 101 + i);
    }
    scene.now_ms = 100 + TIMERS;
    for (unsigned left = TIMERS; left > 0; left -= 50) {
        CHECK_EQ(timer_wheel_wait_ms(&scene.wheel, scene.now_ms), 0);
        CHECK_EQ(turn(50), 50);
    }
    CHECK_EQ(turn(50), 0);
    CHECK_EQ(timer_wheel_wait_ms(&scene.wheel, scene.now_ms), -1);
    for (unsigned i = 0; i < TIMERS; i++) {
        CHECK_EQ(scene.subjects[i].fired, 1);
    }
}

static void rearm_for_now(struct timer *timer, void *context)
{
    uint32_t *count = context;
    (*count)++;
    timer_wheel_arm(&scene.wheel, timer, scene.now_ms);
}

TEST(a_timer_that_arms_itself_for_now_fires_once_a_turn)
{
    scene_open(100, 1);
    uint32_t count = 0;
    timer_wheel_arm(&scene.wheel, &scene.subjects[0].timer, 100);
    for (uint32_t i = 1; i <= 10; i++) {
        CHECK_EQ(timer_wheel_turn(&scene.wheel, scene.now_ms, NO_BUDGET, rearm_for_now, &count), 1);
        CHECK_EQ(count, i);
    }
}

TEST(time_that_stands_still_or_goes_back_fires_nothing_twice)
{
    scene_open(1000, 1);
    arm(&scene.subjects[0], 1100);
    scene.now_ms = 1100;
    CHECK_EQ(turn(NO_BUDGET), 1);
    arm(&scene.subjects[1], 1101);
    scene.now_ms = 900;
    CHECK_EQ(turn(NO_BUDGET), 0);
    CHECK_EQ(scene.wheel.now_ms, 1100);
    scene.now_ms = 1101;
    CHECK_EQ(turn(NO_BUDGET), 1);
}

TEST(a_deadline_beyond_the_wheel_fires_early_never_late)
{
    scene_open(UINT64_C(1) << 40, 1);
    arm(&scene.subjects[0], UINT64_MAX);
    unsigned turns = 0;
    while (scene.subjects[0].armed && turns < 1000) {
        scene.now_ms += (uint64_t)timer_wheel_wait_ms(&scene.wheel, scene.now_ms);
        turn(NO_BUDGET);
        turns++;
    }
    CHECK_EQ(scene.fired_early, 1);
    CHECK(scene.now_ms > (UINT64_C(1) << 40) + (UINT64_C(1) << 35));
    CHECK(turns < 100);
}

/* Spans that ticks are drawn from: all levels, short ones more often. */
static uint64_t random_delay(void)
{
    uint64_t bits = test_random_below(&scene.random, 10) < 7 ? test_random_below(&scene.random, 14)
                                                             : test_random_below(&scene.random, 35);
    return test_random_below(&scene.random, (UINT64_C(1) << bits) + 1);
}

static void random_walk(uint64_t seed, uint64_t start_ms, bool rearm, bool budgets)
{
    scene_open(start_ms, seed);
    scene.rearm = rearm;
    for (unsigned step = 0; step < 3000; step++) {
        uint64_t operations = test_random_below(&scene.random, 20);
        for (uint64_t i = 0; i < operations; i++) {
            struct subject *subject = &scene.subjects[test_random_below(&scene.random, TIMERS)];
            if (test_random_below(&scene.random, 4) == 0) {
                cancel(subject);
            } else {
                arm(subject, scene.now_ms + random_delay());
            }
        }
        uint64_t choice = test_random_below(&scene.random, 10);
        if (choice < 6) {
            scene.now_ms += test_random_below(&scene.random, 3);
        } else if (choice < 8) {
            int32_t wait_ms = timer_wheel_wait_ms(&scene.wheel, scene.now_ms);
            scene.now_ms += wait_ms > 0 ? (uint64_t)wait_ms : 0;
        } else {
            scene.now_ms += random_delay();
        }
        uint32_t budget = budgets ? (uint32_t)test_random_below(&scene.random, 10) : NO_BUDGET;
        uint64_t due = 0;
        for (unsigned i = 0; i < TIMERS; i++) {
            due += scene.subjects[i].armed && scene.subjects[i].expiry_ms <= scene.now_ms;
        }
        uint32_t fired = turn(budget);
        CHECK(fired <= budget);
        if (!rearm) {
            CHECK_EQ(fired, due < budget ? due : budget);
        }
        check_against_model(!rearm && !budgets);
    }
    CHECK_EQ(scene.fired_early, 0);
}

TEST(random_walks_agree_with_the_model)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        random_walk(seed, test_random_below(&(uint64_t){seed}, UINT64_C(1) << 37), false, false);
    }
}

TEST(random_walks_with_a_budget_agree_with_the_model)
{
    random_walk(11, 12345, false, true);
    random_walk(12, (UINT64_C(1) << 36) - 1000, false, true);
}

TEST(random_walks_that_arm_and_cancel_while_firing_agree_with_the_model)
{
    random_walk(21, 777, true, false);
    random_walk(22, 0, true, true);
}
