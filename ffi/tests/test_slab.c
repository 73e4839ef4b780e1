/* SPDX-License-Identifier: MIT
 * sys/slab against a model: an array of what is out. */
#include "sys/slab.h"

#include "test.h"

#define OBJECT_BYTES 200u
#define MOST 5000u /* objects of the model: five chunks */

struct taken {
    unsigned char *object;
    uint32_t index;
    uint32_t generation;
    unsigned char mark;
};

static struct slab slab;
static struct taken taken[MOST];

static bool take(struct taken *into, unsigned char mark)
{
    into->object = slab_take(&slab, &into->index, &into->generation);
    if (into->object == NULL) {
        return false;
    }
    CHECK((uintptr_t)into->object % 64 == 0);
    CHECK(into->generation != 0);
    for (unsigned i = 0; i < OBJECT_BYTES; i++) {
        CHECK(into->object[i] == 0);
    }
    into->mark = mark;
    memset(into->object, mark, OBJECT_BYTES);
    return true;
}

static void check_mark(const struct taken *one)
{
    CHECK(one->object[0] == one->mark && one->object[OBJECT_BYTES - 1] == one->mark);
    CHECK(slab_get(&slab, one->index, one->generation) == one->object);
}

TEST(objects_are_zeroed_aligned_and_apart)
{
    slab_init(&slab, OBJECT_BYTES);
    for (unsigned i = 0; i < 3000; i++) {
        REQUIRE(take(&taken[i], (unsigned char)i));
    }
    CHECK_EQ(slab.in_use, 3000);
    CHECK_EQ(slab.chunk_count, 3);
    CHECK(slab_bytes(&slab) >= 3 * SLAB_CHUNK_OBJECTS * OBJECT_BYTES);
    for (unsigned i = 0; i < 3000; i++) {
        check_mark(&taken[i]);
        slab_give(&slab, taken[i].index);
    }
    CHECK_EQ(slab.in_use, 0);
    slab_destroy(&slab);
    CHECK_EQ(slab_bytes(&slab), 0);
}

TEST(an_earlier_life_is_told_apart)
{
    slab_init(&slab, OBJECT_BYTES);
    REQUIRE(take(&taken[0], 1));
    slab_give(&slab, taken[0].index);
    CHECK(slab_get(&slab, taken[0].index, taken[0].generation) == NULL);
    REQUIRE(take(&taken[1], 2));
    CHECK_EQ(taken[1].index, taken[0].index); /* last in, first out */
    CHECK(taken[1].generation != taken[0].generation);
    CHECK(slab_get(&slab, taken[0].index, taken[0].generation) == NULL);
    check_mark(&taken[1]);
    slab_give(&slab, taken[1].index);
    slab_destroy(&slab);
}

TEST(a_generation_does_not_come_back_with_a_chunk_that_was_unmapped)
{
    slab_init(&slab, OBJECT_BYTES);
    for (unsigned i = 0; i < 2 * SLAB_CHUNK_OBJECTS; i++) {
        REQUIRE(take(&taken[i], 1));
    }
    struct taken last = taken[2 * SLAB_CHUNK_OBJECTS - 1];
    for (unsigned i = 0; i < 2 * SLAB_CHUNK_OBJECTS; i++) {
        slab_give(&slab, taken[i].index);
    }
    CHECK_EQ(slab.chunk_count, 1); /* the reserve */
    CHECK(slab_get(&slab, last.index, last.generation) == NULL);
    for (unsigned i = 0; i < 2 * SLAB_CHUNK_OBJECTS; i++) {
        REQUIRE(take(&taken[i], 1));
        CHECK(taken[i].generation != last.generation);
    }
    CHECK(slab_get(&slab, last.index, last.generation) == NULL);
    for (unsigned i = 0; i < 2 * SLAB_CHUNK_OBJECTS; i++) {
        slab_give(&slab, taken[i].index);
    }
    slab_destroy(&slab);
}

TEST(generations_skip_zero_when_they_wrap)
{
    slab_init(&slab, OBJECT_BYTES);
    slab.last_generation = UINT32_MAX - 1;
    REQUIRE(take(&taken[0], 1) && take(&taken[1], 2));
    CHECK_EQ(taken[0].generation, UINT32_MAX);
    CHECK_EQ(taken[1].generation, 1);
    slab_give(&slab, taken[0].index);
    slab_give(&slab, taken[1].index);
    slab_destroy(&slab);
}

TEST(any_index_and_generation_may_be_asked_for)
{
    slab_init(&slab, OBJECT_BYTES);
    REQUIRE(take(&taken[0], 1));
    static const uint32_t indexes[] = {0, 1, 1023, 1024, 4194303, 4194304, 1u << 30, UINT32_MAX - 1, UINT32_MAX};
    for (unsigned i = 0; i < sizeof indexes / sizeof *indexes; i++) {
        CHECK(slab_get(&slab, indexes[i], 0) == NULL);
        CHECK(slab_get(&slab, indexes[i], taken[0].generation + 1) == NULL);
        CHECK((slab_get(&slab, indexes[i], taken[0].generation) != NULL) == (indexes[i] == taken[0].index));
    }
    slab_give(&slab, taken[0].index);
    slab_destroy(&slab);
}

