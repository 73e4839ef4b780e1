/* SPDX-License-Identifier: MIT
 * What tests of balancing share: a pool with all that it points to, a clock that stands, and counts of choices. */
#ifndef SLUICE_TESTS_BALANCE_SCENE_H
#define SLUICE_TESTS_BALANCE_SCENE_H

#include <stdlib.h>

#include "policy/balance.h"
#include "policy/limit.h"
#include "test.h"

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)
#define BASE (1000 * SECOND)
#define MOST 1024u
#define CHOICES 10000u

struct scene {
    struct balance_pool pool;
    struct balance_member members[MOST];
    uint32_t count;
    struct balance_settings settings;
    struct balance_signals signals[MOST];
    struct balance_shared shared;
    void *memory;
    uint64_t now_ns;
    uint64_t random;
    uint32_t chosen[MOST];
};

static struct scene scene;

/* Builds the pool anew of the members as they are. */
static inline void scene_build(void)
{
    free(scene.memory);
    void *scratch = malloc(balance_scratch_bytes(scene.count));
    size_t bytes = balance_bytes(scene.members, scene.count, scene.settings.algorithm, scratch);
    scene.memory = malloc(bytes == 0 ? 1 : bytes); /* exact, so that AddressSanitizer sees what is beyond */
    balance_build(&scene.pool, scene.members, scene.count, &scene.settings, &scene.shared, scene.memory, scratch);
    free(scratch);
}

/* A pool of `count` members; weights NULL: 1 each. */
static inline void scene_open(uint32_t algorithm, const uint32_t *weights, uint32_t count)
{
    free(scene.memory);
    memset(&scene, 0, sizeof scene);
    scene.settings.algorithm = algorithm;
    scene.now_ns = BASE;
    scene.random = 42;
    scene.count = count;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t seed = i;
        scene.members[i] = (struct balance_member){.signals = &scene.signals[i],
                                                   .key = test_random(&seed),
                                                   .max_active = UINT32_MAX,
                                                   .weight = weights == NULL ? 1 : weights[i],
                                                   .usable = true};
    }
    scene_build();
}

static inline uint32_t choose_for(uint64_t tried, uint64_t client)
{
    struct balance_request request = {
        .now_ns = scene.now_ns, .tried = tried, .client_hash = client, .random = test_random(&scene.random)};
    return balance_choose(&scene.pool, &request);
}

static inline uint32_t choose(uint64_t tried)
{
    return choose_for(tried, test_random(&scene.random));
}

/* Where a client is sent; its place is given back. */
static inline uint32_t look_up(uint64_t client)
{
    uint32_t index = choose_for(0, client);
    if (index != BALANCE_NONE) {
        limit_give(&scene.members[index].signals->active);
    }
    return index;
}

/* Makes choices, each by another client, and counts them in scene.chosen; with `keep` they all stay. */
static inline void choose_many(uint32_t choices, bool keep)
{
    memset(scene.chosen, 0, sizeof scene.chosen);
    for (uint32_t i = 0; i < choices; i++) {
        uint32_t index = choose_for(0, i);
        if (index == BALANCE_NONE) {
            continue;
        }
        scene.chosen[index]++;
        if (!keep) {
            limit_give(&scene.members[index].signals->active);
        }
    }
}

/* Checks that of CHOICES choices each member got its part, to within `ppm` of all. */
static inline void check_parts(const uint64_t *parts, uint32_t count, uint32_t ppm)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        sum += parts[i];
    }
    for (uint32_t i = 0; i < count; i++) {
        int64_t exact = (int64_t)(parts[i] * CHOICES / sum);
        int64_t off = llabs((long long)scene.chosen[i] - exact);
        if (off > (int64_t)CHOICES * ppm / 1000000) {
            TEST_FAIL("algorithm %u: member %u got %u of %u choices, expected %lld", scene.settings.algorithm, i,
                      scene.chosen[i], CHOICES, (long long)exact);
        }
    }
}

static inline void set_down(uint32_t index)
{
    balance_set_health(&scene.signals[index], SLUICE_HEALTH_DOWN, scene.now_ns);
}

static inline void set_up(uint32_t index)
{
    balance_set_health(&scene.signals[index], SLUICE_HEALTH_UP, scene.now_ns);
}

static inline void eject(uint32_t index, uint64_t for_ns)
{
    scene.signals[index].ejected_until_ns = scene.now_ns + for_ns;
}

#endif
