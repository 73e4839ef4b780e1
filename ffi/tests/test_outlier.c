/* SPDX-License-Identifier: MIT
 * policy/outlier: when an endpoint is ejected, for how long, and how many at once. */
#include "policy/outlier.h"

#include <pthread.h>

#include "balance_scene.h"

#define FAILURES 5u
#define WINDOW (10 * SECOND)
#define EJECT (30 * SECOND)
#define HALF 500000u

static struct outlier outliers[MOST];
static struct outlier_backend backend;
static struct outlier_settings settings;

static void open_endpoints(uint32_t count, uint32_t max_ejected_ppm)
{
    scene_open(SLUICE_BALANCE_ROUND_ROBIN, NULL, count);
    memset(outliers, 0, sizeof outliers);
    memset(&backend, 0, sizeof backend);
    settings = (struct outlier_settings){
        .failures = FAILURES, .max_ejected_ppm = max_ejected_ppm, .window_ns = WINDOW, .eject_ns = EJECT};
}

static enum outlier_event fail(uint32_t index)
{
    return outlier_failed(&settings, &backend, &scene.pool, index, &outliers[index], scene.now_ns);
}

/* As many failures as eject an endpoint; the event of the last. */
static enum outlier_event fail_all(uint32_t index)
{
    for (unsigned i = 1; i < FAILURES; i++) {
        CHECK_EQ(fail(index), OUTLIER_NONE);
    }
    return fail(index);
}

static bool is_ejected(uint32_t index)
{
    return balance_is_ejected(&scene.signals[index], scene.now_ns);
}

static enum outlier_event look(uint32_t index)
{
    return outlier_look(&outliers[index], scene.now_ns);
}

TEST(an_endpoint_is_ejected_at_the_last_failure_and_comes_back_by_itself)
{
    open_endpoints(2, HALF);
    CHECK_EQ(fail_all(0), OUTLIER_EJECTED);
    CHECK(is_ejected(0) && !is_ejected(1));
    CHECK_EQ(choose(0), 1);
    CHECK_EQ(choose(0), 1);
    CHECK_EQ(look(0), OUTLIER_NONE);
    scene.now_ns += EJECT - 1;
    CHECK(is_ejected(0));
    CHECK_EQ(look(0), OUTLIER_NONE);
    scene.now_ns++;
    CHECK(!is_ejected(0));
    CHECK_EQ(look(0), OUTLIER_ENDED);
    CHECK_EQ(look(0), OUTLIER_NONE); /* told once */
    CHECK_EQ(fail(0), OUTLIER_NONE); /* counts from nothing */
}

TEST(only_failures_within_the_window_count)
{
    open_endpoints(2, HALF);
    for (unsigned i = 0; i < 100; i++) {
        CHECK_EQ(fail(0), OUTLIER_NONE);
        scene.now_ns += WINDOW / (FAILURES - 1);
    }
    /* A little faster, and it is ejected. */
    unsigned ejected = 0;
    for (unsigned i = 0; i < 2 * FAILURES; i++) {
        ejected += fail(0) == OUTLIER_EJECTED;
        scene.now_ns += WINDOW / (FAILURES + 1);
    }
    CHECK_EQ(ejected, 1);
}

TEST(the_first_end_of_an_ejection_is_known)
{
    open_endpoints(4, HALF);
    CHECK_EQ(outlier_wait_ns(&scene.pool, scene.now_ns), UINT64_MAX);
    CHECK_EQ(fail_all(0), OUTLIER_EJECTED);
    scene.now_ns += EJECT / 4;
    CHECK_EQ(fail_all(1), OUTLIER_EJECTED);
    CHECK_EQ(outlier_wait_ns(&scene.pool, scene.now_ns), EJECT - EJECT / 4);
    scene.now_ns += EJECT - EJECT / 4;
    CHECK_EQ(outlier_wait_ns(&scene.pool, scene.now_ns), EJECT / 4);
}

TEST(an_ejection_ends_with_its_setting)
{
    open_endpoints(2, HALF);
    CHECK_EQ(fail_all(0), OUTLIER_EJECTED);
    CHECK_EQ(outlier_reset(&outliers[0], &scene.signals[0]), OUTLIER_ENDED);
    CHECK_EQ(outlier_reset(&outliers[0], &scene.signals[0]), OUTLIER_NONE); /* told once */
    CHECK_EQ(outlier_reset(&outliers[1], &scene.signals[1]), OUTLIER_NONE); /* never was */
    CHECK(!is_ejected(0));
    CHECK_EQ(look(0), OUTLIER_NONE);
    CHECK_EQ(fail_all(0), OUTLIER_EJECTED); /* the first one again, for eject_for only */
    scene.now_ns += EJECT;
    CHECK(!is_ejected(0));
}

