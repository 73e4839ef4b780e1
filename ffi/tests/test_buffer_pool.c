/* SPDX-License-Identifier: MIT
 * sys/buffer_pool: classes, alignment of what it accounts for, and patterns of taking and giving. */
#include "sys/buffer_pool.h"

#include "test.h"

#define ARENA_BYTES (UINT64_C(1) << 20)
#define MOST 1200u

struct taken {
    unsigned char *buffer;
    uint32_t capacity;
    unsigned char mark;
};

static struct taken taken[MOST];

static bool take(struct buffer_pool *pool, struct taken *into, uint32_t bytes, unsigned char mark)
{
    into->buffer = buffer_pool_take(pool, bytes, &into->capacity);
    if (into->buffer == NULL) {
        return false;
    }
    into->mark = mark;
    memset(into->buffer, mark, into->capacity);
    return true;
}

static void give(struct buffer_pool *pool, struct taken *one)
{
    CHECK(one->buffer[0] == one->mark && one->buffer[one->capacity / 2] == one->mark &&
          one->buffer[one->capacity - 1] == one->mark);
    buffer_pool_give(pool, one->buffer);
    one->buffer = NULL;
}

TEST(the_smallest_class_that_holds_the_bytes)
{
    static const struct {
        uint32_t bytes;
        uint32_t capacity;
    } rows[] = {{1, BUFFER_SMALL},      {4095, BUFFER_SMALL},  {4096, BUFFER_SMALL},  {4097, BUFFER_MEDIUM},
                {16384, BUFFER_MEDIUM}, {16385, BUFFER_LARGE}, {65535, BUFFER_LARGE}, {65536, BUFFER_LARGE}};
    struct buffer_pool pool;
    buffer_pool_init(&pool);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        REQUIRE(take(&pool, &taken[0], rows[i].bytes, 7));
        CHECK_EQ(taken[0].capacity, rows[i].capacity);
        CHECK_EQ(pool.bytes_used, rows[i].capacity);
        give(&pool, &taken[0]);
        CHECK_EQ(pool.bytes_used, 0);
    }
    buffer_pool_destroy(&pool);
    CHECK_EQ(pool.bytes_mapped, 0);
}

TEST(nothing_is_mapped_before_the_first_buffer)
{
    struct buffer_pool pool;
    buffer_pool_init(&pool);
    CHECK_EQ(pool.bytes_mapped, 0);
    buffer_pool_destroy(&pool);
}

TEST(an_arena_serves_all_its_places_and_one_empty_arena_stays)
{
    static const struct {
        uint32_t bytes;
        unsigned places; /* of an arena: its head takes one */
    } rows[] = {{BUFFER_SMALL, 255}, {BUFFER_MEDIUM, 63}, {BUFFER_LARGE, 15}};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buffer_pool pool;
        buffer_pool_init(&pool);
        unsigned count = 0;
        for (; count < rows[i].places; count++) {
            REQUIRE(take(&pool, &taken[count], rows[i].bytes, (unsigned char)count));
        }
        CHECK_EQ(pool.bytes_mapped, ARENA_BYTES);
        REQUIRE(take(&pool, &taken[count], rows[i].bytes, (unsigned char)count));
        count++;
        CHECK_EQ(pool.bytes_mapped, 2 * ARENA_BYTES);
        CHECK_EQ(pool.bytes_used, (uint64_t)count * rows[i].bytes);
        while (count > 0) {
            give(&pool, &taken[--count]);
        }
        CHECK_EQ(pool.bytes_mapped, ARENA_BYTES);
        CHECK_EQ(pool.bytes_used, 0);
        /* A second burst begins in the arena that stayed. */
        REQUIRE(take(&pool, &taken[0], rows[i].bytes, 1));
        CHECK_EQ(pool.bytes_mapped, ARENA_BYTES);
        give(&pool, &taken[0]);
        buffer_pool_destroy(&pool);
    }
}

TEST(a_full_arena_that_gets_one_back_lends_it_before_another_is_mapped)
{
    struct buffer_pool pool;
    buffer_pool_init(&pool);
    for (unsigned i = 0; i < 30; i++) { /* two full arenas of 15 */
        REQUIRE(take(&pool, &taken[i], BUFFER_LARGE, (unsigned char)i));
    }
    CHECK_EQ(pool.bytes_mapped, 2 * ARENA_BYTES);
    for (unsigned i = 0; i < 30; i += 5) {
        unsigned char *buffer = taken[i].buffer;
        give(&pool, &taken[i]);
        REQUIRE(take(&pool, &taken[i], BUFFER_LARGE, (unsigned char)i));
        CHECK(taken[i].buffer == buffer);
        CHECK_EQ(pool.bytes_mapped, 2 * ARENA_BYTES);
    }
    for (unsigned i = 0; i < 30; i++) {
        give(&pool, &taken[i]);
    }
    CHECK_EQ(pool.bytes_mapped, ARENA_BYTES);
    buffer_pool_destroy(&pool);
}

TEST(a_buffer_given_back_is_the_next_one_lent)
{
    struct buffer_pool pool;
    buffer_pool_init(&pool);
    REQUIRE(take(&pool, &taken[0], 100, 1) && take(&pool, &taken[1], 100, 2));
    unsigned char *first = taken[0].buffer;
    give(&pool, &taken[0]);
    REQUIRE(take(&pool, &taken[0], 100, 3));
    CHECK(taken[0].buffer == first);
    give(&pool, &taken[0]);
    give(&pool, &taken[1]);
    buffer_pool_destroy(&pool);
}

TEST(random_patterns_keep_every_byte_and_the_accounts)
{
    uint64_t random = 7;
    struct buffer_pool pool;
    buffer_pool_init(&pool);
    unsigned count = 0;
    uint64_t used = 0;
    uint64_t most_mapped = 0;
    for (unsigned phase = 0; phase < 8; phase++) {
        uint64_t takes_of_ten = phase % 2 == 0 ? 7 : 3;
        for (unsigned step = 0; step < 1500; step++) {
            if (test_random_below(&random, 10) < takes_of_ten) {
                if (count < MOST) {
                    uint32_t bytes = 1 + (uint32_t)test_random_below(&random, UINT64_C(1) << (8 + count % 9));
                    REQUIRE(take(&pool, &taken[count], bytes, (unsigned char)test_random(&random)));
                    CHECK(taken[count].capacity >= bytes);
                    used += taken[count].capacity;
                    count++;
                }
            } else if (count > 0) {
                unsigned victim = (unsigned)test_random_below(&random, count);
                used -= taken[victim].capacity;
                give(&pool, &taken[victim]);
                taken[victim] = taken[--count];
            }
            CHECK_EQ(pool.bytes_used, used);
            CHECK(pool.bytes_mapped >= used);
        }
        most_mapped = pool.bytes_mapped > most_mapped ? pool.bytes_mapped : most_mapped;
    }
    while (count > 0) {
        give(&pool, &taken[--count]);
    }
    CHECK(most_mapped > 3 * ARENA_BYTES);
    CHECK(pool.bytes_mapped <= BUFFER_CLASSES * ARENA_BYTES);
    buffer_pool_destroy(&pool);
    CHECK_EQ(pool.bytes_mapped, 0);
}
