/* SPDX-License-Identifier: MIT
 *
 * The mark of an object in use is its generation, counted over the whole slab, so that a chunk that was unmapped and
 * mapped again cannot repeat one. Objects come from the lowest chunk with room, found by a bitmap of two levels: under
 * falling load the chunks above run empty and go back to the kernel.
 */
#include "sys/slab.h"

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "sys/poison.h"
#include "sys/util.h"

#define CHUNK_SHIFT 10u
#define CHUNK_MASK (SLAB_CHUNK_OBJECTS - 1u)
#define LINK_NONE UINT16_MAX

_Static_assert(SLAB_CHUNK_OBJECTS == 1u << CHUNK_SHIFT, "an index is a chunk's number and a place in it");
_Static_assert(SLAB_MAX_CHUNKS == 64u * 64u, "a summary word covers the words of the bitmap");

struct slab_chunk {
    uint16_t used;       /* objects in use */
    uint16_t fresh;      /* places from here on were never used: their memory is untouched and zero */
    uint16_t first_free; /* released last, or LINK_NONE */
    uint16_t next_free[SLAB_CHUNK_OBJECTS];
    uint32_t generation[SLAB_CHUNK_OBJECTS]; /* 0: not in use */
    _Alignas(CACHE_LINE) unsigned char objects[];
};

static size_t chunk_bytes(const struct slab *slab)
{
    return sizeof(struct slab_chunk) + slab->object_size * SLAB_CHUNK_OBJECTS;
}

static void *object_at(const struct slab *slab, struct slab_chunk *chunk, uint32_t place)
{
    return chunk->objects + slab->object_size * place;
}

static void set_room(struct slab *slab, uint32_t number)
{
    slab->room[number / 64u] |= UINT64_C(1) << (number % 64u);
    slab->room_summary |= UINT64_C(1) << (number / 64u);
}

static void clear_room(struct slab *slab, uint32_t number)
{
    slab->room[number / 64u] &= ~(UINT64_C(1) << (number % 64u));
    if (slab->room[number / 64u] == 0) {
        slab->room_summary &= ~(UINT64_C(1) << (number / 64u));
    }
}

/* Maps the lowest chunk that is not mapped; returns its number, or SLAB_NONE. Only called when no chunk has room. */
static uint32_t map_chunk(struct slab *slab)
{
    uint32_t number = 0;
    while (number < SLAB_MAX_CHUNKS && slab->chunks[number] != NULL) {
        number++;
    }
    if (number == SLAB_MAX_CHUNKS) {
        return SLAB_NONE;
    }
    void *memory = mmap(NULL, chunk_bytes(slab), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return SLAB_NONE;
    }
    struct slab_chunk *chunk = memory;
    chunk->first_free = LINK_NONE;
    poison(chunk->objects, slab->object_size * SLAB_CHUNK_OBJECTS);
    slab->chunks[number] = chunk;
    slab->chunk_count++;
    set_room(slab, number);
    return number;
}

static void unmap_chunk(struct slab *slab, uint32_t number)
{
    struct slab_chunk *chunk = slab->chunks[number];
    unpoison(chunk->objects, slab->object_size * SLAB_CHUNK_OBJECTS);
    munmap(chunk, chunk_bytes(slab));
    slab->chunks[number] = NULL;
    slab->chunk_count--;
    clear_room(slab, number);
}

void slab_init(struct slab *slab, size_t object_size)
{
    memset(slab, 0, sizeof *slab);
    slab->object_size = (object_size + CACHE_LINE - 1u) & ~(size_t)(CACHE_LINE - 1u);
    slab->empty_chunk = SLAB_NONE;
}

void slab_destroy(struct slab *slab)
{
    SLUICE_ASSERT(slab->in_use == 0);
    for (uint32_t number = 0; number < SLAB_MAX_CHUNKS; number++) {
        if (slab->chunks[number] != NULL) {
            unmap_chunk(slab, number);
        }
    }
    slab->empty_chunk = SLAB_NONE;
}

