/* SPDX-License-Identifier: MIT
 * sys/id_map against an array indexed by id. */
#include "sys/id_map.h"

#include "test.h"

#define IDS 4000u

static unsigned char values[IDS + 1];
static void *model[IDS + 1];

static void check_all(const struct id_map *map)
{
    uint32_t count = 0;
    for (uint32_t id = 0; id <= IDS; id++) {
        CHECK(id_map_get(map, id) == model[id]);
        count += model[id] != NULL;
    }
    CHECK_EQ(map->count, count);
}

TEST(an_empty_map_answers_null)
{
    struct id_map map;
    id_map_init(&map);
    CHECK(id_map_get(&map, 0) == NULL);
    CHECK(id_map_get(&map, 1) == NULL);
    CHECK(id_map_get(&map, UINT32_MAX) == NULL);
    CHECK(id_map_remove(&map, 1) == NULL);
    CHECK_EQ(map.capacity, 0);
    id_map_destroy(&map);
}

TEST(put_answers_with_the_value_before)
{
    struct id_map map;
    id_map_init(&map);
    REQUIRE(id_map_reserve(&map, 1) == 0);
    CHECK(id_map_put(&map, UINT32_MAX, &values[1]) == NULL);
    CHECK(id_map_put(&map, UINT32_MAX, &values[2]) == &values[1]);
    CHECK_EQ(map.count, 1);
    CHECK(id_map_get(&map, UINT32_MAX) == &values[2]);
    CHECK(id_map_get(&map, 0) == NULL);
    CHECK(id_map_remove(&map, UINT32_MAX) == &values[2]);
    CHECK(id_map_get(&map, UINT32_MAX) == NULL);
    CHECK_EQ(map.count, 0);
    id_map_destroy(&map);
}

TEST(as_many_as_were_reserved_fit_without_memory)
{
    struct id_map map;
    id_map_init(&map);
    for (uint32_t extra = 1; extra < 200; extra++) {
        REQUIRE(id_map_reserve(&map, extra) == 0);
        const struct id_map_entry *entries = map.entries;
        for (uint32_t i = 1; i <= extra; i++) {
            id_map_put(&map, extra * 1000u + i, &values[1]);
        }
        CHECK(map.entries == entries);
        CHECK(map.count < map.capacity);
    }
    id_map_destroy(&map);
}

TEST(a_reservation_beyond_all_memory_is_refused_and_changes_nothing)
{
    struct id_map map;
    id_map_init(&map);
    REQUIRE(id_map_reserve(&map, 1) == 0);
    id_map_put(&map, 5, &values[5]);
    CHECK(id_map_reserve(&map, UINT32_MAX) < 0);
    CHECK(id_map_get(&map, 5) == &values[5]);
    id_map_destroy(&map);
}

TEST(a_map_that_lost_most_ids_shrinks_at_the_next_reservation)
{
    struct id_map map;
    id_map_init(&map);
    REQUIRE(id_map_reserve(&map, IDS) == 0);
    for (uint32_t id = 1; id <= IDS; id++) {
        id_map_put(&map, id, &values[id]);
    }
    uint32_t largest = map.capacity;
    for (uint32_t id = 1; id <= IDS - 10; id++) {
        CHECK(id_map_remove(&map, id) == &values[id]);
    }
    CHECK_EQ(map.capacity, largest);
    REQUIRE(id_map_reserve(&map, 1) == 0);
    CHECK(map.capacity < largest / 8);
    for (uint32_t id = 1; id <= IDS; id++) {
        CHECK(id_map_get(&map, id) == (id > IDS - 10 ? &values[id] : NULL));
    }
    id_map_destroy(&map);
}

TEST(random_puts_and_removes_agree_with_the_model)
{
    uint64_t random = 3;
    struct id_map map;
    id_map_init(&map);
    memset(model, 0, sizeof model);
    for (unsigned phase = 0; phase < 10; phase++) {
        uint64_t puts_of_ten = phase % 2 == 0 ? 8 : 2;
        for (unsigned step = 0; step < 3000; step++) {
            /* Neighbouring ids, as the control plane gives them, and multiples that share low bits. */
            uint32_t id = 1 + (uint32_t)test_random_below(&random, IDS);
            if (phase % 4 >= 2) {
                id = 1 + id / 16 * 16 % IDS;
            }
            if (test_random_below(&random, 10) < puts_of_ten) {
                void *value = &values[test_random_below(&random, IDS)];
                REQUIRE(id_map_reserve(&map, 1) == 0);
                CHECK(id_map_put(&map, id, value) == model[id]);
                model[id] = value;
            } else {
                CHECK(id_map_remove(&map, id) == model[id]);
                model[id] = NULL;
            }
        }
        check_all(&map);
    }
    id_map_destroy(&map);
}
