/* SPDX-License-Identifier: MIT
 * What tests of token buckets share: a bucket with its time, random sizes, and what a rate gives in exact numbers. */
#ifndef SLUICE_TESTS_TOKEN_SCENE_H
#define SLUICE_TESTS_TOKEN_SCENE_H

#include "policy/token_bucket.h"
#include "test.h"

#define US UINT64_C(1000)
#define MS (1000 * US)
#define SECOND (1000 * MS)
#define DAY (86400 * SECOND)
#define YEAR (365 * DAY)
#define SPAN_NS (1000 * SECOND) /* rates are in tokens in so many ns */
#define BASE (123 * DAY + 456789)

typedef unsigned __int128 wide; /* tokens times SPAN_NS: what a rate gives, without rounding */

static inline wide given(uint64_t rate, uint64_t elapsed_ns)
{
    return (wide)rate * elapsed_ns;
}

static inline uint64_t given_whole(uint64_t rate, uint64_t elapsed_ns)
{
    return (uint64_t)(given(rate, elapsed_ns) / SPAN_NS);
}

/* A number of any size up to `most`: as likely of few bits as of many. */
static inline uint64_t random_size(uint64_t *random, uint64_t most)
{
    uint64_t bits = 64 - (uint64_t)__builtin_clzll(most | 1);
    uint64_t value = test_random(random) >> (64 - 1 - test_random_below(random, bits));
    return value < most ? value : most;
}

/* A bucket, full at BASE, and the time at it. */
struct scene {
    struct token_rate rate;
    _Atomic uint64_t spent;
    uint64_t now_ns;
};

static inline struct scene scene_open(uint64_t rate, uint64_t burst)
{
    struct scene scene = {.now_ns = BASE};
    token_rate_init(&scene.rate, rate, burst, BASE);
    scene.spent = token_full(&scene.rate, BASE);
    return scene;
}

static inline struct scene scene_random(uint64_t *random)
{
    return scene_open(1 + random_size(random, TOKEN_MAX_RATE - 1), 1 + random_size(random, TOKEN_MAX_BURST - 1));
}

static inline uint64_t level(const struct scene *scene)
{
    return token_level(&scene->rate, &scene->spent, scene->now_ns);
}

static inline uint64_t take(struct scene *scene, uint64_t least, uint64_t most)
{
    return token_take(&scene->rate, &scene->spent, scene->now_ns, least, most);
}

static inline uint64_t take_all(struct scene *scene)
{
    return take(scene, 1, UINT64_MAX);
}

static inline uint64_t wait_ns(const struct scene *scene, uint64_t tokens)
{
    return token_wait_ns(&scene->rate, &scene->spent, scene->now_ns, tokens);
}

/* The longest time that a bucket of this rate may stand. */
static inline uint64_t longest_idle_ns(uint64_t rate)
{
    wide ns = ((wide)INT64_MAX - TOKEN_MAX_BURST) * SPAN_NS / rate;
    return ns < 200 * YEAR ? (uint64_t)ns : 200 * YEAR;
}

#endif
