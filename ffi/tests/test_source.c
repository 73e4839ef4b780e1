/* SPDX-License-Identifier: MIT
 * policy/source: what one source may take, also while its tenant's rate changes. */
#include "policy/source.h"

#include <pthread.h>
#include <sched.h>

#include "test.h"

#define TICK UINT64_C(4096)          /* ns */
#define PER_TICK UINT64_C(244140625) /* sessions in 1000 seconds, one a tick: with multiples of it times are exact */
#define NOW (TICK * UINT64_C(250000000))

static struct source_rate first_rate(uint64_t per_1000s, uint64_t burst, uint64_t now_ns)
{
    struct source_rate rate = {.generation = 1, .limited = true};
    token_rate_init_sessions(&rate.now, per_1000s, burst, now_ns);
    return rate;
}

static struct source_rate next_rate(const struct source_rate *rate, uint64_t per_1000s, uint64_t burst, uint64_t now_ns)
{
    struct source_rate next = {.before = rate->now, .generation = rate->generation + 1, .limited = true};
    token_rate_init_sessions(&next.now, per_1000s, burst, now_ns);
    return next;
}

/* Takes until none is left, or `most` are taken; returns how many. */
static uint32_t drain(struct source *source, const struct source_rate *rate, uint64_t now_ns, uint32_t most)
{
    uint32_t taken = 0;
    while (taken < most && source_take_token(source, rate, now_ns)) {
        taken++;
    }
    return taken;
}

TEST(sessions_are_taken_up_to_the_cap)
{
    struct source source = {.pins = 1};
    CHECK(source_take(&source, 2));
    CHECK(source_take(&source, 2));
    CHECK(!source_take(&source, 2));
    CHECK(source_take(&source, UINT32_MAX));
    CHECK_EQ(source.sessions, 3);
    source_give(&source);
    source_give(&source);
    CHECK(source_take(&source, 2));
    CHECK(!source_take(&source, 0));
    source_leave(&source);
    CHECK_EQ(source.pins, 0);
}

TEST(without_a_rate_there_is_no_limit)
{
    struct source source = {.pins = 1};
    struct source_rate rate = {.limited = false};
    CHECK_EQ(drain(&source, &rate, NOW, 1000), 1000);
    CHECK_EQ(source_wait_ns(&source, &rate, NOW), 0);
    source_give_token(&source, &rate);
    CHECK_EQ(source.epoch, 0);
    CHECK_EQ(source.full_ns, 0);
}

TEST(a_new_source_has_its_burst_and_then_its_rate)
{
    struct source source = {.pins = 1};
    struct source_rate rate = first_rate(2 * PER_TICK, 5, 0);
    CHECK_EQ(source_wait_ns(&source, &rate, NOW), 0);
    CHECK_EQ(drain(&source, &rate, NOW, 100), 5);
    CHECK_EQ(source_wait_ns(&source, &rate, NOW), TICK / 2);
    CHECK(!source_take_token(&source, &rate, NOW + TICK / 2 - 1));
    CHECK_EQ(drain(&source, &rate, NOW + TICK / 2, 100), 1);
    CHECK_EQ(drain(&source, &rate, NOW + 100 * TICK, 100), 5);
}

TEST(a_rate_of_none_refuses_for_ever)
{
    struct source source = {.pins = 1};
    struct source_rate rate = first_rate(0, 5, 0);
    CHECK(!source_take_token(&source, &rate, NOW));
    CHECK(source_wait_ns(&source, &rate, NOW) == TOKEN_NEVER);
}

TEST(a_token_given_back_can_be_taken_again_and_the_burst_is_not_exceeded)
{
    struct source source = {.pins = 1};
    struct source_rate rate = first_rate(PER_TICK, 3, 0);
    CHECK_EQ(drain(&source, &rate, NOW, 100), 3);
    source_give_token(&source, &rate);
    CHECK_EQ(source_wait_ns(&source, &rate, NOW), 0);
    CHECK_EQ(drain(&source, &rate, NOW, 100), 1);
    source_give_token(&source, &rate);
    CHECK_EQ(drain(&source, &rate, NOW + 10 * TICK, 100), 3);
}

TEST(it_is_known_when_the_bucket_is_full_again)
{
    struct source source = {.pins = 1};
    struct source_rate rate = first_rate(PER_TICK, 5, 0);
    CHECK(source_take_token(&source, &rate, NOW));
    CHECK_EQ(source.full_ns, NOW + TICK);
    CHECK(source_take_token(&source, &rate, NOW));
    CHECK_EQ(source.full_ns, NOW + 2 * TICK);
    CHECK(source_take_token(&source, &rate, NOW + TICK / 2));
    CHECK_EQ(source.full_ns, NOW + 3 * TICK);
    CHECK_EQ(drain(&source, &rate, NOW + TICK, 100), 3);
    CHECK_EQ(source.full_ns, NOW + 6 * TICK);
    CHECK(source_take_token(&source, &rate, NOW + 100 * TICK));
    CHECK_EQ(source.full_ns, NOW + 101 * TICK);
}

