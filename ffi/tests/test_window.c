/* SPDX-License-Identifier: MIT
 * policy/window: what counts within a sliding window, and counting by several threads. */
#include "policy/window.h"

#include <pthread.h>

#include "test.h"

#define LENGTH UINT64_C(8000)
#define EIGHTH (LENGTH / 8)
#define BASE (LENGTH * 1000)

static struct window window;

static uint64_t sum_at(uint64_t now_ns)
{
    return window_sum(&window, LENGTH, now_ns);
}

TEST(what_is_older_than_the_window_does_not_count)
{
    uint64_t random = 1;
    for (unsigned round = 0; round < 1000; round++) {
        window_clear(&window);
        uint64_t at_ns = BASE + test_random_below(&random, LENGTH);
        window_add(&window, LENGTH, at_ns);
        CHECK_EQ(sum_at(at_ns), 1);
        CHECK_EQ(sum_at(at_ns + LENGTH - EIGHTH), 1);
        CHECK_EQ(sum_at(at_ns + LENGTH), 0);
        CHECK_EQ(sum_at(at_ns + 1000 * LENGTH), 0);
    }
}

TEST(sums_are_between_seven_eighths_and_all_of_the_window)
{
    static uint64_t times[4000];
    uint64_t random = 2;
    uint64_t now_ns = BASE;
    window_clear(&window);
    for (unsigned i = 0; i < 4000; i++) {
        now_ns += test_random_below(&random, i % 100 == 0 ? 2 * LENGTH : 100);
        times[i] = now_ns;
        window_add(&window, LENGTH, now_ns);
        uint64_t least = 0;
        uint64_t most = 0;
        for (unsigned j = 0; j <= i; j++) {
            least += now_ns - times[j] <= LENGTH - EIGHTH;
            most += now_ns - times[j] < LENGTH;
        }
        CHECK(sum_at(now_ns) >= least && sum_at(now_ns) <= most);
    }
}

TEST(a_clock_that_is_behind_counts_into_the_eighth_before)
{
    window_clear(&window);
    window_add(&window, LENGTH, BASE);
    window_add(&window, LENGTH, BASE - 1);
    CHECK_EQ(sum_at(BASE), 2);
    CHECK_EQ(sum_at(BASE - 1), 1);
}

TEST(a_new_length_starts_nearly_empty_and_then_counts)
{
    window_clear(&window);
    for (unsigned i = 0; i < 8; i++) {
        window_add(&window, LENGTH, BASE + i * EIGHTH);
    }
    uint64_t now_ns = BASE + LENGTH;
    CHECK_EQ(window_sum(&window, 10 * LENGTH, now_ns), 0); /* its numbers are lower */
    for (unsigned i = 0; i < 8; i++) {
        window_add(&window, 10 * LENGTH, now_ns);
    }
    CHECK_EQ(window_sum(&window, 10 * LENGTH, now_ns), 8);
    window_add(&window, 0, now_ns); /* no window at all is one of a nanosecond or so */
    CHECK_EQ(window_sum(&window, 0, now_ns), 1);
    CHECK_EQ(window_sum(&window, 0, now_ns + 8), 0);
}

TEST(a_limit_is_kept_while_the_window_slides)
{
    uint64_t random = 3;
    static uint64_t times[20000];
    unsigned count = 0;
    window_clear(&window);
    for (uint64_t now_ns = BASE; now_ns < BASE + 20 * LENGTH; now_ns += test_random_below(&random, 50)) {
        if (window_add_below(&window, LENGTH, now_ns, 10)) {
            times[count++] = now_ns;
        }
        unsigned recent = 0;
        for (unsigned i = count; i > 0 && now_ns - times[i - 1] <= LENGTH - EIGHTH; i--) {
            recent++;
        }
        CHECK(recent <= 10);
    }
    CHECK(count >= 200); /* ten for each window, as soon as there is room */
}

#define THREADS 4u
#define ROUNDS 20000u

static atomic_uint counted;

static void run_threads(void *(*run)(void *))
{
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, run, NULL) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void *add_many(void *argument)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        window_add(&window, LENGTH, BASE + i * EIGHTH * 8 / ROUNDS);
    }
    return argument;
}

static void *add_below(void *argument)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        atomic_fetch_add(&counted, window_add_below(&window, LENGTH, BASE + (i & 1), ROUNDS + 7));
    }
    return argument;
}

TEST(threads_count_all_and_never_beyond_a_limit)
{
    window_clear(&window);
    run_threads(add_many);
    CHECK_EQ(sum_at(BASE + LENGTH - 1), THREADS * ROUNDS);
    window_clear(&window);
    run_threads(add_below);
    CHECK_EQ(counted, ROUNDS + 7);
    CHECK_EQ(sum_at(BASE), ROUNDS + 7);
}
