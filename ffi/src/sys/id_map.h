/* SPDX-License-Identifier: MIT
 *
 * Map from 32-bit ids (never 0) to pointers, open addressing, grows and shrinks. Used by the control thread only. */
#ifndef SLUICE_SYS_ID_MAP_H
#define SLUICE_SYS_ID_MAP_H

#include <stddef.h>
#include <stdint.h>

struct id_map_entry {
    uint32_t id; /* 0: free */
    void *value;
};

struct id_map {
    struct id_map_entry *entries;
    uint32_t capacity; /* a power of two, or 0 */
    uint32_t count;
};

void id_map_init(struct id_map *map);
void id_map_destroy(struct id_map *map);

/* The value of id, or NULL. */
void *id_map_get(const struct id_map *map, uint32_t id);

/* Makes room for `extra` more ids, so that as many id_map_put cannot fail; it replaces what an earlier call promised,
 * and shrinks a table that has become far too large. Returns 0 or -ENOMEM, and leaves the map as it was then. */
int id_map_reserve(struct id_map *map, uint32_t extra);

/* Sets the value of id (not NULL) and returns the one before, or NULL. Room must have been reserved for a new id. */
void *id_map_put(struct id_map *map, uint32_t id, void *value);

/* Removes id and returns its value, or NULL. */
void *id_map_remove(struct id_map *map, uint32_t id);

#endif