void *slab_take(struct slab *slab, uint32_t *index, uint32_t *generation)
{
    uint32_t number;
    if (likely(slab->room_summary != 0)) {
        uint32_t word = (uint32_t)__builtin_ctzll(slab->room_summary);
        number = word * 64u + (uint32_t)__builtin_ctzll(slab->room[word]);
    } else {
        number = map_chunk(slab);
        if (number == SLAB_NONE) {
            return NULL;
        }
    }
    struct slab_chunk *chunk = slab->chunks[number];
    uint32_t place;
    bool used_before = chunk->first_free != LINK_NONE;
    if (used_before) {
        place = chunk->first_free;
        chunk->first_free = chunk->next_free[place];
    } else {
        place = chunk->fresh++;
    }
    if (slab->empty_chunk == number) {
        slab->empty_chunk = SLAB_NONE;
    }
    if (++chunk->used == SLAB_CHUNK_OBJECTS) {
        clear_room(slab, number);
    }
    if (unlikely(++slab->last_generation == 0)) {
        slab->last_generation = 1;
    }
    chunk->generation[place] = slab->last_generation;
    slab->in_use++;
    void *object = object_at(slab, chunk, place);
    unpoison(object, slab->object_size);
    if (used_before) {
        memset(object, 0, slab->object_size);
    }
    *index = number << CHUNK_SHIFT | place;
    *generation = slab->last_generation;
    return object;
}

void slab_give(struct slab *slab, uint32_t index)
{
    uint32_t number = index >> CHUNK_SHIFT;
    uint32_t place = index & CHUNK_MASK;
    SLUICE_ASSERT(number < SLAB_MAX_CHUNKS && slab->chunks[number] != NULL);
    struct slab_chunk *chunk = slab->chunks[number];
    SLUICE_ASSERT(chunk->generation[place] != 0);
    chunk->generation[place] = 0;
    chunk->next_free[place] = chunk->first_free;
    chunk->first_free = (uint16_t)place;
    poison(object_at(slab, chunk, place), slab->object_size);
    slab->in_use--;
    if (chunk->used-- == SLAB_CHUNK_OBJECTS) {
        set_room(slab, number);
    }
    if (unlikely(chunk->used == 0)) {
        /* Of two empty chunks the lower one stays in reserve: objects come from the lowest. */
        uint32_t other = slab->empty_chunk;
        slab->empty_chunk = other < number ? other : number;
        if (other != SLAB_NONE) {
            unmap_chunk(slab, other < number ? number : other);
        }
    }
}

void *slab_get(struct slab *slab, uint32_t index, uint32_t generation)
{
    uint32_t number = index >> CHUNK_SHIFT;
    if (unlikely(number >= SLAB_MAX_CHUNKS || generation == 0)) {
        return NULL;
    }
    struct slab_chunk *chunk = slab->chunks[number];
    uint32_t place = index & CHUNK_MASK;
    if (unlikely(chunk == NULL || chunk->generation[place] != generation)) {
        return NULL;
    }
    return object_at(slab, chunk, place);
}

void *slab_walk(struct slab *slab, uint32_t *index, uint32_t *budget)
{
    uint32_t place = *index & CHUNK_MASK;
    for (uint32_t number = *index >> CHUNK_SHIFT; number < SLAB_MAX_CHUNKS; number++, place = 0) {
        struct slab_chunk *chunk = slab->chunks[number];
        if (chunk == NULL || chunk->used == 0) {
            continue;
        }
        for (; place < chunk->fresh; place++) {
            *index = number << CHUNK_SHIFT | place;
            if (*budget == 0) {
                return NULL;
            }
            --*budget;
            if (chunk->generation[place] != 0) {
                return object_at(slab, chunk, place);
            }
        }
    }
    *index = SLAB_NONE;
    return NULL;
}

void *slab_next(struct slab *slab, uint32_t *index)
{
    uint32_t all = UINT32_MAX; /* more than there are places */
    return slab_walk(slab, index, &all);
}

size_t slab_bytes(const struct slab *slab)
{
    return slab->chunk_count * chunk_bytes(slab);
}