TEST(what_is_left_is_carried_over_a_change)
{
    struct source source = {.pins = 1};
    struct source_rate slow = first_rate(PER_TICK, 5, 0);
    struct source_rate quick = next_rate(&slow, 8 * PER_TICK, 50, NOW - 3 * TICK);
    struct source_rate small = next_rate(&quick, PER_TICK, 2, NOW);
    CHECK_EQ(drain(&source, &slow, NOW, 3), 3);
    CHECK(source_take_token(&source, &quick, NOW)); /* one of the two that were left */
    CHECK_EQ(source.full_ns, NOW + 49 * TICK / 8);
    CHECK_EQ(drain(&source, &quick, NOW, 100), 1);
    CHECK_EQ(source_wait_ns(&source, &quick, NOW), TICK / 8);
    uint64_t later = NOW + TICK; /* eight have come */
    CHECK_EQ(drain(&source, &small, later, 100), 2);
    CHECK_EQ(source.full_ns, later + 2 * TICK);
}

TEST(a_wait_may_be_the_first_that_comes_with_a_new_rate)
{
    struct source source = {.pins = 1};
    struct source_rate slow = first_rate(PER_TICK, 5, 0);
    struct source_rate quick = next_rate(&slow, 8 * PER_TICK, 5, NOW);
    CHECK_EQ(drain(&source, &slow, NOW, 100), 5);
    CHECK_EQ(source_wait_ns(&source, &quick, NOW), TICK / 8);
    CHECK(!source_take_token(&source, &quick, NOW));
}

TEST(over_more_than_one_change_it_starts_full)
{
    struct source source = {.pins = 1};
    struct source_rate rate = first_rate(1000, 5, 0);
    CHECK_EQ(drain(&source, &rate, NOW, 100), 5);
    struct source_rate second = next_rate(&rate, 1000, 5, NOW);
    struct source_rate third = next_rate(&second, 1000, 4, NOW);
    CHECK_EQ(drain(&source, &third, NOW, 100), 4);
    struct source_rate none = {.generation = 4, .limited = false};
    CHECK_EQ(drain(&source, &none, NOW, 10), 10);
    struct source_rate fifth = first_rate(1000, 3, NOW);
    fifth.generation = 5;
    CHECK_EQ(drain(&source, &fifth, NOW, 100), 3);
    struct source_rate last = first_rate(1000, 2, NOW);
    last.generation = SOURCE_MAX_GENERATION;
    CHECK_EQ(drain(&source, &last, NOW, 100), 2);
}

TEST(an_older_rate_takes_by_the_time_until_the_bucket_is_full)
{
    struct source source = {.pins = 1};
    struct source_rate older = first_rate(PER_TICK, 5, 0);
    struct source_rate newer = next_rate(&older, PER_TICK, 5, NOW - 7 * TICK);
    CHECK(source_take_token(&source, &older, NOW));
    CHECK_EQ(drain(&source, &newer, NOW, 2), 2); /* three are taken by now */
    CHECK_EQ(source_wait_ns(&source, &older, NOW), 0);
    CHECK_EQ(drain(&source, &older, NOW, 100), 2);
    CHECK_EQ(source_wait_ns(&source, &older, NOW), TICK);
    /* What it took is gone for the newer one too. */
    CHECK(!source_take_token(&source, &newer, NOW));
    CHECK_EQ(source_wait_ns(&source, &newer, NOW), TICK);
    source_give_token(&source, &older);
    CHECK_EQ(drain(&source, &newer, NOW, 100), 1);
    CHECK_EQ(source_wait_ns(&source, &newer, NOW), TICK);
}

TEST(an_older_rate_far_from_the_newer_does_no_harm)
{
    struct source source = {.pins = 1};
    struct source_rate older = first_rate(256 * PER_TICK, 100, 0); /* one in 16 ns */
    struct source_rate newer = next_rate(&older, PER_TICK, 3, NOW);
    struct source_rate newest = next_rate(&newer, 256 * PER_TICK, 100, NOW);
    CHECK_EQ(drain(&source, &newer, NOW, 1), 1);
    CHECK(!source_take_token(&source, &older, NOW)); /* a tick until it is full is 256 sessions of this one */
    CHECK_EQ(source_wait_ns(&source, &older, NOW), TICK - 100 * 16 + 16);
    CHECK_EQ(drain(&source, &newer, NOW, 100), 2);
    CHECK_EQ(source_wait_ns(&source, &newer, NOW), TICK);
    CHECK(!source_take_token(&source, &newest, NOW));
    CHECK_EQ(source_wait_ns(&source, &newest, NOW), 16);
    /* 1600 ns until it is full: for the slow one that is a part of a session. */
    CHECK_EQ(source.full_ns, NOW + 1600);
    CHECK_EQ(drain(&source, &newer, NOW, 100), 2);
    CHECK_EQ(source_wait_ns(&source, &newest, NOW), 3 * 16);
}