TEST(a_walk_sees_each_object_in_use_once)
{
    slab_init(&slab, OBJECT_BYTES);
    uint32_t none = 0;
    CHECK(slab_next(&slab, &none) == NULL);
    for (unsigned i = 0; i < 2500; i++) {
        REQUIRE(take(&taken[i], 1));
    }
    for (unsigned i = 0; i < 2500; i++) {
        if (i % 3 != 0) {
            slab_give(&slab, taken[i].index);
        }
    }
    uint32_t index = 0;
    unsigned seen = 0;
    for (void *object = slab_next(&slab, &index); object != NULL; index++, object = slab_next(&slab, &index)) {
        CHECK_EQ(index % 3, 0);
        CHECK(object == taken[index].object);
        seen++;
    }
    CHECK_EQ(seen, slab.in_use);
    index = UINT32_MAX;
    CHECK(slab_next(&slab, &index) == NULL);
    for (unsigned i = 0; i < 2500; i += 3) {
        slab_give(&slab, taken[i].index);
    }
    slab_destroy(&slab);
}

TEST(a_load_that_swings_around_a_chunk_keeps_it_mapped)
{
    slab_init(&slab, OBJECT_BYTES);
    for (unsigned i = 0; i < SLAB_CHUNK_OBJECTS; i++) {
        REQUIRE(take(&taken[i], 1));
    }
    for (unsigned i = 0; i < 100; i++) {
        REQUIRE(take(&taken[SLAB_CHUNK_OBJECTS], 2));
        CHECK_EQ(slab.chunk_count, 2);
        slab_give(&slab, taken[SLAB_CHUNK_OBJECTS].index);
        CHECK_EQ(slab.chunk_count, 2);
    }
    for (unsigned i = 0; i < SLAB_CHUNK_OBJECTS; i++) {
        slab_give(&slab, taken[i].index);
    }
    CHECK_EQ(slab.chunk_count, 1);
    slab_destroy(&slab);
}

TEST(random_takes_and_gives_agree_with_the_model)
{
    uint64_t random = 42;
    unsigned count = 0;
    slab_init(&slab, OBJECT_BYTES);
    for (unsigned phase = 0; phase < 12; phase++) {
        /* Phases that grow, that shrink and that swing. */
        uint64_t takes_of_ten = phase % 3 == 0 ? 8 : phase % 3 == 1 ? 2 : 5;
        for (unsigned step = 0; step < 6000; step++) {
            if (test_random_below(&random, 10) < takes_of_ten) {
                if (count < MOST) {
                    REQUIRE(take(&taken[count], (unsigned char)test_random(&random)));
                    count++;
                }
            } else if (count > 0) {
                unsigned victim = (unsigned)test_random_below(&random, count);
                check_mark(&taken[victim]);
                slab_give(&slab, taken[victim].index);
                CHECK(slab_get(&slab, taken[victim].index, taken[victim].generation) == NULL);
                taken[victim] = taken[--count];
            }
            CHECK_EQ(slab.in_use, count);
        }
        unsigned walked = 0;
        for (uint32_t index = 0; slab_next(&slab, &index) != NULL; index++) {
            walked++;
        }
        CHECK_EQ(walked, count);
    }
    while (count > 0) {
        check_mark(&taken[--count]);
        slab_give(&slab, taken[count].index);
    }
    CHECK(slab.chunk_count <= 1);
    slab_destroy(&slab);
}

TEST(a_walk_stops_when_its_budget_is_spent_and_goes_on_from_there)
{
    slab_init(&slab, OBJECT_BYTES);
    for (unsigned i = 0; i < 2500; i++) {
        REQUIRE(take(&taken[i], 1));
    }
    for (unsigned i = 0; i < 2500; i++) {
        if (i != 0 && i != 1999) {
            slab_give(&slab, taken[i].index);
        }
    }
    uint32_t index = 0;
    unsigned seen = 0;
    unsigned parts = 0;
    while (index != SLAB_NONE && parts < 100) {
        uint32_t budget = 300;
        while (slab_walk(&slab, &index, &budget) != NULL) {
            CHECK(index == 0 || index == 1999);
            index++;
            seen++;
        }
        CHECK(budget == 0 || index == SLAB_NONE);
        parts++;
    }
    CHECK_EQ(seen, 2);
    CHECK_EQ(parts, 7); /* 2,048 places in the two chunks with objects, 300 at a time; the third chunk costs nothing */
    uint32_t none = SLAB_NONE;
    uint32_t budget = 1;
    CHECK(slab_walk(&slab, &none, &budget) == NULL);
    CHECK_EQ(none, SLAB_NONE);
    CHECK_EQ(budget, 1);
    slab_give(&slab, taken[0].index);
    slab_give(&slab, taken[1999].index);
    slab_destroy(&slab);
}
