/* SPDX-License-Identifier: MIT
 *
 * Linear probing over a table that is at most three quarters full; removal shifts what follows back, so that there are
 * no tombstones. Only id_map_reserve changes the table's size, hence a put after it never needs memory.
 */
#include "sys/id_map.h"

#include <errno.h>

#include "sys/util.h"

#define LEAST_CAPACITY 16u
#define MOST_COUNT (UINT32_C(1) << 30)

/* Where an id belongs: Fibonacci hashing spreads the consecutive ids that the control plane gives. */
static uint32_t home_of(const struct id_map *map, uint32_t id)
{
    uint32_t hash = id * UINT32_C(0x9e3779b9);
    return (hash ^ hash >> 15) & (map->capacity - 1u);
}

/* The place of id, or of the free entry where it would go. The table has a free entry. */
static uint32_t find(const struct id_map *map, uint32_t id)
{
    uint32_t mask = map->capacity - 1u;
    uint32_t place = home_of(map, id);
    while (map->entries[place].id != id && map->entries[place].id != 0) {
        place = (place + 1u) & mask;
    }
    return place;
}

/* The smallest capacity that holds count ids at three quarters. */
static uint32_t capacity_for(uint32_t count)
{
    uint32_t capacity = LEAST_CAPACITY;
    while (capacity / 4u * 3u < count) {
        capacity *= 2u;
    }
    return capacity;
}

void id_map_init(struct id_map *map)
{
    *map = (struct id_map){0};
}

void id_map_destroy(struct id_map *map)
{
    free(map->entries);
    *map = (struct id_map){0};
}

void *id_map_get(const struct id_map *map, uint32_t id)
{
    if (map->count == 0 || id == 0) {
        return NULL;
    }
    const struct id_map_entry *entry = &map->entries[find(map, id)];
    return entry->id == id ? entry->value : NULL;
}

int id_map_reserve(struct id_map *map, uint32_t extra)
{
    if (extra > MOST_COUNT || map->count > MOST_COUNT - extra) {
        return -ENOMEM;
    }
    uint32_t wanted = capacity_for(map->count + extra);
    if (map->capacity >= wanted && map->capacity / 8u <= wanted) {
        return 0;
    }
    struct id_map larger = {.capacity = wanted, .count = map->count};
    larger.entries = calloc(wanted, sizeof *larger.entries);
    if (larger.entries == NULL) {
        /* A table that is too large serves as well. */
        return map->capacity >= wanted ? 0 : -ENOMEM;
    }
    for (uint32_t i = 0; i < map->capacity; i++) {
        if (map->entries[i].id != 0) {
            larger.entries[find(&larger, map->entries[i].id)] = map->entries[i];
        }
    }
    free(map->entries);
    *map = larger;
    return 0;
}

void *id_map_put(struct id_map *map, uint32_t id, void *value)
{
    SLUICE_ASSERT(id != 0 && value != NULL && map->capacity > 0);
    struct id_map_entry *entry = &map->entries[find(map, id)];
    if (entry->id == id) {
        void *before = entry->value;
        entry->value = value;
        return before;
    }
    SLUICE_ASSERT(map->count < map->capacity / 4u * 3u);
    entry->id = id;
    entry->value = value;
    map->count++;
    return NULL;
}

void *id_map_remove(struct id_map *map, uint32_t id)
{
    if (map->count == 0 || id == 0) {
        return NULL;
    }
    uint32_t mask = map->capacity - 1u;
    uint32_t hole = find(map, id);
    if (map->entries[hole].id != id) {
        return NULL;
    }
    void *value = map->entries[hole].value;
    map->count--;
    for (uint32_t place = (hole + 1u) & mask; map->entries[place].id != 0; place = (place + 1u) & mask) {
        /* An entry may move into the hole when the hole is not before its home on the ring. */
        uint32_t distance_from_home = (place - home_of(map, map->entries[place].id)) & mask;
        uint32_t distance_from_hole = (place - hole) & mask;
        if (distance_from_home >= distance_from_hole) {
            map->entries[hole] = map->entries[place];
            hole = place;
        }
    }
    map->entries[hole] = (struct id_map_entry){0};
    return value;
}
