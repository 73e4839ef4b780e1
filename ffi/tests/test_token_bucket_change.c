/* SPDX-License-Identifier: MIT
 * policy/token_bucket: what a bucket keeps when its rate changes. */
#include "token_scene.h"

/* A random scene that has run for a while, with any level. */
static struct scene scene_used(uint64_t *random)
{
    struct scene scene = scene_random(random);
    scene.now_ns += random_size(random, 10 * DAY);
    take(&scene, 1, 1 + random_size(random, scene.rate.burst));
    scene.now_ns += random_size(random, MS);
    return scene;
}

TEST(a_change_of_rate_keeps_the_level_up_to_the_new_burst)
{
    uint64_t random = 8;
    for (unsigned i = 0; i < 50000; i++) {
        struct scene from = scene_used(&random);
        struct scene to = scene_random(&random);
        to.now_ns = from.now_ns;
        if (test_random_below(&random, 2) == 0) {
            token_rate_init(&to.rate, to.rate.rate, to.rate.burst, from.now_ns); /* made just now, or before */
        }
        to.spent = token_carry(&from.rate, from.spent, &to.rate, from.now_ns);
        uint64_t kept = level(&from) < to.rate.burst ? level(&from) : to.rate.burst;
        CHECK_EQ(level(&to), kept);
        CHECK_EQ(token_clock(&to.rate, to.now_ns) - to.spent, kept); /* not more, that would hide a debt */
        uint64_t step_ns = random_size(&random, DAY);
        to.now_ns += step_ns;
        wide filled = kept + given(to.rate.rate, step_ns) / SPAN_NS;
        uint64_t most = filled < to.rate.burst ? (uint64_t)filled : to.rate.burst;
        CHECK(level(&to) + 1 >= most && level(&to) <= (most < to.rate.burst ? most + 1 : most));
    }
}

TEST(a_change_of_rate_keeps_a_debt)
{
    uint64_t random = 9;
    for (unsigned i = 0; i < 50000; i++) {
        struct scene from = scene_used(&random);
        struct scene to = scene_random(&random);
        uint64_t debt = random_size(&random, TOKEN_MAX_BURST);
        to.now_ns = from.now_ns;
        take_all(&from);
        from.spent += debt;
        to.spent = token_carry(&from.rate, from.spent, &to.rate, from.now_ns);
        CHECK_EQ(level(&to), 0);
        token_give(&to.spent, debt);
        CHECK_EQ(level(&to), 0);
        token_give(&to.spent, 1);
        CHECK_EQ(level(&to), 1);
    }
}

TEST(a_change_from_and_to_nothing)
{
    struct scene none = scene_open(0, 100);
    struct scene some = scene_open(SPAN_NS, 100);
    none.now_ns = some.now_ns += DAY;
    some.spent = token_carry(&none.rate, none.spent, &some.rate, some.now_ns);
    CHECK_EQ(level(&some), 0);
    some.now_ns += 30;
    CHECK_EQ(level(&some), 30);
    none.spent = token_carry(&some.rate, some.spent, &none.rate, some.now_ns);
    none.now_ns += DAY;
    CHECK_EQ(level(&none), 0);
}

/* Random takes from a scene; returns their sum. `full` is set when one found it full. */
static uint64_t take_some(uint64_t *random, struct scene *scene, uint64_t step_ns, bool *full)
{
    uint64_t sum = 0;
    for (uint64_t i = test_random_below(random, 6); i > 0; i--) {
        scene->now_ns += random_size(random, step_ns);
        *full = *full || level(scene) == scene->rate.burst;
        uint64_t taken = take(scene, 1, 1 + random_size(random, scene->rate.burst));
        uint64_t unused = random_size(random, taken);
        token_give(&scene->spent, unused);
        sum += taken - unused;
    }
    return sum;
}

TEST(takes_between_two_looks_are_told)
{
    uint64_t random = 10;
    unsigned exact = 0;
    for (unsigned i = 0; i < 50000; i++) {
        struct scene scene = scene_used(&random);
        scene.now_ns += random_size(&random, longest_idle_ns(scene.rate.rate) / 2);
        take(&scene, 1, random_size(&random, scene.rate.burst));
        scene.now_ns += random_size(&random, SECOND);
        uint64_t first_ns = scene.now_ns;
        uint64_t before = scene.spent;
        bool full = false;
        uint64_t sum = take_some(&random, &scene, random_size(&random, 10 * MS), &full);
        uint64_t most = token_taken(&scene.rate, before, scene.spent, first_ns);
        uint64_t least = token_taken(&scene.rate, before, scene.spent, scene.now_ns);
        CHECK(least <= sum && sum <= most);
        CHECK(most <= sum + token_clock(&scene.rate, scene.now_ns) - token_clock(&scene.rate, first_ns));
        if (!full) {
            exact++;
            CHECK_EQ(most, sum);
        }
    }
    CHECK(exact > 5000);
}
