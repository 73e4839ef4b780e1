/* SPDX-License-Identifier: MIT
 * policy/balance: several threads that choose at once, while health changes. */
#include <pthread.h>

#include "balance_scene.h"

#define ALGORITHMS 6u
#define THREADS 4u
#define ROUNDS 10000u
#define CAP 3u
#define MEMBERS 5u

static atomic_uint over_the_cap;
static atomic_uint chosen_in_all;
static atomic_uint not_found;
static _Atomic uint64_t clock_ns;

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

static uint32_t choose_at_once(uint64_t *random, uint64_t tried)
{
    struct balance_request request = {.now_ns = atomic_fetch_add(&clock_ns, 1),
                                      .tried = tried,
                                      .client_hash = test_random(random),
                                      .random = test_random(random)};
    return balance_choose(&scene.pool, &request);
}

static void *choose_and_give(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t tried = test_random_below(&random, 4) == 0 ? balance_tried_bit((uint32_t)i % MEMBERS) : 0;
        uint32_t index = choose_at_once(&random, tried);
        if (index == BALANCE_NONE) {
            continue;
        }
        atomic_fetch_add(&chosen_in_all, 1);
        struct balance_signals *signals = &scene.signals[index];
        if (atomic_load(&signals->active) > scene.members[index].max_active) {
            atomic_fetch_add(&over_the_cap, 1);
        }
        balance_note_connect(signals, test_random_below(&random, 1000), clock_ns);
        switch (test_random_below(&random, 32)) {
        case 0:
            balance_set_health(signals, SLUICE_HEALTH_DOWN, clock_ns);
            break;
        case 1:
        case 2:
            balance_set_health(&scene.signals[i % MEMBERS], SLUICE_HEALTH_UP, clock_ns);
            break;
        case 3:
            atomic_store_explicit(&signals->ejected_until_ns, clock_ns + 20, memory_order_relaxed);
            break;
        default:
            break;
        }
        limit_give(&signals->active);
    }
    return NULL;
}

TEST(caps_hold_over_threads)
{
    for (uint32_t algorithm = 0; algorithm < ALGORITHMS; algorithm++) {
        scene_open(algorithm, (uint32_t[]){1, 2, 1, 5, 1}, MEMBERS);
        scene.settings.slow_start_ns = 50;
        scene.settings.panic_ppm = 300000;
        for (unsigned i = 0; i < MEMBERS; i++) {
            scene.members[i].max_active = i == 0 ? 1 : CAP;
            scene.members[i].tier = i / 3;
        }
        scene_build();
        clock_ns = BASE;
        chosen_in_all = 0;
        run_threads(choose_and_give);
        CHECK_EQ(over_the_cap, 0);
        CHECK(chosen_in_all > ROUNDS);
        for (unsigned i = 0; i < MEMBERS; i++) {
            CHECK_EQ(scene.signals[i].active, 0);
        }
    }
}

/* Every thread takes its part of all places and keeps it. */
static void *choose_and_keep(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;
    for (unsigned i = 0; i < 1000; i++) {
        if (choose_at_once(&random, 0) == BALANCE_NONE) {
            atomic_fetch_add(&not_found, 1);
        }
    }
    return NULL;
}

TEST(every_place_is_found)
{
    for (uint32_t algorithm = 0; algorithm < ALGORITHMS; algorithm++) {
        scene_open(algorithm, (uint32_t[]){1, 700, 1, 5, 1}, MEMBERS);
        for (unsigned i = 0; i < MEMBERS; i++) {
            scene.members[i].max_active = 1000 * THREADS / MEMBERS;
        }
        scene_build();
        not_found = 0;
        run_threads(choose_and_keep);
        CHECK_EQ(not_found, 0);
        for (unsigned i = 0; i < MEMBERS; i++) {
            CHECK_EQ(scene.signals[i].active, scene.members[i].max_active);
        }
    }
}

TEST(round_robin_is_exact_over_threads)
{
    scene_open(SLUICE_BALANCE_ROUND_ROBIN, (uint32_t[]){1, 2, 1, 5, 1}, MEMBERS);
    run_threads(choose_and_keep);
    for (unsigned i = 0; i < MEMBERS; i++) {
        CHECK_EQ(scene.signals[i].active, 400 * scene.members[i].weight);
    }
}
