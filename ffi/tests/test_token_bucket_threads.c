/* SPDX-License-Identifier: MIT
 * policy/token_bucket: one bucket, several threads that take at once, each with its own idea of the time. */
#include <pthread.h>

#include "token_scene.h"

#define THREADS 4u
#define ROUNDS 50000u
#define STEP_NS 100u

static struct token_rate shared_rate;
static _Atomic uint64_t shared_spent;
static _Atomic uint64_t shared_now_ns;
static _Atomic uint64_t shared_taken;

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

static void *take_at_once(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;
    uint64_t sum = 0;
    uint64_t now_ns = BASE;
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (i % 8 != 0) { /* else the time is that of the round before, as in a worker's turn */
            uint64_t step_ns = test_random_below(&random, STEP_NS);
            now_ns = atomic_fetch_add_explicit(&shared_now_ns, step_ns, memory_order_relaxed) + step_ns;
        }
        uint64_t most = 1 + test_random_below(&random, 2 * STEP_NS);
        uint64_t taken = token_take(&shared_rate, &shared_spent, now_ns, 1, most);
        CHECK(taken <= most && taken <= shared_rate.burst);
        uint64_t unused = test_random_below(&random, taken + 1);
        token_give(&shared_spent, unused);
        sum += taken - unused;
    }
    atomic_fetch_add_explicit(&shared_taken, sum, memory_order_relaxed);
    return NULL;
}

/* Threads take from one bucket while they move the time; returns the sum, with what is left at the end. */
static uint64_t race(uint64_t rate, uint64_t burst, uint64_t level)
{
    token_rate_init(&shared_rate, rate, burst, BASE);
    shared_spent = token_clock(&shared_rate, BASE) - level;
    shared_now_ns = BASE;
    shared_taken = 0;
    run_threads(take_at_once);
    return shared_taken + token_take(&shared_rate, &shared_spent, shared_now_ns, 1, UINT64_MAX);
}

/* With room for all that the rate gives meanwhile, nothing overflows: no token may be lost or made. */
static void check_race(uint64_t rate, uint64_t burst, uint64_t level)
{
    uint64_t sum = race(rate, burst, level);
    uint64_t exact = given_whole(rate, shared_now_ns - BASE);
    REQUIRE(level + exact < burst);
    CHECK_EQ(sum, level + token_clock(&shared_rate, shared_now_ns));
    CHECK(sum <= level + exact && sum + 1 >= level + exact);
}

TEST(threads_get_all_that_there_is)
{
    check_race(100000000000, UINT64_C(1) << 24, 0); /* they ask for ten times as much, or so */
    check_race(100000000000, UINT64_C(1) << 24, 1000000);
}

TEST(threads_get_what_they_ask_for_and_the_rest_is_left)
{
    check_race(1234567890123, UINT64_C(1) << 40, UINT64_C(1) << 39);
}

TEST(threads_never_get_more_than_burst_and_rate)
{
    uint64_t rate = 1234567890123;
    for (uint64_t burst = 1; burst < 5000; burst *= 7) {
        uint64_t sum = race(rate, burst, burst);
        CHECK(sum <= burst + given_whole(rate, shared_now_ns - BASE));
        CHECK(sum > 0);
    }
}

/* While the time stands still, threads take until nothing is left; then it goes on by what fills the bucket. */
#define FILLS 300u
#define FILL 16384u

static pthread_barrier_t fill_barrier;

static void *take_until_empty(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;
    for (unsigned fill = 0; fill < FILLS; fill++) {
        uint64_t now_ns = BASE + (uint64_t)fill * FILL;
        uint64_t sum = 0;
        uint64_t taken;
        pthread_barrier_wait(&fill_barrier);
        do {
            taken = token_take(&shared_rate, &shared_spent, now_ns, 1, 1 + test_random_below(&random, 4));
            sum += taken;
        } while (taken > 0);
        atomic_fetch_add_explicit(&shared_taken, sum, memory_order_relaxed);
        if (pthread_barrier_wait(&fill_barrier) == PTHREAD_BARRIER_SERIAL_THREAD) {
            CHECK_EQ(atomic_exchange(&shared_taken, 0), FILL);
        }
    }
    return NULL;
}

TEST(threads_never_overdraw)
{
    token_rate_init(&shared_rate, SPAN_NS, FILL, BASE);
    shared_spent = token_full(&shared_rate, BASE);
    shared_taken = 0;
    pthread_barrier_init(&fill_barrier, NULL, THREADS);
    run_threads(take_until_empty);
    pthread_barrier_destroy(&fill_barrier);
}