TEST(one_who_is_overtaken_by_a_change_takes_from_the_account_that_no_longer_counts)
{
    struct source source = {.pins = 1};
    struct source_rate older = first_rate(PER_TICK, 5, 0);
    struct source_rate newer = next_rate(&older, PER_TICK, 5, NOW);
    struct source_rate skipping = first_rate(PER_TICK, 5, NOW + 1000 * TICK);
    skipping.generation = 4;
    CHECK(source_take_token(&source, &older, NOW));
    _Atomic uint64_t *account = &source.spent[source.epoch & 1];
    CHECK(source_take_token(&source, &newer, NOW));
    CHECK(token_take(&older.now, account, NOW + 100 * TICK, TOKENS_A_SESSION, TOKENS_A_SESSION) > 0);
    CHECK_EQ(drain(&source, &newer, NOW, 100), 3);
    account = &source.spent[source.epoch & 1];
    CHECK(source_take_token(&source, &skipping, NOW));
    CHECK(token_take(&newer.now, account, NOW + 100 * TICK, TOKENS_A_SESSION, TOKENS_A_SESSION) > 0);
    CHECK_EQ(drain(&source, &skipping, NOW, 100), 4);
}

/* ---- Threads ------------------------------------------------------------------------------------------------- */

#define THREADS 4u

static struct source shared;
static atomic_uint total;

static void run_threads(void *(*run)(void *argument))
{
    static uint32_t indexes[THREADS];
    pthread_t threads[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        indexes[i] = i;
        CHECK(pthread_create(&threads[i], NULL, run, &indexes[i]) == 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

#define TOKENS 100000u

static struct source_rate shared_rate;

static void *take_all(void *argument)
{
    (void)argument;
    atomic_fetch_add(&total, drain(&shared, &shared_rate, NOW, TOKENS));
    return NULL;
}

TEST(threads_take_exactly_the_burst)
{
    shared = (struct source){.pins = THREADS};
    shared_rate = first_rate(PER_TICK, TOKENS, 0);
    atomic_store(&total, 0);
    run_threads(take_all);
    CHECK_EQ(total, TOKENS);
    CHECK_EQ(source_wait_ns(&shared, &shared_rate, NOW), TICK);
    CHECK_EQ(shared.full_ns, NOW + TOKENS * TICK);
}

#define CHANGES 300u
#define BURST UINT64_C(100000000)

static struct source_rate rates[CHANGES];
static atomic_uint in_force;        /* index of a rate */
static atomic_uint in_use[THREADS]; /* the newest that a thread has begun to use, as rounds make sure */
static atomic_bool done;

static void *take_and_give(void *argument)
{
    uint32_t thread = *(uint32_t *)argument;
    uint64_t random = thread;
    while (!atomic_load(&done)) {
        uint32_t newest = atomic_load(&in_force);
        atomic_store(&in_use[thread], newest);
        uint32_t age = (uint32_t)test_random_below(&random, 20);
        const struct source_rate *rate = &rates[age < 3 && age <= newest ? newest - age : newest];
        if (source_take_token(&shared, rate, NOW)) {
            source_give_token(&shared, rate);
            atomic_fetch_add(&total, 1);
        }
        (void)source_wait_ns(&shared, rate, NOW);
    }
    return NULL;
}

static void *change_rates(void *argument)
{
    if (*(uint32_t *)argument > 0) {
        return take_and_give(argument);
    }
    for (uint32_t i = 1; i < CHANGES; i++) {
        atomic_store(&in_force, i);
        atomic_store(&in_use[0], i);
        unsigned before = atomic_load(&total);
        for (uint32_t thread = 0; thread < THREADS; thread++) {
            while (atomic_load(&in_use[thread]) < i) {
                sched_yield();
            }
        }
        while (atomic_load(&total) - before < 50) {
            sched_yield();
        }
    }
    atomic_store(&done, true);
    return NULL;
}

TEST(threads_take_and_give_while_the_rate_changes)
{
    /* Clocks that differ by far more than all that is taken: to take one for the other would show. */
    uint64_t random = 5;
    rates[0] = first_rate(1000, BURST, 0);
    for (uint32_t i = 1; i < CHANGES; i++) {
        uint64_t per_1000s = 1 + test_random_below(&random, TOKEN_MAX_RATE / TOKENS_A_SESSION);
        rates[i] = next_rate(&rates[i - 1], per_1000s, BURST, test_random_below(&random, NOW));
    }
    shared = (struct source){.pins = THREADS};
    atomic_store(&total, 0);
    atomic_store(&in_force, 0);
    atomic_store(&done, false);
    for (uint32_t i = 0; i < THREADS; i++) {
        atomic_store(&in_use[i], 0);
    }
    run_threads(change_rates);
    const struct source_rate *last = &rates[CHANGES - 1];
    CHECK_EQ(source_wait_ns(&shared, last, NOW), 0);
    CHECK_EQ(shared.epoch >> 1, CHANGES);
    /* A change may lose what a session costs for each thread that is in the middle of something, or give it that. */
    uint64_t sessions = token_level(&last->now, &shared.spent[shared.epoch & 1], NOW) / TOKENS_A_SESSION;
    CHECK(sessions >= BURST - CHANGES * THREADS && sessions <= BURST);
}