TEST(without_a_setting_none_is_ejected)
{
    open_endpoints(2, HALF);
    settings.failures = 0;
    for (unsigned i = 0; i < 100; i++) {
        CHECK_EQ(fail(0), OUTLIER_NONE);
    }
    open_endpoints(2, 0);
    for (unsigned i = 0; i < 100; i++) {
        CHECK_EQ(fail(0), OUTLIER_NONE);
    }
    CHECK(!is_ejected(0));
}

TEST(late_failures_of_an_ejected_one_do_not_count)
{
    open_endpoints(2, HALF);
    CHECK_EQ(fail_all(0), OUTLIER_EJECTED);
    for (unsigned i = 0; i < 100; i++) {
        CHECK_EQ(fail(0), OUTLIER_NONE);
    }
    scene.now_ns += EJECT;
    CHECK_EQ(look(0), OUTLIER_ENDED);
    CHECK_EQ(fail_all(0), OUTLIER_EJECTED);
}

/* Ejects again as soon as the last ejection is over; returns how long it lasts. */
static uint64_t eject_again(void)
{
    scene.now_ns = scene.signals[0].ejected_until_ns > scene.now_ns ? scene.signals[0].ejected_until_ns : scene.now_ns;
    look(0);
    CHECK_EQ(fail_all(0), OUTLIER_EJECTED);
    return scene.signals[0].ejected_until_ns - scene.now_ns;
}

TEST(each_ejection_lasts_twice_as_long_up_to_ten_times)
{
    open_endpoints(2, HALF);
    static const uint64_t times[] = {1, 2, 4, 8, 10, 10, 10};
    for (unsigned i = 0; i < 7; i++) {
        CHECK_EQ(eject_again(), EJECT * times[i]);
    }
}

TEST(ejections_are_forgotten_one_by_one)
{
    open_endpoints(2, HALF);
    for (unsigned i = 0; i < 3; i++) {
        eject_again();
    }
    scene.now_ns = scene.signals[0].ejected_until_ns + 2 * EJECT;
    CHECK_EQ(eject_again(), 2 * EJECT); /* one of three is left, this is the second */
    scene.now_ns = scene.signals[0].ejected_until_ns + EJECT - 1;
    CHECK_EQ(eject_again(), 4 * EJECT);
    scene.now_ns = scene.signals[0].ejected_until_ns + 1000 * EJECT;
    CHECK_EQ(eject_again(), EJECT);
    settings.eject_ns = SECOND; /* shorter than the window: then that is the measure */
    for (unsigned i = 0; i < 3; i++) {
        eject_again();
    }
    scene.now_ns = scene.signals[0].ejected_until_ns + WINDOW - 1;
    CHECK_EQ(eject_again(), 10 * SECOND);
}

TEST(no_more_than_a_share_is_ejected_at_once)
{
    static const struct {
        uint32_t count, ppm, most;
    } cases[] = {
        {2, HALF, 1}, {3, HALF, 1}, {4, HALF, 2}, {10, 300000, 3}, {10, 1, 1}, {5, 1000000, 5}, {2, 1000000, 2},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        open_endpoints(cases[i].count, cases[i].ppm);
        uint32_t ejected = 0;
        for (uint32_t index = 0; index < cases[i].count; index++) {
            for (unsigned j = 0; j < 3 * FAILURES; j++) {
                ejected += fail(index) == OUTLIER_EJECTED;
            }
        }
        CHECK_EQ(ejected, cases[i].most);
        /* When those are back, the next may go; nobody need have been told. */
        scene.now_ns += EJECT;
        uint32_t last = cases[i].count - 1;
        CHECK(!is_ejected(last));
        unsigned again = 0;
        for (unsigned j = 0; j < 3 * FAILURES; j++) {
            again += fail(last) == OUTLIER_EJECTED;
        }
        CHECK_EQ(again, 1);
    }
}

TEST(the_only_endpoint_is_never_ejected)
{
    open_endpoints(1, 1000000);
    for (unsigned i = 0; i < 100; i++) {
        CHECK_EQ(fail(0), OUTLIER_NONE);
    }
    open_endpoints(3, 1000000);
    scene.members[1].usable = false; /* only one is left by the operator */
    scene.members[2].weight = 0;
    scene_build();
    for (unsigned i = 0; i < 100; i++) {
        CHECK_EQ(fail(0), OUTLIER_NONE);
        CHECK_EQ(fail(1), OUTLIER_NONE);
    }
    CHECK_EQ(choose(0), 0);
}

TEST(an_end_that_nobody_was_told_of_is_told_before_the_next_ejection)
{
    open_endpoints(2, HALF);
    CHECK_EQ(fail_all(0), OUTLIER_EJECTED);
    scene.now_ns += EJECT;
    CHECK_EQ(fail(0), OUTLIER_ENDED);
    for (unsigned i = 2; i < FAILURES; i++) {
        CHECK_EQ(fail(0), OUTLIER_NONE);
    }
    CHECK_EQ(fail(0), OUTLIER_EJECTED);
    settings.failures = 0; /* turned off meanwhile: the end is still told */
    scene.now_ns += 2 * EJECT;
    CHECK_EQ(fail(0), OUTLIER_ENDED);
}

#define THREADS 4u
#define ENDPOINTS 10u

#define LASTS (10 * MS) /* every ejection of the test with threads */

static atomic_uint events[3];
static _Atomic uint64_t clock_ns;
static _Atomic uint64_t ejected_at_ns[10000]; /* by events[OUTLIER_EJECTED] */

static void run_threads(void *(*run)(void *))
{
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, run, (void *)(uintptr_t)(i + 1)) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void *fail_at_once(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t now_ns = atomic_fetch_add(&clock_ns, 10000) + 10000;
        uint32_t index = (uint32_t)test_random_below(&random, ENDPOINTS);
        enum outlier_event event =
            i % 3 == 0 ? outlier_look(&outliers[index], now_ns)
                       : outlier_failed(&settings, &backend, &scene.pool, index, &outliers[index], now_ns);
        unsigned before = atomic_fetch_add(&events[event], 1);
        if (event == OUTLIER_EJECTED) {
            ejected_at_ns[before] = now_ns;
        }
    }
    return NULL;
}

TEST(threads_eject_no_more_than_the_share_and_tell_each_end_once)
{
    open_endpoints(ENDPOINTS, 300000);
    settings.eject_ns = LASTS / 10;
    for (uint32_t i = 0; i < ENDPOINTS; i++) {
        outliers[i].ejections = 100; /* so that each is as long as it gets */
        scene.signals[i].ejected_until_ns = BASE;
    }
    clock_ns = BASE;
    run_threads(fail_at_once);
    unsigned count = events[OUTLIER_EJECTED];
    CHECK(count > 10);
    for (unsigned i = 0; i < count; i++) {
        unsigned at_once = 0;
        for (unsigned j = 0; j < count; j++) {
            at_once += ejected_at_ns[j] <= ejected_at_ns[i] && ejected_at_ns[i] < ejected_at_ns[j] + LASTS;
        }
        CHECK(at_once <= 3);
    }
    unsigned untold = 0;
    for (uint32_t i = 0; i < ENDPOINTS; i++) {
        untold += outlier_look(&outliers[i], UINT64_MAX) == OUTLIER_ENDED;
    }
    CHECK_EQ(count, events[OUTLIER_ENDED] + untold);
}

static void *fail_the_same(void *argument)
{
    uint32_t index = (uint32_t)(uintptr_t)argument % 2;
    for (unsigned i = 0; i < 1000; i++) {
        enum outlier_event event = outlier_failed(&settings, &backend, &scene.pool, index, &outliers[index], BASE);
        atomic_fetch_add(&events[event], 1);
    }
    return NULL;
}

TEST(threads_that_find_two_bad_eject_one)
{
    for (unsigned round = 0; round < 50; round++) {
        open_endpoints(2, HALF);
        events[OUTLIER_EJECTED] = 0;
        run_threads(fail_the_same);
        CHECK_EQ(events[OUTLIER_EJECTED], 1);
        CHECK(balance_is_ejected(&scene.signals[0], BASE) != balance_is_ejected(&scene.signals[1], BASE));
    }
}
